import type { ConsumerDeclaration, StreamDeclaration } from '@kuramori/contracts';

/** The stream is full, or its store refuses to write: nothing was stored. The caller spools and tries again (rules.md 15). */
export class BusFullError extends Error {
  override readonly name = 'BusFullError';
}
/** No connection, no reply in time: it is not known whether the message was stored. Publishing it again with the same messageId is safe. */
export class BusUnavailableError extends Error {
  override readonly name = 'BusUnavailableError';
}
/** The message is larger than the server's max_payload: it was not sent, and never will be. The caller makes it smaller, or says that it is lost. */
export class BusTooLargeError extends Error {
  override readonly name = 'BusTooLargeError';
}
/** A handler throws this for a message that can never be handled: it becomes a dead letter at once, without retries. */
export class PermanentMessageError extends Error {
  override readonly name = 'PermanentMessageError';
}

/** One message of a stream as a handler gets it. `body` is decoded JSON, not yet validated. */
export interface ReceivedMessage {
  readonly subject: string;
  readonly body: unknown;
  /** Position in the stream, grows by one per message of the stream. */
  readonly streamSequence: number;
  /** When the stream stored it, milliseconds since the epoch. */
  readonly storedAtMs: number;
  /** 1 at the first delivery. */
  readonly deliveryCount: number;
}

export interface BusSubscription {
  /** Stops taking messages and waits until the one in hand is handled and acknowledged. May be called twice. */
  stop(): Promise<void>;
}

export interface ConsumerFigures {
  /** As it was declared: without the host. */
  readonly durable: string;
  readonly handled: number;
  readonly redelivered: number;
  readonly deadLetters: number;
  /** Messages of the stream not yet delivered to this consumer, as last heard. */
  readonly pending: number;
  /** Why no message can be taken just now; absent when all is well. */
  readonly problem?: string;
}

export interface BusFigures {
  readonly connected: boolean;
  readonly reconnects: number;
  readonly published: number;
  readonly publishFailures: number;
  /** For how long publishing has been in vain although there is a connection; 0: it is not. */
  readonly stuckMs: number;
  readonly consumers: readonly ConsumerFigures[];
}

/**
 * The message bus as the services see it. Two adapters (nats, memory) pass one contract suite.
 * Messages are JSON objects; a subject belongs to at most one stream.
 */
export interface Bus {
  /** Makes the declared streams exist with these limits; idempotent; may be called by several services at once. */
  ensureStreams(streams: readonly StreamDeclaration[]): Promise<void>;

  /**
   * Stores a message in the stream of its subject. Resolves when the server has it. The same messageId within two minutes is stored once.
   * @throws BusFullError | BusUnavailableError | BusTooLargeError
   */
  publish(
    subject: string,
    message: object,
    options: { messageId: string; timeoutMs?: number },
  ): Promise<{ streamSequence: number; duplicate: boolean }>;

  /**
   * Durable consumer of a host's messages, in order, one at a time: the next comes after the handler's promise resolved (acknowledged) or the message became a
   * dead letter. A rejected promise means redelivery after a growing delay (1 s, 2 s, 4 s … 30 s), still before any later message; after
   * `maxDeliver` deliveries, or at once for a PermanentMessageError, the message is a dead letter: counted, handed to `onDeadLetter`, and passed over, also when
   * the stream of dead letters does not take it (the cause then says so).
   */
  consume(
    declaration: ConsumerDeclaration,
    host: string,
    handler: (message: ReceivedMessage) => Promise<void>,
    options?: { onDeadLetter?: (message: ReceivedMessage, cause: unknown) => void },
  ): Promise<BusSubscription>;

  /** Reads what a stream holds on a subject since a moment, oldest first, and ends when it has caught up with the end as of the call. Makes no durable state. */
  read(stream: string, filterSubject: string, sinceMs: number): AsyncIterable<ReceivedMessage>;

  /** Core request/reply. @throws BusUnavailableError when nobody answers in time; BusTooLargeError */
  request(subject: string, payload: object, options: { timeoutMs: number }): Promise<unknown>;

  /** Answers requests on a subject; handlers of one subject run one after the other only if they must: they may overlap. */
  respond(subject: string, handler: (payload: unknown) => Promise<object>): Promise<BusSubscription>;

  figures(): BusFigures;

  /** Lets handlers in hand finish, flushes, disconnects. May be called twice; nothing works after it. */
  drain(): Promise<void>;
}
