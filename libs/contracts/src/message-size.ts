/**
 * Senders fill a message up to here: half of nats-server's default max_payload, so that a site's own NATS takes it. What can't be divided, one fact or one
 * change with the longest names, may be larger, and is still below that default (1 MiB).
 */
export const maxMessageBytes = 512 * 1024;

/** As it travels: a control character in a name takes six bytes. */
export function encodedBytes(part: object): number {
  return Buffer.byteLength(JSON.stringify(part));
}
