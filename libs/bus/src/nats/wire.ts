/** Messages as bytes and back. */
import type { JsMsg } from 'nats';
import type { ReceivedMessage } from '../bus';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function encode(message: object): Uint8Array {
  return encoder.encode(JSON.stringify(message));
}

/** @throws SyntaxError for bytes that are no JSON */
export function decode(data: Uint8Array): unknown {
  return JSON.parse(decoder.decode(data));
}

export function toReceived(message: JsMsg, deliveryCount: number): ReceivedMessage {
  return {
    subject: message.subject,
    body: decode(message.data),
    streamSequence: message.seq,
    storedAtMs: Math.floor(message.info.timestampNanos / 1_000_000),
    deliveryCount,
  };
}
