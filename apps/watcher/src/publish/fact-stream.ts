/** Changes → facts → batches, in order: samples are waited for, but not for long. */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import type { SpooledPublisher } from '@kuramori/bus';
import {
  type Actor,
  encodedBytes,
  type FileBatch,
  type FileFact,
  type JournalPosition,
  maxFactsPerBatch,
  maxMessageBytes,
  restorePrefix,
} from '@kuramori/contracts';
import type { Change } from '../coalesce/coalescer';
import type { Sample, SampleRequest } from '../sample/sample-file';
import { type Difference, type FoundState, sameState } from '../rescan/rescanner';
import type { Announcements } from './announcements';

interface Slot {
  readonly change: Change;
  readonly rescan: boolean;
  /** What the rescan saw. */
  readonly found: FoundState | undefined;
  readonly queuedMs: number;
  sample: Sample | undefined;
  ready: boolean;
  /** What its fact takes in a message at most, without its actor; and what that takes, once somebody asked. */
  bytes: number;
  actorBytes?: number;
}

export interface FactStreamOptions {
  readonly host: string;
  readonly sensor: FileBatch['sensor'];
  readonly publisher: Pick<SpooledPublisher, 'publish' | 'waiting' | 'flushed'>;
  readonly sample: (request: SampleRequest) => Promise<Sample | undefined>;
  readonly announcements: Announcements;
  /** Whether Kuramori's own processes are registered, so that the sensor knows them (rules.md 3). */
  readonly knowsOwn: () => boolean;
  readonly now?: () => number;
}

/** A sample that takes longer goes without: the next fact must not wait for a slow disk. */
const sampleDeadlineMs = 250;
/** Batches under way at once; more facts make larger batches instead. */
const batchesInFlight = 2;
/**
 * Batches that are not full: so many at once after a pause, since the first facts of an attack decide how early it is stopped; then one every 20 ms. Each costs its
 * readers about as much as 10 facts, and in a storm a reader that falls behind delays a verdict more than waiting for a larger batch does.
 */
const smallBatchesAtOnce = 40;
const smallBatchEveryMs = 20;
const pumpMs = 2;
/** Of a fact beside what its change and its sample say: id, origin, names of fields. */
const factOverheadBytes = 512;
/** Facts waiting for their samples; beyond it they go without, so that memory stays bounded. */
const slotLimit = 100_000;

export class FactStream {
  readonly watcherId = randomBytes(4).toString('hex');
  private readonly slots: Slot[] = [];
  /** Slots ever queued, and of them those that went out. */
  private queuedSlots = 0;
  private settledSlots = 0;
  private sequence = 0;
  private factSequence = 0;
  private gap = false;
  private readonly smallBatches = new Allowance(smallBatchesAtOnce, smallBatchEveryMs);
  private timer: NodeJS.Timeout | undefined;
  private readonly now: () => number;
  published = 0;
  lastLagMs = 0;

  constructor(private readonly options: FactStreamOptions) {
    this.now = options.now ?? (() => performance.timeOrigin + performance.now());
  }

  add(changes: readonly Change[]): void {
    for (const change of changes) this.queue(change, false, undefined);
    this.schedule();
  }

  /** What a rescan found. */
  addDifferences(differences: readonly Difference[]): void {
    for (const { found, ...change } of differences) this.queue(change, true, found);
    this.schedule();
  }

  private queue(original: Change, rescan: boolean, found: FoundState | undefined): void {
    const change = this.ownChange(original);
    if (change === undefined) return;
    const { actor, ...rest } = change;
    const bytes = factOverheadBytes + encodedBytes(rest) + encodedBytes([actor.key]);
    const slot: Slot = { change, rescan, found, queuedMs: performance.now(), sample: undefined, ready: false, bytes };
    this.slots.push(slot);
    this.queuedSlots += 1;
    if (change.operation === 'deleted') {
      slot.ready = true;
      return;
    }
    const renamedType = change.oldPath !== undefined && path.extname(change.oldPath) !== path.extname(change.path);
    const content = change.kind === 'file' && (change.written || renamedType || rescan) && this.slots.length < slotLimit;
    void this.options.sample({ path: change.path, content, hash: this.options.announcements.has(change.path, this.now()) }).then((sample) => {
      slot.sample = sample;
      slot.ready = true;
      if (sample !== undefined) slot.bytes += encodedBytes(sample);
      this.schedule();
    });
  }

  /** The sensor lost something: said with the next batch. */
  markGap(): void {
    this.gap = true;
    this.schedule();
  }

  get queued(): number {
    return this.slots.length;
  }

  /** Of them those that a rescan found. */
  get queuedDifferences(): number {
    return this.slots.reduce((count, { rescan }) => count + (rescan ? 1 : 0), 0);
  }

  /** Publishes everything queued so far, then tells the place. While the bus is away, it goes to the disk: what stayed here would be lost with the process. */
  async flush(timeoutMs: number): Promise<JournalPosition> {
    const endMs = performance.now() + timeoutMs;
    const queuedSlots = this.queuedSlots;
    while (this.settledSlots < queuedSlots && performance.now() < endMs) {
      this.pump(true);
      await new Promise((resolve) => setTimeout(resolve, pumpMs));
    }
    // A place that exists: what earlier runs told comes before it in the stream.
    if (this.sequence === 0) this.publish([]);
    await this.options.publisher.flushed(Math.max(0, endMs - performance.now()));
    return { watcherId: this.watcherId, sequence: this.sequence };
  }

  /** An empty batch: tells that the watcher lives and how far it has seen. What waits for the bus will say so by itself; a spool of heartbeats helps nobody. */
  heartbeat(): void {
    if (this.slots.length === 0 && this.options.publisher.waiting.messages === 0) this.publish([]);
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  private schedule(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.pump();
      if (this.slots.length > 0) this.schedule();
    }, pumpMs);
    // The first fact after a pause goes at once.
    if (this.slots[0]?.ready === true) queueMicrotask(() => this.pump());
  }

  /** @param now also what would make a larger batch a little later */
  private pump(now = false): void {
    const { waiting } = this.options.publisher;
    for (let inFlight = waiting.messages; this.slots.length > 0; inFlight += 1) {
      const nowMs = performance.now();
      const { count, full } = this.nextBatch(nowMs - sampleDeadlineMs);
      if (count === 0) return;
      if (!full && !now && (inFlight >= batchesInFlight || !this.smallBatches.take(nowMs))) return;
      this.settledSlots += count;
      this.publish(this.slots.splice(0, count));
    }
    if (this.gap) this.publish([]);
  }

  /** How many slots, from the oldest on, can go, and whether they fill a batch: by their number or by their bytes, one at least. */
  private nextBatch(oldestMs: number): { readonly count: number; readonly full: boolean } {
    let bytes = 0;
    let actor: Actor | undefined;
    let count = 0;
    for (; count < maxFactsPerBatch; count += 1) {
      const slot = this.slots[count];
      if (slot === undefined || !(slot.ready || slot.queuedMs < oldestMs)) return { count, full: false };
      bytes += slot.bytes;
      // Each actor stands once in a batch. Actors that take turns are counted again: that is quicker than looking for them, and makes a batch smaller, never larger.
      // One that changed by exec has the same key, and may be larger than it was.
      if (slot.change.actor !== actor) bytes += slot.actorBytes ??= encodedBytes(slot.change.actor);
      actor = slot.change.actor;
      if (count > 0 && bytes > maxMessageBytes) break;
    }
    return { count, full: true };
  }

  private publish(slots: readonly Slot[]): void {
    this.sequence += 1;
    const actors = new Map<string, Actor>();
    const facts = slots.filter((slot) => isNews(slot)).map((slot) => this.toFact(slot, actors));
    const nowMs = this.now();
    const [head] = this.slots;
    const batch: FileBatch = {
      host: this.options.host,
      watcherId: this.watcherId,
      sequence: this.sequence,
      completeUntilMs: head === undefined ? nowMs : Math.min(nowMs, head.change.atMs),
      sensor: this.options.sensor,
      ...(this.gap ? { gap: true } : {}),
      actors: [...actors.values()],
      facts,
    };
    this.gap = false;
    this.published += facts.length;
    const [first] = slots;
    if (first !== undefined) this.lastLagMs = nowMs - first.change.atMs;
    this.options.publisher.publish(batch, `${this.watcherId}-${this.sequence}`);
  }

  private toFact({ change, rescan, sample }: Slot, actors: Map<string, Actor>): FileFact {
    this.factSequence += 1;
    actors.set(change.actor.key, change.actor);
    const { content, stat } = sample ?? {};
    return {
      id: `${this.watcherId}-${this.factSequence}`,
      atMs: change.atMs,
      operation: change.operation,
      kind: sample?.kind ?? change.kind,
      path: change.path,
      ...(change.oldPath === undefined ? {} : { oldPath: change.oldPath }),
      ...(change.written ? { written: true } : {}),
      actor: change.actor.key,
      origin: this.isAnnounced(change, sample) ? 'kuramori' : 'external',
      ...(rescan ? { rescan: true } : {}),
      ...(stat === undefined ? {} : { stat }),
      ...(content === undefined ? {} : { content }),
    };
  }

  /** Own temporary files are no news; their rename is a change of the target. */
  private ownChange(change: Change): Change | undefined {
    const isTemporary = path.basename(change.path).startsWith(restorePrefix);
    const wasTemporary = change.oldPath !== undefined && path.basename(change.oldPath).startsWith(restorePrefix);
    if (!(isTemporary || wasTemporary) || this.isForeign(change.actor)) return change;
    if (isTemporary) return undefined;
    return { atMs: change.atMs, operation: 'modified', kind: change.kind, path: change.path, written: true, actor: change.actor };
  }

  /** Such a name hides nothing that others do. Only where nobody registered our processes it has to do. */
  private isForeign({ own, kind }: Actor): boolean {
    return own !== true && kind !== 'unknown' && this.options.knowsOwn();
  }

  private isAnnounced(change: Change, sample: Sample | undefined): boolean {
    const { own, kind } = change.actor;
    if (own !== true && kind !== 'unknown') return false;
    // Directories that a restore makes, and times it sets, hold no content.
    if (own === true && (change.kind === 'directory' || change.operation === 'metadata')) return true;
    const { announcements } = this.options;
    const nowMs = this.now();
    if (change.operation === 'renamed' && change.oldPath !== undefined)
      return announcements.has(change.oldPath, nowMs) || announcements.has(change.path, nowMs);
    if (change.operation === 'deleted') return announcements.matches(change.path, undefined, nowMs);
    // Content that nobody looked at is not what was announced, least of all where the entry was to be gone.
    const sha256 = sample?.content?.sha256;
    if (sha256 !== undefined) return announcements.matches(change.path, sha256, nowMs);
    return (sample?.kind ?? change.kind) === 'symlink' && announcements.has(change.path, nowMs);
  }
}

/** So many at once, and one more with every interval. */
class Allowance {
  private left: number;
  private sinceMs = 0;

  constructor(
    private readonly most: number,
    private readonly everyMs: number,
  ) {
    this.left = most;
  }

  take(nowMs: number): boolean {
    this.left = Math.min(this.most, this.left + (nowMs - this.sinceMs) / this.everyMs);
    this.sinceMs = nowMs;
    if (this.left < 1) return false;
    this.left -= 1;
    return true;
  }
}

/**
 * Not so: a rescan's difference that was changed again before it was looked into (whoever did that was seen, and tells of it by a fact of its own), and what only
 * counts if something stands there, when nothing does.
 */
function isNews({ change, found, sample, ready }: Slot): boolean {
  if (!ready) return true;
  if (change.onlyIfThere === true && sample === undefined) return false;
  return found === undefined || (sample !== undefined && sameState(found, sample.stat));
}
