/** Streams and durable consumers, declared in this one place (rules.md 15). libs/bus makes them so at start. */
import type { ServiceName } from './subjects';

export interface StreamDeclaration {
  readonly name: string;
  readonly subjects: readonly string[];
  /** Oldest messages leave after this time; a service that was away for longer asks for a rescan. */
  readonly maxAgeMs: number;
  /** Full: the publisher is refused (discard new) and spools to disk; nothing is dropped in silence. */
  readonly maxBytes: number;
}

export interface ConsumerDeclaration {
  readonly durable: string;
  readonly stream: string;
  readonly service: ServiceName;
  readonly filterSubject: string;
  /** A message whose service fell silent for this long is delivered again: after `kill -9` nothing may wait longer. Handlers at work say so meanwhile. */
  readonly ackWaitMs: number;
  /** Deliveries before a message becomes a dead letter. */
  readonly maxDeliver: number;
}

const dayMs = 24 * 60 * 60 * 1000;
const mebibyte = 1024 * 1024;

export const streams = {
  files: { name: 'KURAMORI_FILES', subjects: ['kuramori.v1.*.file.batch'], maxAgeMs: dayMs, maxBytes: 2048 * mebibyte },
  vault: { name: 'KURAMORI_VAULT', subjects: ['kuramori.v1.*.vault.>'], maxAgeMs: dayMs, maxBytes: 2048 * mebibyte },
  verdicts: { name: 'KURAMORI_VERDICTS', subjects: ['kuramori.v1.*.verdict'], maxAgeMs: 30 * dayMs, maxBytes: 256 * mebibyte },
  incidents: { name: 'KURAMORI_INCIDENTS', subjects: ['kuramori.v1.*.incident.>'], maxAgeMs: 365 * dayMs, maxBytes: 256 * mebibyte },
} as const satisfies Record<string, StreamDeclaration>;

/** A restored file system state needs every batch once and in order: one message in flight per consumer (maxAckPending 1). */
export const consumers = {
  vaultFiles: {
    durable: 'vault-files',
    stream: streams.files.name,
    service: 'vault',
    filterSubject: 'kuramori.v1.*.file.batch',
    ackWaitMs: 3000,
    maxDeliver: 20,
  },
  detectorFiles: {
    durable: 'detector-files',
    stream: streams.files.name,
    service: 'detector',
    filterSubject: 'kuramori.v1.*.file.batch',
    ackWaitMs: 3000,
    maxDeliver: 20,
  },
  detectorVault: {
    durable: 'detector-vault',
    stream: streams.vault.name,
    service: 'detector',
    filterSubject: 'kuramori.v1.*.vault.stored',
    ackWaitMs: 3000,
    maxDeliver: 20,
  },
  responderVerdicts: {
    durable: 'responder-verdicts',
    stream: streams.verdicts.name,
    service: 'responder',
    filterSubject: 'kuramori.v1.*.verdict',
    ackWaitMs: 3000,
    maxDeliver: 20,
  },
  notifierIncidents: {
    durable: 'notifier-incidents',
    stream: streams.incidents.name,
    service: 'notifier',
    filterSubject: 'kuramori.v1.*.incident.>',
    ackWaitMs: 3000,
    maxDeliver: 20,
  },
} as const satisfies Record<string, ConsumerDeclaration>;

/** Messages no handler could take, kept where people can see them. */
export const deadLetters: StreamDeclaration = { name: 'KURAMORI_DEAD', subjects: ['kuramori.dead.*'], maxAgeMs: 30 * dayMs, maxBytes: 64 * mebibyte };

export function deadLetterSubject(durable: string): string {
  return `kuramori.dead.${durable}`;
}
