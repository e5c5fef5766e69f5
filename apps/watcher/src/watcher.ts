import type { Change } from './coalesce/coalescer';
import { Coalescer } from './coalesce/coalescer';
import { type Dirent, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Bus, callCommand, SpooledPublisher } from '@kuramori/bus';
import { keptFiles, type Settings } from '@kuramori/config';
import { type AnnouncedChange, type JournalPosition, subjects } from '@kuramori/contracts';
import {
  ChokidarSensor,
  FanotifySensor,
  type FileSensor,
  fsPath,
  Guard,
  OwnProcesses,
  pathFromBytes,
  type RawEvent,
  SensorUnavailableError,
  spoolAtMountOf,
} from '@kuramori/platform';
import { Announcements } from './publish/announcements';
import { FactStream } from './publish/fact-stream';
import { Rescanner } from './rescan/rescanner';
import { SeenPaths } from './rescan/seen-paths';
import { Sampler } from './sample/sampler';

export interface WatcherOptions {
  readonly settings: Settings;
  readonly bus: Pick<Bus, 'publish' | 'request'>;
  readonly log: (line: string) => void;
  /** Directory of the bundled worker threads; absent: samples are taken in the main thread (tests of the rules). */
  readonly workers?: string;
  readonly sensor?: FileSensor;
}

/** A day of a busy server while the bus is away. */
const spoolLimitBytes = 1024 ** 3;
const guardSpoolLimitBytes = 4 * 1024 ** 3;
const duePollMs = 10;
const heartbeatMs = 2000;
const samplerThreads = 2;
/** `flush` waits until the sensor has been quiet for this long, but not for ever: a busy share is never quiet. */
const quietMs = 30;
const quietAtMostMs = 300;
const settleAtMostMs = 1000;
const baselinePollMs = 250;
const rescanRetryMs = { first: 500, most: 30_000 } as const;
/** Directories that are on their way through: an event of their own tells of each within milliseconds. Beyond it a rescan finds what they held. */
const passingLimit = 1000;

/** The whole watcher without its transport: the sensor's events go in, batches of facts come out, in order. */
export class Watcher {
  private readonly coalescer = new Coalescer();
  private readonly announcements = new Announcements();
  private readonly sampler: Sampler;
  private readonly publisher: SpooledPublisher;
  private readonly rescanner: Rescanner;
  private readonly seen = new SeenPaths();
  private facts!: FactStream;
  private sensor!: FileSensor;
  private guard: Guard | undefined;
  private timers: NodeJS.Timeout[] = [];
  private lastEventMs = 0;
  private sensorReason = '';
  private guardState = 'off';
  private rescanProblem: string | undefined;
  private losses = 0;
  private rescanWished = false;
  private rescanning = false;
  /** Ends the pause before the next attempt. */
  private pause = new AbortController();
  /** Directories that were moved in and had moved on when they were looked into, by the path they had then. */
  private readonly passing = new Set<string>();
  private stopped = false;

  constructor(private readonly options: WatcherOptions) {
    const { settings, bus, workers } = options;
    this.sampler = new Sampler(workers === undefined ? undefined : new URL(`file://${path.join(workers, 'sampler.worker.mjs')}`), samplerThreads);
    this.publisher = new SpooledPublisher({
      bus,
      subject: subjects.fileBatch(settings.host),
      directory: path.join(settings.dataDir, 'spool', 'watcher'),
      limitBytes: spoolLimitBytes,
      onLoss: (reason) => this.lost(reason),
    });
    this.rescanner = new Rescanner({
      roots: settings.protect.roots,
      ignore: [settings.dataDir, ...settings.protect.roots.map(spoolAtMountOf)],
      kept: keptFiles(settings.protect),
      flush: () => this.flush(),
      seen: this.seen,
      catalogue: async (query) => {
        const reply = await callCommand(bus, settings.host, 'vault', 'catalogue', query, { timeoutMs: 30_000 });
        if (!reply.ok) throw new Error(reply.error ?? 'the vault did not answer');
        return reply.result;
      },
      isComplete: () => this.baselineDone(),
      report: async (differences) => {
        this.facts.addDifferences(differences);
        while (this.facts.queuedDifferences > 0 && !this.stopped) await delay(duePollMs);
      },
    });
  }

  /** Resolves when nothing that happens from now on is missed. @throws SensorUnavailableError where the sensor asked for is not to be had */
  async start(): Promise<void> {
    const { settings } = this.options;
    await this.publisher.start();
    try {
      await this.startGuard();
      this.sensor = await this.startSensor();
    } catch (error) {
      await Promise.all([this.guard?.stop(), this.publisher.stop(), this.sampler.stop()]);
      throw error;
    }
    this.timers = [
      setInterval(() => this.facts.add(this.coalescer.due(performance.timeOrigin + performance.now())), duePollMs),
      setInterval(() => this.facts.heartbeat(), heartbeatMs),
      setInterval(() => this.rescan(), settings.protect.rescanEveryS * 1000),
    ];
    for (const timer of this.timers) timer.unref();
    // What happened while nobody watched.
    this.rescan();
    void this.afterBaseline();
  }

  announce(changes: readonly AnnouncedChange[]): number {
    return this.announcements.add(changes, performance.timeOrigin + performance.now());
  }

  /** Begins a comparison with the catalogue; one that can't be done now is tried again. Wishes during a comparison are one more, however many they are. */
  rescan(): void {
    this.rescanWished = true;
    this.pause.abort();
    if (!this.rescanning) void this.rescanWhileWished();
  }

  /** Publishes everything that happened up to now and tells the place in the stream. */
  async flush(): Promise<JournalPosition> {
    if (this.sensor.settle !== undefined) await this.sensor.settle(settleAtMostMs);
    else {
      const endMs = performance.now() + quietAtMostMs;
      while (performance.now() < endMs && performance.now() - this.lastEventMs < quietMs) await delay(5);
    }
    this.facts.add(this.coalescer.flush(performance.timeOrigin + performance.now()));
    return this.facts.flush(3000);
  }

  /** What keeps it from seeing everything, for people. */
  problems(): string[] {
    const { busAway, messages } = this.publisher.waiting;
    return [
      ...(this.options.settings.protect.sensor === 'auto' && this.sensorReason !== '' ? [this.sensorReason] : []),
      ...(busAway ? [`the bus takes nothing just now; ${messages} batches wait on the disk`] : []),
      ...(this.sensor.limitation === undefined ? [] : [this.sensor.limitation]),
      ...(this.rescanProblem === undefined ? [] : [this.rescanProblem]),
    ];
  }

  figures() {
    const { waiting } = this.publisher;
    const rescan = this.rescanner.figures();
    return {
      sensor: this.sensor.name,
      knowsActors: this.sensor.knowsActors,
      ...this.sensor.figures(),
      factsPublished: this.facts.published,
      queued: this.facts.queued + this.coalescer.size,
      lagMs: Math.round(this.facts.lastLagMs),
      spooledBatches: waiting.messages,
      spooledBytes: waiting.bytes,
      losses: this.losses,
      rescans: rescan.runs,
      rescanRunning: rescan.running,
      rescanDifferences: rescan.differences,
      guard: this.guardState,
      guardCopied: this.guard?.count('copied') ?? 0,
      guardExposure: (this.guard?.count('copyFailed') ?? 0) + (this.guard?.count('deadlineMissed') ?? 0) + (this.guard?.count('spoolFull') ?? 0),
    };
  }

  /** Stops seeing, then publishes what was seen. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.pause.abort();
    for (const timer of this.timers) clearInterval(timer);
    await this.guard?.stop();
    await this.sensor.stop();
    await this.rescanner.stop();
    this.facts.add(this.coalescer.flush(performance.timeOrigin + performance.now()));
    await this.facts.flush(2000);
    this.facts.stop();
    await this.publisher.stop();
    await this.sampler.stop();
  }

  private async rescanWhileWished(): Promise<void> {
    this.rescanning = true;
    let waitMs: number = rescanRetryMs.first;
    while (this.rescanWished && !this.stopped) {
      this.rescanWished = false;
      try {
        await this.rescanner.request();
        this.rescanProblem = undefined;
        waitMs = rescanRetryMs.first;
      } catch (error) {
        this.rescanWished = true;
        this.rescanProblem = `rescan pending: ${error instanceof Error ? error.message : String(error)}`;
        this.pause = new AbortController();
        await delay(waitMs, undefined, { ref: false, signal: this.pause.signal }).catch(() => undefined);
        waitMs = Math.min(waitMs * 2, rescanRetryMs.most);
      }
    }
    this.rescanning = false;
  }

  private take(events: readonly RawEvent[]): void {
    this.lastEventMs = performance.now();
    this.seen.note(events);
    const changes = this.coalescer.add(events, performance.timeOrigin + performance.now());
    // What a directory brings comes right behind it, before what happened to it later.
    this.facts.add(changes.flatMap((change) => (this.bringsFiles(change, events) ? [change, ...this.contentsOf(change)] : [change])));
  }

  /** A directory that came as a whole (moved in, or seen late by chokidar) brings files of which nobody told. */
  private bringsFiles({ kind, operation, path: directory, oldPath }: Change, events: readonly RawEvent[]): boolean {
    if (kind !== 'directory') return false;
    if (operation === 'renamed' || operation === 'deleted') {
      const from = oldPath ?? directory;
      const passed = [...this.passing].filter((each) => each === from || each.startsWith(`${from}/`));
      for (const each of passed) this.passing.delete(each);
      return operation === 'renamed' && passed.length > 0;
    }
    return operation === 'created' && (!this.sensor.knowsActors || events.some((event) => event.renamed && event.path === directory));
  }

  private contentsOf({ path: directory, atMs, actor }: Change): Change[] {
    let entries: Dirent<Buffer>[];
    try {
      entries = readdirSync(fsPath(directory), { withFileTypes: true, encoding: 'buffer' });
    } catch (error) {
      // Removed by now, or moved on: then it is looked into when that is told.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
        if (this.passing.size < passingLimit) this.passing.add(directory);
        else this.rescan();
      }
      return [];
    }
    return entries.flatMap((entry) => {
      const child = { atMs, actor, operation: 'created', path: `${directory}/${pathFromBytes(entry.name)}`, written: entry.isFile() } as const;
      if (entry.isDirectory()) return [{ ...child, kind: 'directory' }, ...this.contentsOf({ ...child, kind: 'directory' })];
      return [{ ...child, kind: entry.isFile() ? 'file' : entry.isSymbolicLink() ? 'symlink' : 'other' }];
    });
  }

  private lost(reason: string): void {
    this.losses += 1;
    this.options.log(`events were lost (${reason}); comparing the disk with the catalogue`);
    // What an earlier run spooled may turn out to be lost before anything is sensed: the comparison that every start begins with makes it good.
    const facts = this.facts as FactStream | undefined;
    if (facts === undefined) return;
    facts.markGap();
    this.rescan();
  }

  private async startSensor(): Promise<FileSensor> {
    const { settings, workers, sensor } = this.options;
    const listener = { events: (events: readonly RawEvent[]) => this.take(events), lost: (_root: string, reason: string) => this.lost(reason) };
    const own = new OwnProcesses(settings.dataDir);
    const begin = async (candidate: FileSensor): Promise<FileSensor> => {
      this.sensor = candidate;
      this.facts = new FactStream({
        host: settings.host,
        sensor: candidate.name,
        publisher: this.publisher,
        sample: (request) => this.sampler.sample(request),
        announcements: this.announcements,
        knowsOwn: () => own.list().length > 0,
      });
      await candidate.start(settings.protect.roots, [settings.dataDir], listener);
      return candidate;
    };
    if (sensor !== undefined) return begin(sensor);
    const { sensor: choice } = settings.protect;
    if (choice !== 'chokidar' && workers !== undefined) {
      try {
        return await begin(new FanotifySensor(new URL(`file://${path.join(workers, 'fanotify.worker.mjs')}`), settings.dataDir));
      } catch (error) {
        if (!(error instanceof SensorUnavailableError) || choice === 'fanotify') throw error;
        this.sensorReason = `protected without knowing who: ${error.message}`;
        this.options.log(this.sensorReason);
      }
    }
    return begin(new ChokidarSensor());
  }

  /** Until everything is in the vault, whoever opens a file waits until it is copied. */
  private async startGuard(): Promise<void> {
    const { settings, workers } = this.options;
    const { enabled, deadlineMs, onDeadline } = settings.protect.guard;
    if (!enabled || workers === undefined || settings.protect.sensor === 'chokidar' || process.getuid?.() !== 0) return;
    if (await this.baselineDone()) return;
    const guard = new Guard(
      new URL(`file://${path.join(workers, 'guard.worker.mjs')}`),
      { roots: settings.protect.roots, dataDir: settings.dataDir, deadlineMs, onDeadline, spoolLimitBytes: guardSpoolLimitBytes },
      (reason) => {
        this.guardState = `failed: ${reason}`;
        this.options.log(`the guard let go: ${reason}; files not yet in the vault are exposed until the baseline is done`);
      },
    );
    try {
      await guard.start();
      this.guard = guard;
      this.guardState = 'holding opens until the baseline is done';
    } catch (error) {
      this.guardState = `not available: ${error instanceof Error ? error.message : String(error)}`;
      this.options.log(`no guard: ${this.guardState}; files not yet in the vault are exposed until the baseline is done`);
    }
  }

  private async baselineDone(): Promise<boolean> {
    const { bus, settings } = this.options;
    // A catalogue that was complete once needs no guard: what changed meanwhile is found by the rescan.
    const done = path.join(settings.dataDir, 'vault', 'baseline-done');
    if (statSync(done, { throwIfNoEntry: false }) !== undefined) return true;
    const reply = await callCommand(bus, settings.host, 'vault', 'baseline', {}, { timeoutMs: 1000 }).catch(() => undefined);
    return (reply?.result as { done?: boolean } | undefined)?.done === true;
  }

  /** Once everything is in the vault nobody need wait any more, and what the catalogue lacks is new. */
  private async afterBaseline(): Promise<void> {
    if (await this.baselineDone()) return;
    while (!this.stopped && !(await this.baselineDone())) await delay(baselinePollMs, undefined, { ref: false });
    if (this.stopped) return;
    if (this.guard !== undefined) {
      await this.guard.stop();
      if (!this.guardState.startsWith('failed')) this.guardState = 'off: the baseline is done';
    }
    this.rescan();
  }
}
