import { setTimeout as delay } from 'node:timers/promises';
import type { Bus } from '@kuramori/bus';
import type { IncidentStore } from './incident-store';

/** Events read from the outbox at a time. */
const batchSize = 50;
const firstRetryMs = 200;
/** While the bus is away an attempt every five seconds is soon enough and costs nothing. */
const lastRetryMs = 5000;

/**
 * Publishes the outbox in order, each event at least once: an event is removed after the bus has it, and the event's id is the bus's message id, so
 * that a second publication after a crash is dropped by the stream or recognised by who reads it.
 */
export class EventPublisher {
  /** Why the last attempt failed; undefined while all is well. */
  failure: string | undefined;
  private running: Promise<void> | undefined;
  private again = false;
  private readonly stopped = new AbortController();

  constructor(
    private readonly store: IncidentStore,
    private readonly bus: Pick<Bus, 'publish'>,
    private readonly log: (line: string) => void = () => undefined,
  ) {}

  /** There may be something to publish. Returns at once. */
  wake(): void {
    this.again = true;
    this.running ??= this.run().finally(() => {
      this.running = undefined;
      if (this.again && !this.stopped.signal.aborted) this.wake();
    });
  }

  async stop(): Promise<void> {
    this.stopped.abort();
    await this.running;
  }

  /** A call, since it changes while `run` waits. */
  private stopping(): boolean {
    return this.stopped.signal.aborted;
  }

  private async run(): Promise<void> {
    let retryMs = firstRetryMs;
    while (this.again && !this.stopped.signal.aborted) {
      this.again = false;
      try {
        for (let events = await this.store.outgoingEvents(batchSize); events.length > 0; events = await this.store.outgoingEvents(batchSize)) {
          for (const event of events) {
            if (this.stopping()) return;
            await this.bus.publish(event.subject, event.body, { messageId: event.messageId });
            await this.store.published(event.sequence);
            this.log(`incident event ${event.messageId} published on ${event.subject}`);
          }
        }
        this.failure = undefined;
        retryMs = firstRetryMs;
      } catch (error) {
        this.failure = `incident events can't be published: ${error instanceof Error ? error.message : String(error)}; they are kept and sent later`;
        this.again = true;
        await delay(retryMs, undefined, { signal: this.stopped.signal }).catch(() => undefined);
        retryMs = Math.min(lastRetryMs, retryMs * 2);
      }
    }
  }
}
