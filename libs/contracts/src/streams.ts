/** Streams and durable consumers, declared in this one place (rules.md 15). libs/bus makes them so at start. */
import { hostToken, type ServiceName, subjects } from './subjects';

export interface StreamDeclaration {
  readonly name: string;
  readonly subjects: readonly string[];
  /** Oldest messages leave after this time; a service that was away for longer asks for a rescan. */
  readonly maxAgeMs: number;
  /** Of all hosts on the bus together. */
  readonly maxBytes: number;
  /** What gives way when it is full. `new`: the publisher is refused and spools to disk, so that nothing is dropped in silence. */
  readonly discard: 'new' | 'old';
}

/** The same on every host; on the server each host has one of its own, see {@link durableOf}. */
export interface ConsumerDeclaration {
  /** What handlers, figures and logs call it. */
  readonly durable: string;
  readonly stream: string;
  readonly service: ServiceName;
  /** What it hears of a host. */
  readonly subject: (host: string) => string;
  /** A message whose service fell silent for this long is delivered again: after `kill -9` nothing may wait longer. Handlers at work say so meanwhile. */
  readonly ackWaitMs: number;
  /** Deliveries before a message becomes a dead letter. */
  readonly maxDeliver: number;
}

const dayMs = 24 * 60 * 60 * 1000;
const mebibyte = 1024 * 1024;

export const streams = {
  files: { name: 'KURAMORI_FILES', subjects: ['kuramori.v1.*.file.batch'], maxAgeMs: dayMs, maxBytes: 2048 * mebibyte, discard: 'new' },
  vault: { name: 'KURAMORI_VAULT', subjects: ['kuramori.v1.*.vault.>'], maxAgeMs: dayMs, maxBytes: 2048 * mebibyte, discard: 'new' },
  verdicts: { name: 'KURAMORI_VERDICTS', subjects: ['kuramori.v1.*.verdict'], maxAgeMs: 30 * dayMs, maxBytes: 256 * mebibyte, discard: 'new' },
  incidents: { name: 'KURAMORI_INCIDENTS', subjects: ['kuramori.v1.*.incident.>'], maxAgeMs: 365 * dayMs, maxBytes: 256 * mebibyte, discard: 'new' },
} as const satisfies Record<string, StreamDeclaration>;

/** A restored file system state needs every batch once and in order: one message in flight per consumer (maxAckPending 1). */
export const consumers = {
  vaultFiles: {
    durable: 'vault-files',
    stream: streams.files.name,
    service: 'vault',
    subject: subjects.fileBatch,
    ackWaitMs: 3000,
    maxDeliver: 20,
  },
  detectorFiles: {
    durable: 'detector-files',
    stream: streams.files.name,
    service: 'detector',
    subject: subjects.fileBatch,
    ackWaitMs: 3000,
    maxDeliver: 20,
  },
  detectorVault: {
    durable: 'detector-vault',
    stream: streams.vault.name,
    service: 'detector',
    subject: subjects.vaultStored,
    ackWaitMs: 3000,
    maxDeliver: 20,
  },
  responderVerdicts: {
    durable: 'responder-verdicts',
    stream: streams.verdicts.name,
    service: 'responder',
    subject: subjects.verdict,
    ackWaitMs: 3000,
    maxDeliver: 20,
  },
  notifierIncidents: {
    durable: 'notifier-incidents',
    stream: streams.incidents.name,
    service: 'notifier',
    subject: subjects.incidentAll,
    ackWaitMs: 3000,
    maxDeliver: 20,
  },
} as const satisfies Record<string, ConsumerDeclaration>;

/**
 * The name of a host's consumer on the server. Two hosts that shared one would each get half of the messages, and pass over what is the other's. `*`: that of any
 * host, for permissions.
 */
export function durableOf({ durable }: Pick<ConsumerDeclaration, 'durable'>, host: string): string {
  return host === '*' ? '*' : `${durable}-${hostToken(host)}`;
}

/**
 * Messages no handler could take, kept where people can see them. The oldest give way: nobody spools a dead letter, so refusing the newest would lose it, and
 * the newest tell what is wrong now. Each is in the log as well.
 */
export const deadLetters: StreamDeclaration = {
  name: 'KURAMORI_DEAD',
  subjects: ['kuramori.dead.*'],
  maxAgeMs: 30 * dayMs,
  maxBytes: 64 * mebibyte,
  discard: 'old',
};

export function deadLetterSubject(declaration: Pick<ConsumerDeclaration, 'durable'>, host: string): string {
  return `kuramori.dead.${durableOf(declaration, host)}`;
}
