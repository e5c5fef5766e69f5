/** Publishes in order and never forgets silently: while the bus is away or full, messages wait on the disk. */
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Bus } from '../bus';

export interface SpooledPublisherOptions {
  readonly bus: Pick<Bus, 'publish'>;
  readonly subject: string;
  /** Made where missing; belongs to this publisher alone. */
  readonly directory: string;
  /** What may wait on the disk. */
  readonly limitBytes: number;
  /** A message was given up because the limit was reached or the disk refused it: what it told must be found another way. */
  readonly onLoss: (reason: string) => void;
  /** Between two attempts. */
  readonly retryMs?: number;
}

interface Waiting {
  readonly messageId: string;
  readonly message: object;
}

/** What is kept in memory when the disk takes nothing either: half an hour of a busy server. */
const heldLimitBytes = 64 * 1024 ** 2;
/** Messages kept in memory before they go to the disk: the bus is only slow, not away. */
const memoryLimit = 64;
const usualRetryMs = 200;
const publishTimeoutMs = 2000;

/**
 * One message is one file `<12 digits>.json`, written whole and renamed. Not synced: after a power cut the rescan finds what these facts would have told (rules.md 20).
 */
export class SpooledPublisher {
  private readonly memory: Waiting[] = [];
  /** Spooled messages that the disk had no room for, by the name they would have there. */
  private readonly held = new Map<string, string>();
  private heldBytes = 0;
  private spooled: string[] = [];
  private spooledBytes = 0;
  private nextFile = 1;
  private wake: () => void = () => undefined;
  private loop: Promise<void> | undefined;
  private stopping = false;
  private writing: Promise<void> = Promise.resolve();
  private away = false;

  constructor(private readonly options: SpooledPublisherOptions) {}

  /** Takes over what an earlier run left. */
  async start(): Promise<void> {
    await mkdir(this.options.directory, { recursive: true, mode: 0o700 });
    this.spooled = (await readdir(this.options.directory)).filter((name) => /^\d{12}\.json$/u.test(name)).sort();
    for (const name of this.spooled) this.spooledBytes += (await stat(this.file(name))).size;
    this.nextFile = Number(this.spooled.at(-1)?.slice(0, 12) ?? 0) + 1;
    this.loop = this.run();
  }

  /** Never rejects, never blocks: order is the order of the calls. */
  publish(message: object, messageId: string): void {
    if (this.spooled.length === 0 && !this.away && this.memory.length < memoryLimit) {
      this.memory.push({ message, messageId });
    } else {
      // With the one that is being sent: should that fail, it must not come after those behind it. Sent twice, it counts once by its id.
      this.spill([...this.memory.splice(0), { message, messageId }]);
    }
    this.wake();
  }

  get waiting(): { readonly messages: number; readonly bytes: number; readonly busAway: boolean } {
    return { messages: this.memory.length + this.spooled.length, bytes: this.spooledBytes, busAway: this.away };
  }

  /** Resolves when everything given so far is published, or with false when the time is out. */
  async flushed(timeoutMs: number): Promise<boolean> {
    const endMs = performance.now() + timeoutMs;
    while (this.waiting.messages > 0) {
      if (performance.now() > endMs) return false;
      await delay(2);
    }
    return true;
  }

  /** Leaves what could not be published on the disk for the next start. */
  async stop(): Promise<void> {
    await this.flushed(1000);
    this.stopping = true;
    this.wake();
    await this.loop;
    this.spill(this.memory.splice(0));
    await this.writing;
    await this.writeHeld().catch((error: unknown) =>
      this.options.onLoss(`the spool can't be written: ${error instanceof Error ? error.message : String(error)}`),
    );
  }

  private file(name: string): string {
    return path.join(this.options.directory, name);
  }

  private spill(messages: readonly Waiting[]): void {
    for (const waiting of messages) {
      const text = JSON.stringify(waiting);
      if (this.spooledBytes + text.length > this.options.limitBytes) {
        this.options.onLoss(`the spool ${this.options.directory} is full (${this.options.limitBytes} bytes)`);
        continue;
      }
      const name = `${String(this.nextFile).padStart(12, '0')}.json`;
      this.nextFile += 1;
      this.spooled.push(name);
      this.spooledBytes += Buffer.byteLength(text);
      this.writing = this.writing.then(async () => {
        try {
          await writeFile(`${this.file(name)}.tmp`, text, { mode: 0o600 });
          await rename(`${this.file(name)}.tmp`, this.file(name));
        } catch (error) {
          this.hold(name, text, error instanceof Error ? error.message : String(error));
        }
      });
    }
  }

  private hold(name: string, text: string, reason: string): void {
    if (this.heldBytes + text.length <= heldLimitBytes) {
      this.held.set(name, text);
      this.heldBytes += text.length;
      return;
    }
    this.spooled = this.spooled.filter((other) => other !== name);
    this.spooledBytes -= Buffer.byteLength(text);
    this.options.onLoss(`${this.file(name)} can't be written: ${reason}`);
  }

  private release(name: string): void {
    this.heldBytes -= this.held.get(name)?.length ?? 0;
    this.held.delete(name);
  }

  /** With room on the disk again, what was held there is as safe as the rest. */
  private async writeHeld(): Promise<void> {
    for (const [name, text] of this.held) {
      await writeFile(this.file(name), text, { mode: 0o600 });
      this.release(name);
    }
  }

  private async run(): Promise<void> {
    while (!this.stopping) {
      const [name] = this.spooled;
      if (name !== undefined) {
        await this.writing;
        if (this.spooled[0] !== name) continue;
        const text = this.held.get(name) ?? (await readFile(this.file(name), 'utf8'));
        if (await this.send(JSON.parse(text) as Waiting)) {
          await rm(this.file(name), { force: true });
          this.release(name);
          this.spooled.shift();
          this.spooledBytes -= Buffer.byteLength(text);
        }
      } else if (this.memory[0] !== undefined) {
        const [first] = this.memory;
        const sent = await this.send(first);
        if (!sent) this.spill(this.memory.splice(0));
        else if (this.memory[0] === first) this.memory.shift();
      } else {
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
      }
    }
  }

  private async send({ message, messageId }: Waiting): Promise<boolean> {
    try {
      await this.options.bus.publish(this.options.subject, message, { messageId, timeoutMs: publishTimeoutMs });
      this.away = false;
      return true;
    } catch {
      // Away or full: it waits here, and `waiting` says so.
      this.away = true;
      await delay(this.options.retryMs ?? usualRetryMs);
      return false;
    }
  }
}
