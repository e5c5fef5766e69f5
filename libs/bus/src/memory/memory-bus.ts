import { setTimeout as delay } from 'node:timers/promises';
import { type ConsumerDeclaration, deadLetters, durableOf, type StreamDeclaration } from '@kuramori/contracts';
import {
  type Bus,
  type BusFigures,
  BusFullError,
  type BusSubscription,
  BusTooLargeError,
  BusUnavailableError,
  type ConsumerFigures,
  PermanentMessageError,
  type ReceivedMessage,
} from '../bus';
import { keepDeadLetter } from '../dead-letter';
import { maxPayloadBytes } from '../server/server-files';

interface StoredMessage {
  readonly subject: string;
  readonly text: string;
  readonly streamSequence: number;
  readonly storedAtMs: number;
}

interface MemoryStream {
  readonly declaration: StreamDeclaration;
  /** Those that are still there, oldest first. */
  readonly messages: StoredMessage[];
  readonly ids: Map<string, number>;
  bytes: number;
  lastSequence: number;
}

/** Whether a subject fits a pattern with `*` (one token) and `>` (the rest). */
export function subjectMatches(pattern: string, subject: string): boolean {
  const wanted = pattern.split('.');
  const tokens = subject.split('.');
  for (const [index, token] of wanted.entries()) {
    if (token === '>') return tokens.length > index;
    if (tokens[index] === undefined || (token !== '*' && token !== tokens[index])) return false;
  }
  return wanted.length === tokens.length;
}

export interface MemoryBusOptions {
  /** First delay before a failed message is handled again; doubles. Default 1,000 as on the real bus; tests use less. */
  readonly firstBackoffMs?: number;
}

/** The bus inside one process: same promises, nothing on disk. What it doesn't do: expire by age, and survive its process. */
export class MemoryBus implements Bus {
  private readonly streams = new Map<string, MemoryStream>();
  private readonly responders = new Map<string, (payload: unknown) => Promise<object>>();
  private readonly consumed = new Map<string, number>();
  private readonly consumerFigures = new Map<string, { -readonly [K in keyof ConsumerFigures]: ConsumerFigures[K] }>();
  private readonly wakers = new Set<() => void>();
  private readonly running = new Set<BusSubscription>();
  private published = 0;
  private publishFailures = 0;
  private closed = false;

  constructor(private readonly options: MemoryBusOptions = {}) {}

  async ensureStreams(streams: readonly StreamDeclaration[]): Promise<void> {
    for (const declaration of streams) {
      if (!this.streams.has(declaration.name))
        this.streams.set(declaration.name, { declaration, messages: [], ids: new Map(), bytes: 0, lastSequence: 0 });
    }
  }

  async publish(subject: string, message: object, options: { messageId: string }): Promise<{ streamSequence: number; duplicate: boolean }> {
    const stream = [...this.streams.values()].find(({ declaration }) => declaration.subjects.some((pattern) => subjectMatches(pattern, subject)));
    if (this.closed || stream === undefined) {
      this.publishFailures += 1;
      throw new BusUnavailableError(this.closed ? 'the bus is closed' : `no stream takes ${subject}`);
    }
    const known = stream.ids.get(options.messageId);
    if (known !== undefined) return { streamSequence: known, duplicate: true };
    const text = JSON.stringify(message);
    this.refuseTooLarge(subject, text);
    const { discard, maxBytes, name } = stream.declaration;
    while (discard === 'old' && stream.bytes + text.length > maxBytes && stream.messages.length > 0) {
      stream.bytes -= stream.messages.shift()?.text.length ?? 0;
    }
    if (stream.bytes + text.length > maxBytes) {
      this.publishFailures += 1;
      throw new BusFullError(`${name} is full`);
    }
    stream.lastSequence += 1;
    const streamSequence = stream.lastSequence;
    stream.messages.push({ subject, text, streamSequence, storedAtMs: Date.now() });
    stream.ids.set(options.messageId, streamSequence);
    stream.bytes += text.length;
    this.published += 1;
    for (const wake of this.wakers) wake();
    return { streamSequence, duplicate: false };
  }

  async consume(
    declaration: ConsumerDeclaration,
    host: string,
    handler: (message: ReceivedMessage) => Promise<void>,
    options: { onDeadLetter?: (message: ReceivedMessage, cause: unknown) => void } = {},
  ): Promise<BusSubscription> {
    await this.ensureStreams([deadLetters]);
    const stopping = new AbortController();
    const durable = durableOf(declaration, host);
    const figures = { durable: declaration.durable, handled: 0, redelivered: 0, deadLetters: 0, pending: 0 };
    this.consumerFigures.set(durable, figures);
    const handleOne = async (message: StoredMessage): Promise<boolean> => {
      for (let attempt = 1; !stopping.signal.aborted; attempt += 1) {
        const received: ReceivedMessage = { ...message, body: JSON.parse(message.text) as unknown, deliveryCount: attempt };
        if (attempt > 1) figures.redelivered += 1;
        try {
          await handler(received);
          figures.handled += 1;
          return true;
        } catch (error) {
          if (error instanceof PermanentMessageError || attempt >= declaration.maxDeliver) {
            figures.deadLetters += 1;
            options.onDeadLetter?.(received, await keepDeadLetter(this, declaration, host, received, error));
            return true;
          }
        }
        await delay((this.options.firstBackoffMs ?? 1000) * 2 ** (attempt - 1), undefined, { signal: stopping.signal }).catch(() => undefined);
      }
      return false;
    };
    const loop = (async () => {
      while (!stopping.signal.aborted) {
        const position = this.consumed.get(durable) ?? 0;
        const waiting = (this.streams.get(declaration.stream)?.messages ?? []).filter(
          ({ streamSequence, subject }) => streamSequence > position && subjectMatches(declaration.subject(host), subject),
        );
        const [next] = waiting;
        figures.pending = Math.max(0, waiting.length - 1);
        if (next === undefined) {
          await new Promise<void>((resolve) => {
            const wake = () => {
              this.wakers.delete(wake);
              resolve();
            };
            this.wakers.add(wake);
            stopping.signal.addEventListener('abort', wake, { once: true });
          });
        } else if (await handleOne(next)) {
          this.consumed.set(durable, next.streamSequence);
        }
      }
    })();
    const subscription = {
      stop: async () => {
        stopping.abort();
        this.running.delete(subscription);
        await loop;
      },
    };
    this.running.add(subscription);
    return subscription;
  }

  async *read(stream: string, filterSubject: string, sinceMs: number): AsyncIterable<ReceivedMessage> {
    for (const message of [...(this.streams.get(stream)?.messages ?? [])]) {
      if (message.storedAtMs >= sinceMs && subjectMatches(filterSubject, message.subject))
        yield { ...message, body: JSON.parse(message.text) as unknown, deliveryCount: 1 };
    }
  }

  async request(subject: string, payload: object, options: { timeoutMs: number }): Promise<unknown> {
    this.refuseTooLarge(subject, JSON.stringify(payload));
    const responder = this.responders.get(subject);
    if (this.closed || responder === undefined) throw new BusUnavailableError(`nobody answers ${subject}`);
    const reply = responder(JSON.parse(JSON.stringify(payload))).catch((error: unknown) => ({
      ok: false,
      code: 'failed',
      error: error instanceof Error ? error.message : String(error),
    }));
    const late = new AbortController();
    try {
      return JSON.parse(
        JSON.stringify(
          await Promise.race([
            reply,
            delay(options.timeoutMs, undefined, { signal: late.signal }).then(() => {
              throw new BusUnavailableError(`no answer on ${subject} within ${options.timeoutMs} ms`);
            }),
          ]),
        ),
      ) as unknown;
    } finally {
      late.abort();
    }
  }

  async respond(subject: string, handler: (payload: unknown) => Promise<object>): Promise<BusSubscription> {
    this.responders.set(subject, handler);
    return { stop: async () => void this.responders.delete(subject) };
  }

  figures(): BusFigures {
    return {
      connected: !this.closed,
      reconnects: 0,
      published: this.published,
      publishFailures: this.publishFailures,
      stuckMs: 0,
      consumers: [...this.consumerFigures.values()].map((figures) => ({ ...figures })),
    };
  }

  private refuseTooLarge(subject: string, text: string): void {
    if (Buffer.byteLength(text) <= maxPayloadBytes) return;
    this.publishFailures += 1;
    throw new BusTooLargeError(`${subject}: larger than ${maxPayloadBytes} bytes`);
  }

  async drain(): Promise<void> {
    await Promise.all([...this.running].map((subscription) => subscription.stop()));
    this.closed = true;
  }
}
