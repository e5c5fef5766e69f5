import { setTimeout as delay } from 'node:timers/promises';
import type { JsMsg } from 'nats';
import type { ConsumerDeclaration } from '@kuramori/contracts';
import { type BusSubscription, PermanentMessageError, type ReceivedMessage } from '../bus';
import { toReceived } from './wire';

export interface ConsumerCounters {
  handled: number;
  redelivered: number;
  deadLetters: number;
  pending: number;
  problem?: string;
}

export interface ConsumerLink {
  /** One message, or null when none came in time. Rejects while the server is away. */
  pull(expiresMs: number): Promise<JsMsg | null>;
  /** Tells of a message that can't be handled, and keeps it where people can see it. Does not reject: it is passed over also where it can't be kept. */
  deadLetter(message: ReceivedMessage, cause: unknown): Promise<void>;
}

/** A pull waits this long on the server; also how long a consumer stays blind when a restart of the server swallowed its pull. */
const pullMs = 1000;
const retryPullMs = 100;
const firstBackoffMs = 1000;
const longestBackoffMs = 30_000;

/** Takes one message at a time, in order; a failed one is tried again here, before any later one, until it is handled or dead. */
export class DurableConsumer implements BusSubscription {
  private stopping = new AbortController();
  private loop: Promise<void> = Promise.resolve();

  constructor(
    private readonly declaration: ConsumerDeclaration,
    private readonly handler: (message: ReceivedMessage) => Promise<void>,
    private readonly counters: ConsumerCounters,
    private readonly link: ConsumerLink,
  ) {}

  start(): void {
    this.loop = this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.loop;
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      try {
        const message = await this.link.pull(pullMs);
        delete this.counters.problem;
        if (message !== null) await this.handle(message);
      } catch (error) {
        // The server is away or the consumer is gone: the next pull makes what is missing, and the figures say why it can't.
        this.counters.problem = error instanceof Error ? error.message : String(error);
        await this.pause(retryPullMs);
      }
    }
  }

  private async handle(message: JsMsg): Promise<void> {
    const { signal } = this.stopping;
    this.counters.pending = message.info.pending;
    let attempts = message.info.deliveryCount - 1;
    // The server gives a silent message to the next one who asks: tell it that this one is being worked on.
    const heartbeat = setInterval(() => message.working(), this.declaration.ackWaitMs / 3);
    try {
      for (;;) {
        attempts += 1;
        if (attempts > 1) this.counters.redelivered += 1;
        const received = this.receive(message, attempts);
        try {
          if (received.body === undefined) throw new PermanentMessageError('the message is no JSON');
          await this.handler(received);
          message.ack();
          this.counters.handled += 1;
          return;
        } catch (error) {
          if (error instanceof PermanentMessageError || attempts >= this.declaration.maxDeliver) {
            await this.link.deadLetter(received, error);
            message.ack();
            this.counters.deadLetters += 1;
            return;
          }
        }
        await this.pause(Math.min(longestBackoffMs, firstBackoffMs * 2 ** (attempts - 1)));
        // Unacknowledged: it comes again at the next start.
        if (signal.aborted) return;
      }
    } finally {
      clearInterval(heartbeat);
    }
  }

  /** Bytes that are no JSON have no body: they can never be handled. */
  private receive(message: JsMsg, attempts: number): ReceivedMessage {
    try {
      return toReceived(message, Math.max(1, attempts));
    } catch {
      return { subject: message.subject, body: undefined, streamSequence: message.seq, storedAtMs: 0, deliveryCount: Math.max(1, attempts) };
    }
  }

  private async pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.stopping.signal }).catch(() => undefined);
  }
}
