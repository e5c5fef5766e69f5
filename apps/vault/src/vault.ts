import { existsSync, mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import type { Bus } from '@kuramori/bus';
import { keptFiles, type Settings } from '@kuramori/config';
import type { VaultHealthDetails } from '@kuramori/ops';
import { Baseline } from './baseline/baseline';
import { type CapturePool, InlineCapture, ThreadCapture } from './capture/capture-pool';
import { Ids } from './catalogue/catalogue';
import { Database, databaseFile } from './catalogue/database';
import type { VaultCore } from './core';
import { BatchHandler } from './facts/batch-handler';
import { LateCaptures } from './facts/late-captures';
import { Notices } from './notices';
import { Executor } from './restore/executor';
import { Quarantine } from './restore/quarantine';
import { QuarantineCommands } from './restore/quarantine-commands';
import { RestorePaths } from './restore/restore-paths';
import { SpoolAdoption } from './spool/adopt-spool';
import { Clearing } from './store/clearing';
import { ContentGate } from './store/content-gate';
import { isDiskFull } from './store/disk-full';
import { FileChunkStore } from './store/file-chunk-store';
import { SpaceReserve } from './store/space-reserve';
import { Suspicion } from './undo/suspicion';
import { UndoAttack } from './undo/undo-attack';

export interface VaultOptions {
  readonly settings: Settings;
  readonly bus: Pick<Bus, 'publish' | 'request' | 'figures'>;
  readonly log: (line: string) => void;
  /** Directory of the bundled worker threads; where there is none, files are read in the main thread (tests of the rules). */
  readonly workers?: string;
  readonly now?: () => number;
}

/** More threads than this only wait for the disk. */
const mostThreads = 3;

/** Status is asked for every two seconds by each who looks: its sums may take a twentieth of the one connection that facts need as well, so they hold for so many times their cost. */
const statisticsHold = 20;
const statisticsLeastMs = 1000;

/** The vault without its transport. */
export class Vault {
  private statistics: { readonly done: boolean; readonly untilMs: number; readonly value: Promise<Statistics> } | undefined;

  private constructor(
    readonly core: VaultCore,
    readonly baseline: Baseline,
    readonly batches: BatchHandler,
    readonly late: LateCaptures,
    readonly undo: UndoAttack,
    readonly restore: RestorePaths,
    readonly suspicion: Suspicion,
    readonly quarantine: QuarantineCommands,
    readonly clearing: Clearing,
    readonly adopt: () => Promise<void>,
  ) {}

  /** Opens everything; nothing runs by itself before {@link begin}. @throws DatabaseError */
  static async open({ settings, bus, log, workers, now = () => performance.timeOrigin + performance.now() }: VaultOptions): Promise<Vault> {
    const directory = path.join(settings.dataDir, 'vault');
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const database = await Database.open(databaseFile(settings.dataDir));
    const store = new FileChunkStore(directory);
    store.prepare();
    const openedMs = Date.now();
    void store
      .sweep(openedMs)
      .catch((error: unknown) => log(`clearing half-written content: ${error instanceof Error ? error.message : String(error)}`));
    const notices = new Notices(bus, settings.host, log);
    const gate = new ContentGate();
    const ids = await Ids.load(database);
    const pool = poolFor(workers, directory, store);
    const reserve = new SpaceReserve(directory, settings.vault.reserveFree, (low, detail) =>
      notices.tell(low ? 'space-low' : 'space-recovered', detail, { alarm: low }),
    );
    const core: VaultCore = {
      settings,
      bus,
      database,
      ids,
      store,
      pool,
      gate,
      reserve,
      notices,
      suspects: new Map(),
      kept: keptFiles(settings.protect),
      log,
      now,
    };
    const adoption = new SpoolAdoption(core);
    const adopt = async () => {
      try {
        await adoption.adopt();
      } catch (error) {
        if (isDiskFull(error)) throw error;
        // The copies stay in the spool: facts must not wait for them.
        log(`the guard's copies wait: ${error instanceof Error ? error.message : String(error)}`);
      }
    };
    const late = new LateCaptures(core);
    const baseline = new Baseline(core, { unreadable: (file, detail) => late.noteUnreadable(file, detail) });
    const batches = new BatchHandler(core, { baselineDone: () => baseline.done, adopt, pending: () => late.look() });
    const quarantine = new Quarantine(settings.dataDir, database, now);
    const executor = new Executor(core, quarantine);
    const suspicion = new Suspicion(core);
    const vault = new Vault(
      core,
      baseline,
      batches,
      late,
      new UndoAttack(core, batches, executor, suspicion, adopt),
      new RestorePaths(core, executor),
      suspicion,
      new QuarantineCommands(core, quarantine),
      new Clearing(core, suspicion),
      adopt,
    );
    await suspicion.load();
    await batches.load();
    await baseline.load();
    return vault;
  }

  /** The guard's copies, the baseline and what waits; live changes go before all of it. */
  async begin(): Promise<void> {
    await this.adopt().catch((error: unknown) => {
      if (isDiskFull(error)) this.core.reserve.noteFull();
      this.core.log(`the guard's copies wait: ${error instanceof Error ? error.message : String(error)}`);
    });
    await this.late.retryUnkept();
    this.late.start();
    this.clearing.start();
    this.baseline.start();
  }

  /** May be called twice. */
  async stop(): Promise<void> {
    await this.baseline.stop();
    await this.late.stop();
    await this.clearing.stop();
    this.core.notices.stop();
    await this.core.pool.stop();
    await this.core.database.close();
  }

  /** What `kuramori status` shows. */
  async details(): Promise<VaultDetails> {
    const { done, filesDone, filesTotal, excludedBytes } = this.baseline.figures();
    const statistics = await this.readStatistics();
    const waiting = await this.late.pendingFigures();
    const nowMs = this.core.now();
    const consumer = this.core.bus.figures().consumers.find(({ durable }) => durable === 'vault-files');
    const inHand = this.batches.oldestInHandMs;
    const oldest = Math.min(waiting.oldestSinceMs ?? Infinity, inHand ?? Infinity);
    const unreadable = this.late.problems;
    return {
      protection: {
        files: statistics.files,
        bytes: statistics.bytes,
        pending: waiting.pending + (consumer?.pending ?? 0) + (inHand === undefined ? 0 : 1),
        oldestPendingMs: oldest === Infinity ? 0 : Math.max(0, Math.round(nowMs - oldest)),
        baselineDone: done,
        totalFiles: done ? statistics.files : Math.max(filesTotal, statistics.files),
        excludedBytes,
        baselineFilesDone: filesDone,
        baselineFilesTotal: filesTotal,
        unreadable: unreadable.count,
        unreadableFiles: unreadable.paths,
      },
      vault: {
        versions: statistics.versions,
        storedBytes: statistics.storedBytes,
        logicalBytes: statistics.logicalBytes,
        freeBytes: this.core.reserve.freeBytes,
      },
    };
  }

  /** What keeps it from protecting everything, for people. */
  problems(): string[] {
    const { count, paths } = this.late.problems;
    return [
      ...(this.core.reserve.isLow()
        ? [`the disk of dataDir has less free space than vault.reserveFree: no new copies are made, older versions are safe; free some space`]
        : []),
      ...(count === 0 ? [] : [`${count} files can't be read and are not protected, e.g. ${paths.slice(0, 3).join(', ')}`]),
    ];
  }

  /** One answer for all who ask within its time, but after the baseline's end never one from before it. */
  private async readStatistics(): Promise<Statistics> {
    const { done } = this.baseline;
    const known = this.statistics;
    if (known?.done === done && performance.now() < known.untilMs) return known.value;
    const askedMs = performance.now();
    const asked = { done, untilMs: Infinity, value: this.sum() };
    this.statistics = asked;
    try {
      return await asked.value;
    } finally {
      const nowMs = performance.now();
      asked.untilMs = nowMs + Math.max(statisticsLeastMs, (nowMs - askedMs) * statisticsHold);
    }
  }

  private async sum(): Promise<Statistics> {
    const [row] = await this.core.database.read<Statistics>(
      `SELECT (SELECT count(*) FROM "file" WHERE "present" = 1 AND "version" IS NOT NULL) AS "files",
              (SELECT ifnull(sum("size"), 0) FROM "file" WHERE "present" = 1 AND "version" IS NOT NULL) AS "bytes",
              (SELECT count(*) FROM "version") AS "versions", (SELECT ifnull(sum("size"), 0) FROM "version") AS "logicalBytes",
              (SELECT ifnull(sum("stored"), 0) FROM "content") AS "storedBytes"`,
    );
    return row ?? { files: 0, bytes: 0, versions: 0, logicalBytes: 0, storedBytes: 0 };
  }
}

interface Statistics {
  readonly files: number;
  readonly bytes: number;
  readonly versions: number;
  readonly logicalBytes: number;
  readonly storedBytes: number;
}

export interface VaultDetails extends VaultHealthDetails {
  readonly protection: VaultHealthDetails['protection'] & {
    readonly baselineFilesDone: number;
    readonly baselineFilesTotal: number;
    /** Files that can't be read. */
    readonly unreadable: number;
    /** The first of them by name. */
    readonly unreadableFiles: readonly string[];
  };
}

function poolFor(workers: string | undefined, directory: string, store: FileChunkStore): CapturePool {
  const script = workers === undefined ? undefined : path.join(workers, 'capture.worker.mjs');
  if (script === undefined || !existsSync(script)) return new InlineCapture(store);
  return new ThreadCapture(new URL(`file://${script}`), directory, Math.max(2, Math.min(mostThreads, availableParallelism() - 1)));
}
