import { setTimeout as delay } from 'node:timers/promises';
import type { Channel } from './channels/channel';
import type { NoticeOutbox } from './outbox/notice-outbox';

export interface RetryTimes {
  readonly firstMs: number;
  readonly lastMs: number;
  /** A notice older than this is given up: nobody is helped by last week's alarm, and the incident itself is kept. */
  readonly giveUpMs: number;
}

export const defaultRetryTimes: RetryTimes = { firstMs: 2000, lastMs: 5 * 60_000, giveUpMs: 7 * 24 * 60 * 60 * 1000 };

/** Empties the outbox of one channel, one notice after the other, and waits longer after each failure. */
export class Delivery {
  /** Something that keeps the outbox itself from working; undefined while all is well. */
  failure: string | undefined;
  private interrupt = new AbortController();
  private again = false;
  private stopped = false;
  private readonly done: Promise<void>;

  constructor(
    private readonly outbox: NoticeOutbox,
    private readonly channel: Channel,
    private readonly times: RetryTimes,
    private readonly now: () => number,
  ) {
    this.done = this.run();
  }

  /** There may be something new to send. */
  wake(): void {
    this.again = true;
    this.interrupt.abort();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.interrupt.abort();
    await this.done;
    this.channel.close();
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      this.interrupt = new AbortController();
      this.again = false;
      try {
        const waitMs = await this.step();
        this.failure = undefined;
        if (waitMs > 0) await this.pause(waitMs);
      } catch (error) {
        this.failure = `the ${this.channel.name} outbox can't be used: ${error instanceof Error ? error.message : String(error)}`;
        await this.pause(this.times.firstMs);
      }
    }
  }

  /** Sends what is due; returns how long to wait for the next. */
  private async step(): Promise<number> {
    const waiting = await this.outbox.next(this.channel.name);
    if (waiting === undefined) return Number.POSITIVE_INFINITY;
    if (waiting.dueAtMs > this.now()) return waiting.dueAtMs - this.now();
    const result = await this.channel.send(waiting.notice);
    if (result.outcome === 'sent') await this.outbox.mark(waiting, 'sent', result.problem ?? '', this.now());
    else if (result.outcome === 'refused') await this.outbox.mark(waiting, 'refused', result.reason, this.now());
    else if (this.now() - waiting.createdAtMs > this.times.giveUpMs)
      await this.outbox.mark(waiting, 'refused', `given up: ${result.reason}`, this.now());
    else
      await this.outbox.mark(
        waiting,
        'waiting',
        result.reason,
        this.now() + Math.min(this.times.lastMs, this.times.firstMs * 2 ** Math.min(waiting.tries, 20)),
      );
    return 0;
  }

  private async pause(ms: number): Promise<void> {
    if (this.again || this.stopped) return;
    // Node's timers hold 31 bits of milliseconds.
    await delay(Math.min(ms, 0x7fff_ffff), undefined, { signal: this.interrupt.signal }).catch(() => undefined);
  }
}
