import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import {
  AckPolicy,
  connect,
  type Consumer,
  DeliverPolicy,
  DiscardPolicy,
  ErrorCode,
  Events,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
  type NatsConnection,
  NatsError,
  nanos,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from 'nats';
import { type ConsumerDeclaration, deadLetters, durableOf, type StreamDeclaration } from '@kuramori/contracts';
import { type Bus, type BusFigures, BusFullError, type BusSubscription, BusTooLargeError, BusUnavailableError, type ReceivedMessage } from '../bus';
import { keepDeadLetter } from '../dead-letter';
import { type ConsumerCounters, DurableConsumer } from './durable-consumer';
import { decode, encode, toReceived } from './wire';

export interface NatsBusOptions {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  /** Shown in the server's connection list. */
  readonly name: string;
  /** Private prefix of reply subjects, which the credentials allow. */
  readonly inboxPrefix: string;
}

const duplicateWindowMs = 120_000;
const publishTimeoutMs = 5000;
const readBatch = 64;

function toStreamConfig(declaration: StreamDeclaration): Partial<StreamConfig> & { name: string } {
  return {
    name: declaration.name,
    subjects: [...declaration.subjects],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: declaration.discard === 'new' ? DiscardPolicy.New : DiscardPolicy.Old,
    max_age: nanos(declaration.maxAgeMs),
    max_bytes: declaration.maxBytes,
    duplicate_window: nanos(Math.min(duplicateWindowMs, declaration.maxAgeMs)),
    num_replicas: 1,
  };
}

async function exists(manager: JetStreamManager, stream: string): Promise<boolean> {
  try {
    await manager.streams.info(stream);
    return true;
  } catch (error) {
    if (error instanceof NatsError && error.api_error?.code === 404) return false;
    throw error;
  }
}

/** The bus over a nats-server with JetStream. Connects again for ever, also when the server isn't there yet. */
export class NatsBus implements Bus {
  private readonly counters = { reconnects: 0, published: 0, publishFailures: 0 };
  private readonly consumerCounters = new Map<string, ConsumerCounters & { readonly durable: string }>();
  private readonly subscriptions = new Set<BusSubscription>();
  private readonly declared = new Map<string, StreamDeclaration>();
  private readonly pullConsumers = new Map<string, Consumer>();
  private connected = true;
  private stuckSinceMs: number | undefined;
  private readonly cutOff = new Set<(reason: Error) => void>();
  private draining: Promise<void> | undefined;

  private constructor(
    private readonly connection: NatsConnection,
    private readonly jetStream: JetStreamClient,
  ) {
    void this.watchConnection();
  }

  /** Resolves when connected for the first time; waits as long as it takes. */
  static async connect(options: NatsBusOptions): Promise<NatsBus> {
    const connection = await connect({
      servers: options.url,
      user: options.user,
      pass: options.password,
      name: options.name,
      inboxPrefix: options.inboxPrefix,
      waitOnFirstConnect: true,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 100,
      reconnectJitter: 50,
      pingInterval: 5000,
      maxPingOut: 2,
    });
    return new NatsBus(connection, connection.jetstream({ timeout: publishTimeoutMs }));
  }

  async ensureStreams(streams: readonly StreamDeclaration[]): Promise<void> {
    for (const stream of streams) {
      this.declared.set(stream.name, stream);
      await this.ensureStream(stream);
    }
  }

  async publish(
    subject: string,
    message: object,
    options: { messageId: string; timeoutMs?: number },
  ): Promise<{ streamSequence: number; duplicate: boolean }> {
    try {
      const ack = await this.jetStream.publish(subject, encode(message), {
        msgID: options.messageId,
        timeout: options.timeoutMs ?? publishTimeoutMs,
      });
      this.counters.published += 1;
      this.stuckSinceMs = undefined;
      return { streamSequence: ack.seq, duplicate: ack.duplicate };
    } catch (error) {
      this.counters.publishFailures += 1;
      this.refuseTooLarge(subject, error);
      this.noteStuck(error);
      if (error instanceof NatsError && error.api_error !== undefined)
        throw new BusFullError(`${subject}: ${error.api_error.description}`, { cause: error });
      throw new BusUnavailableError(`${subject} could not be published: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }

  async consume(
    declaration: ConsumerDeclaration,
    host: string,
    handler: (message: ReceivedMessage) => Promise<void>,
    options: { onDeadLetter?: (message: ReceivedMessage, cause: unknown) => void } = {},
  ): Promise<BusSubscription> {
    const durable = durableOf(declaration, host);
    const counters = { durable: declaration.durable, handled: 0, redelivered: 0, deadLetters: 0, pending: 0 };
    this.consumerCounters.set(durable, counters);
    const consumer = new DurableConsumer(declaration, handler, counters, {
      pull: (expiresMs) => this.pull(declaration, host, expiresMs),
      deadLetter: async (message, cause) => {
        options.onDeadLetter?.(message, await keepDeadLetter(this, declaration, host, message, cause));
      },
    });
    consumer.start();
    return this.remember(consumer);
  }

  async *read(stream: string, filterSubject: string, sinceMs: number): AsyncIterable<ReceivedMessage> {
    const manager = await this.manager();
    const info = await manager.consumers.add(stream, {
      // With a name the request's subject carries the filter, which the credentials limit.
      name: `read-${randomBytes(8).toString('hex')}`,
      ack_policy: AckPolicy.None,
      deliver_policy: DeliverPolicy.StartTime,
      opt_start_time: new Date(sinceMs).toISOString(),
      filter_subject: filterSubject,
      inactive_threshold: nanos(30_000),
      mem_storage: true,
    });
    const consumer = await this.jetStream.consumers.get(stream, info.name);
    try {
      // What is there now; later messages come to the durable consumers.
      for (let left = info.num_pending; left > 0;) {
        let received = 0;
        for await (const message of await consumer.fetch({ max_messages: Math.min(left, readBatch), expires: 2000 })) {
          received += 1;
          yield toReceived(message, 1);
        }
        if (received === 0) return;
        left -= received;
      }
    } finally {
      await consumer.delete().catch(() => undefined);
    }
  }

  async request(subject: string, payload: object, options: { timeoutMs: number }): Promise<unknown> {
    try {
      const reply = await this.unlessCutOff(this.connection.request(subject, encode(payload), { timeout: options.timeoutMs }));
      return decode(reply.data);
    } catch (error) {
      this.refuseTooLarge(subject, error);
      throw new BusUnavailableError(`nobody answered ${subject}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }

  async respond(subject: string, handler: (payload: unknown) => Promise<object>): Promise<BusSubscription> {
    const inHand = new Set<Promise<void>>();
    const subscription = this.connection.subscribe(subject, {
      callback: (error, message) => {
        if (error !== null) return;
        const work = (async () => {
          message.respond(encode(await handler(decode(message.data))));
        })().catch((cause: unknown) => {
          message.respond(encode({ ok: false, code: 'failed', error: cause instanceof Error ? cause.message : String(cause) }));
        });
        inHand.add(work);
        void work.finally(() => inHand.delete(work));
      },
    });
    await this.connection.flush();
    return this.remember({
      stop: async () => {
        if (!subscription.isClosed()) subscription.unsubscribe();
        await Promise.all(inHand);
      },
    });
  }

  figures(): BusFigures {
    return {
      connected: this.connected && !this.connection.isClosed(),
      ...this.counters,
      stuckMs: this.stuckSinceMs === undefined ? 0 : performance.now() - this.stuckSinceMs,
      consumers: [...this.consumerCounters.values()].map((counters) => ({ ...counters })),
    };
  }

  drain(): Promise<void> {
    this.draining ??= (async () => {
      await Promise.all([...this.subscriptions].map((subscription) => subscription.stop()));
      if (this.connection.isClosed()) return;
      // While the server is away there is nothing to flush to.
      if (this.connected) await Promise.race([this.connection.drain().catch(() => undefined), delay(2000, undefined, { ref: false })]);
      await this.connection.close();
    })();
    return this.draining;
  }

  /** An answer that was under way when the server went never comes. */
  private async unlessCutOff<T>(answer: Promise<T>): Promise<T> {
    const lost = Promise.withResolvers<never>();
    this.cutOff.add(lost.reject);
    try {
      return await Promise.race([answer, lost.promise]);
    } finally {
      this.cutOff.delete(lost.reject);
      answer.catch(() => undefined);
    }
  }

  /** The client looks at the limit that the server told when it connected, before it sends anything. */
  private refuseTooLarge(subject: string, error: unknown): void {
    if (!(error instanceof NatsError) || error.code !== ErrorCode.MaxPayloadExceeded.valueOf()) return;
    throw new BusTooLargeError(`${subject}: larger than the ${this.connection.info?.max_payload ?? 0} bytes that the server takes (max_payload)`, {
      cause: error,
    });
  }

  /** Connected, and yet nobody answers: a store that met a full disk is silent, or says that it is switched off. */
  private noteStuck(error: unknown): void {
    const silent = error instanceof NatsError && (error.code === ErrorCode.Timeout.valueOf() || error.code === ErrorCode.NoResponders.valueOf());
    if (!this.connected || !silent) this.stuckSinceMs = undefined;
    else this.stuckSinceMs ??= performance.now();
  }

  private remember(subscription: BusSubscription): BusSubscription {
    const remembered = {
      stop: async () => {
        this.subscriptions.delete(remembered);
        await subscription.stop();
      },
    };
    this.subscriptions.add(remembered);
    return remembered;
  }

  private manager(): Promise<JetStreamManager> {
    return this.connection.jetstreamManager({ checkAPI: false });
  }

  private async ensureStream(declaration: StreamDeclaration): Promise<void> {
    const manager = await this.manager();
    for (let attempt = 1; ; attempt += 1) {
      try {
        if (await exists(manager, declaration.name)) return;
        // Services may race: creating what exists with the same limits succeeds. It isn't tried without need, since the server then counts the space twice.
        await manager.streams.add(toStreamConfig(declaration));
        return;
      } catch (error) {
        if (error instanceof NatsError && error.message.includes('already in use')) return;
        // JetStream needs a moment after the server's start.
        if (attempt >= 50)
          throw new BusUnavailableError(`stream ${declaration.name} can't be made: ${error instanceof Error ? error.message : String(error)}`, {
            cause: error,
          });
        await delay(100);
      }
    }
  }

  /** One message or none; makes the consumer (and its stream) again when the server lost them. */
  private async pull(declaration: ConsumerDeclaration, host: string, expiresMs: number): Promise<JsMsg | null> {
    const durable = durableOf(declaration, host);
    let consumer = this.pullConsumers.get(durable);
    if (consumer === undefined) {
      const stream = this.declared.get(declaration.stream);
      if (stream !== undefined) await this.ensureStream(stream);
      await this.ensureStream(deadLetters);
      const manager = await this.manager();
      await manager.consumers.add(declaration.stream, {
        durable_name: durable,
        ack_policy: AckPolicy.Explicit,
        deliver_policy: DeliverPolicy.All,
        filter_subject: declaration.subject(host),
        ack_wait: nanos(declaration.ackWaitMs),
        // One in flight: order survives redelivery (rules.md 15).
        max_ack_pending: 1,
        max_deliver: -1,
      });
      consumer = await this.jetStream.consumers.get(declaration.stream, durable);
      this.pullConsumers.set(durable, consumer);
    }
    try {
      return await consumer.next({ expires: expiresMs });
    } catch (error) {
      this.pullConsumers.delete(durable);
      throw error;
    }
  }

  private async watchConnection(): Promise<void> {
    for await (const status of this.connection.status()) {
      if (status.type === Events.Disconnect) {
        this.connected = false;
        for (const cutOff of this.cutOff) cutOff(new Error('the connection was lost'));
      }
      if (status.type === Events.Reconnect) {
        this.connected = true;
        this.counters.reconnects += 1;
        // The server may have come back with an empty store.
        this.pullConsumers.clear();
      }
    }
  }
}
