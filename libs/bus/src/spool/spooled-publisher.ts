/** Publishes in order and never forgets silently: while the bus is away or full, messages wait on the disk. */
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Bus, BusTooLargeError } from '../bus';

export interface SpooledPublisherOptions {
  readonly bus: Pick<Bus, 'publish'>;
  readonly subject: string;
  /** Made where missing; belongs to this publisher alone. */
  readonly directory: string;
  /** What may wait on the disk. */
  readonly limitBytes: number;
  /**
   * A message was given up: the limit was reached, the disk refused it or did not give it back, or it is larger than the bus takes. What it told must be found
   * another way.
   */
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
/** Files that could not be read, kept for whoever looks into it. */
const damagedLimit = 3;

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/**
 * One message is one file `<12 digits>.json`, written whole and renamed. Not synced: after a power cut the rescan finds what these facts would have told (rules.md 20).
 * A file that came out of it empty or cut off is set aside as `….damaged`.
 */
export class SpooledPublisher {
  private readonly memory: Waiting[] = [];
  /** Spooled messages that the disk had no room for, by the name they would have there. */
  private readonly held = new Map<string, string>();
  private heldBytes = 0;
  /** Names in the order of the calls, with their sizes. */
  private readonly spooled = new Map<string, number>();
  private spooledBytes = 0;
  private nextFile = 1;
  private wake: () => void = () => undefined;
  private loop: Promise<void> | undefined;
  private stopping = false;
  /** Everything done to the directory, one after the other. */
  private writing: Promise<void> = Promise.resolve();
  private away = false;

  constructor(private readonly options: SpooledPublisherOptions) {}

  /** Takes over what an earlier run left. */
  async start(): Promise<void> {
    const { directory } = this.options;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const names = (await readdir(directory)).sort();
    for (const name of names.filter((each) => each.endsWith('.tmp'))) await rm(this.file(name), { force: true });
    for (const name of names.filter((each) => /^\d{12}\.json$/u.test(each))) this.note(name, (await stat(this.file(name))).size);
    this.nextFile = Number([...this.spooled.keys()].at(-1)?.slice(0, 12) ?? 0) + 1;
    this.loop = this.run();
  }

  /** Never rejects, never blocks: order is the order of the calls. */
  publish(message: object, messageId: string): void {
    if (this.spooled.size === 0 && !this.away && this.memory.length < memoryLimit) {
      this.memory.push({ message, messageId });
    } else {
      // With the one that is being sent: should that fail, it must not come after those behind it. Sent twice, it counts once by its id.
      this.spill([...this.memory.splice(0), { message, messageId }]);
    }
    this.wake();
  }

  get waiting(): { readonly messages: number; readonly bytes: number; readonly busAway: boolean } {
    return { messages: this.memory.length + this.spooled.size, bytes: this.spooledBytes, busAway: this.away };
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
    await this.writeHeld().catch((error: unknown) => this.options.onLoss(`the spool can't be written: ${messageOf(error)}`));
  }

  private file(name: string): string {
    return path.join(this.options.directory, name);
  }

  private spill(messages: readonly Waiting[]): void {
    for (const waiting of messages) {
      const text = JSON.stringify(waiting);
      const bytes = Buffer.byteLength(text);
      if (this.spooledBytes + bytes > this.options.limitBytes) {
        this.options.onLoss(`the spool ${this.options.directory} is full (${this.options.limitBytes} bytes)`);
        continue;
      }
      const name = `${String(this.nextFile).padStart(12, '0')}.json`;
      this.nextFile += 1;
      this.note(name, bytes);
      void this.inTurn(async () => {
        try {
          await this.writeHeld();
          await this.write(name, text);
        } catch (error) {
          this.hold(name, text, messageOf(error));
        }
      });
    }
  }

  private note(name: string, bytes: number): void {
    this.spooled.set(name, bytes);
    this.spooledBytes += bytes;
  }

  private forget(name: string): void {
    this.spooledBytes -= this.spooled.get(name) ?? 0;
    this.spooled.delete(name);
    this.release(name);
  }

  private inTurn(work: () => Promise<void>): Promise<void> {
    this.writing = this.writing.then(work);
    return this.writing;
  }

  private async write(name: string, text: string): Promise<void> {
    await writeFile(`${this.file(name)}.tmp`, text, { mode: 0o600 });
    await rename(`${this.file(name)}.tmp`, this.file(name));
  }

  private hold(name: string, text: string, reason: string): void {
    if (this.heldBytes + text.length <= heldLimitBytes) {
      this.held.set(name, text);
      this.heldBytes += text.length;
      return;
    }
    this.forget(name);
    this.options.onLoss(`${this.file(name)} can't be written: ${reason}`);
  }

  private release(name: string): void {
    this.heldBytes -= this.held.get(name)?.length ?? 0;
    this.held.delete(name);
  }

  /** With room on the disk again, what was held is as safe as the rest: tried with each message that goes there, and at the end. Rejects while there is none. */
  private async writeHeld(): Promise<void> {
    for (const [name, text] of this.held) {
      await this.write(name, text);
      this.release(name);
    }
  }

  private async run(): Promise<void> {
    while (!this.stopping) {
      const [name] = this.spooled.keys();
      if (name !== undefined) {
        await this.writing;
        if (!this.spooled.has(name)) continue;
        const waiting = await this.load(name);
        if (waiting !== undefined && !(await this.send(waiting))) continue;
        // A file that can't be removed comes again at the next start, and counts once.
        await this.inTurn(() => rm(this.file(name), { force: true }).catch(() => undefined));
        this.forget(name);
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

  /** Undefined for a file that the disk does not give back as it was written: set aside, and told as a loss. */
  private async load(name: string): Promise<Waiting | undefined> {
    try {
      return parse(this.held.get(name) ?? (await readFile(this.file(name), 'utf8')));
    } catch (error) {
      await this.inTurn(() => this.setAside(name).catch(() => undefined));
      this.options.onLoss(`${this.file(name)} can't be read: ${messageOf(error)}`);
      return undefined;
    }
  }

  private async setAside(name: string): Promise<void> {
    await rename(this.file(name), `${this.file(name)}.damaged`);
    const damaged = (await readdir(this.options.directory)).filter((each) => each.endsWith('.damaged')).sort();
    for (const old of damaged.slice(0, -damagedLimit)) await rm(this.file(old), { force: true });
  }

  /** False: it waits here and is tried again. */
  private async send({ message, messageId }: Waiting): Promise<boolean> {
    try {
      await this.options.bus.publish(this.options.subject, message, { messageId, timeoutMs: publishTimeoutMs });
      this.away = false;
      return true;
    } catch (error) {
      if (error instanceof BusTooLargeError) {
        // It never fits, and everything behind it would wait for ever.
        this.options.onLoss(`message ${messageId} can't be sent: ${error.message}`);
        return true;
      }
      // Away or full: it waits here, and `waiting` says so.
      this.away = true;
      await delay(this.options.retryMs ?? usualRetryMs);
      return false;
    }
  }
}

/** @throws Error for what is no whole message */
function parse(text: string): Waiting {
  const json: unknown = JSON.parse(text);
  if (typeof json !== 'object' || json === null || !('messageId' in json) || !('message' in json)) throw new Error('it holds no message');
  const { messageId, message } = json;
  if (typeof messageId !== 'string' || typeof message !== 'object' || message === null) throw new Error('it holds no message');
  return { messageId, message };
}
