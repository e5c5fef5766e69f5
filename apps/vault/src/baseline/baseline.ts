import { type BigIntStats, lstatSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { restorePrefix } from '@kuramori/contracts';
import { fsPath, pathFromBytes, spoolAtMountOf, toFileStat } from '@kuramori/platform';
import { kindOf } from '../capture/file-state';
import type { Capture } from '../capture/capture';
import type { VaultCore } from '../core';
import { baselineAuthor, WorkingSet } from '../facts/working-set';
import { isDiskFull } from '../store/disk-full';

export interface BaselineFigures {
  readonly done: boolean;
  readonly filesDone: number;
  readonly filesTotal: number;
  readonly excludedBytes: number;
}

interface Found {
  readonly path: string;
  readonly stat: BigIntStats;
}

/** Entries gathered before they are sorted by time and kept: bounds memory at a few hundred bytes each. */
const gatheredEntries = 50_000;
/** Handed to one thread at a time: a live change waits a few milliseconds behind it. */
const capturedAtOnce = 32;
/** Committed in one transaction. */
const committedAtOnce = 256;
/** The main thread walks for so long before it looks at its messages. */
const breatheMs = 8;
const spaceRetryMs = 1000;
const againMs = 5000;

export interface BaselineEvents {
  readonly unreadable: (path: string, detail: string) => void;
}

/**
 * Keeps every file that is there when protection begins; newest first within each part of the tree. Files that the catalogue knows are not touched: what changed while
 * nobody watched is a difference that the watcher's rescan tells, with an entry in the journal. Once done for a root it is not done again.
 */
export class Baseline {
  private filesDone = 0;
  private filesTotal = 0;
  private finished = false;
  private stopped = false;
  private running: Promise<void> | undefined;
  private readonly scope: string;
  /** By root: what lies below it and is not kept. */
  private readonly excluded = new Map<string, number>();

  constructor(
    private readonly core: VaultCore,
    private readonly events: BaselineEvents,
  ) {
    const { extensions, exclude } = core.settings.protect;
    this.scope = JSON.stringify({ extensions, exclude });
  }

  figures(): BaselineFigures {
    const excludedBytes = [...this.excluded.values()].reduce((sum, bytes) => sum + bytes, 0);
    return { done: this.finished, filesDone: this.filesDone, filesTotal: Math.max(this.filesTotal, this.filesDone), excludedBytes };
  }

  get done(): boolean {
    return this.finished;
  }

  /** Whether every root was done in an earlier run. Call before facts are handled. */
  async load(): Promise<void> {
    this.finished = (await this.rootsToDo()).length === 0;
    // The watcher's guard goes by this file: with a new root it is needed again.
    if (!this.finished) rmSync(this.doneFile, { force: true });
  }

  start(): void {
    this.running = this.runUntilDone();
  }

  private get doneFile(): string {
    return path.join(this.core.settings.dataDir, 'vault', 'baseline-done');
  }

  private async runUntilDone(): Promise<void> {
    while (!this.stopped) {
      try {
        await this.run();
        return;
      } catch (error) {
        if (this.isStopped()) return;
        this.core.log(
          `the baseline was interrupted and goes on in ${againMs / 1000} s: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
        );
        await delay(againMs, undefined, { ref: false });
      }
    }
  }

  /** Resolves when the first pass has ended. */
  async ended(): Promise<void> {
    await this.running;
  }

  /** As a call, since it changes while something is awaited. */
  private isStopped(): boolean {
    return this.stopped;
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.running;
  }

  private async run(): Promise<void> {
    const roots = await this.rootsToDo();
    for (const root of roots) {
      await this.keepTree(root);
      if (this.stopped) return;
      await this.retrying(() =>
        this.core.database.transaction(async (sql) => {
          await sql.query(
            `INSERT INTO "baseline" ("root", "scope", "excludedBytes") VALUES (?, ?, ?)
             ON CONFLICT ("root") DO UPDATE SET "scope" = excluded."scope", "excludedBytes" = excluded."excludedBytes"`,
            [root, this.scope, this.excluded.get(root) ?? 0],
          );
        }),
      );
    }
    if (!this.finished)
      this.core.notices.tell('baseline-done', `every file below ${this.core.settings.protect.roots.join(', ')} was kept: ${this.filesDone} files`);
    this.finished = true;
    await this.retrying(async () => writeFileSync(this.doneFile, '', { mode: 0o600 }));
  }

  /** Those that are done bring along what an earlier run found excluded. */
  private async rootsToDo(): Promise<string[]> {
    const rows = await this.core.database.read<{ root: string; scope: string; excludedBytes: number }>('SELECT * FROM "baseline"');
    const done = new Map(rows.flatMap(({ root, scope, excludedBytes }) => (scope === this.scope ? [[root, excludedBytes]] : [])));
    for (const root of this.core.settings.protect.roots) this.excluded.set(root, done.get(root) ?? 0);
    return this.core.settings.protect.roots.filter((root) => !done.has(root));
  }

  private async keepTree(root: string): Promise<void> {
    let found: Found[] = [];
    for await (const entry of this.walk(root)) {
      found.push(entry);
      if (entry.stat.isFile()) this.filesTotal += 1;
      if (found.length < gatheredEntries) continue;
      await this.keepAll(found);
      found = [];
    }
    await this.keepAll(found);
  }

  private async *walk(root: string): AsyncGenerator<Found> {
    const waiting = [root];
    const ours = new Set([this.core.settings.dataDir, spoolAtMountOf(root)]);
    let breathedMs = performance.now();
    for (let directory = waiting.pop(); directory !== undefined && !this.stopped; directory = waiting.pop()) {
      let names: Buffer[];
      try {
        names = readdirSync(fsPath(directory), { encoding: 'buffer' });
      } catch (error) {
        if (isGone(error)) continue;
        this.events.unreadable(directory, error instanceof Error ? error.message : String(error));
        continue;
      }
      for (const name of names) {
        const child = `${directory}/${pathFromBytes(name)}`;
        const stat = this.lookAt(child);
        if (stat === undefined) continue;
        if (stat.isDirectory()) {
          if (ours.has(child)) continue;
          waiting.push(child);
        }
        if (stat.isFile() && !this.core.kept(child)) {
          this.excluded.set(root, (this.excluded.get(root) ?? 0) + Number(stat.size));
          continue;
        }
        if (!ownTemporary(name)) yield { path: child, stat };
        if (performance.now() - breathedMs > breatheMs) {
          await new Promise((resolve) => setImmediate(resolve));
          breathedMs = performance.now();
        }
      }
    }
  }

  /** undefined: it vanished since it was listed, which is no news here, or can't be looked at (a path that is too long, a damaged inode), which must not stop the rest. */
  private lookAt(path: string): BigIntStats | undefined {
    try {
      return lstatSync(fsPath(path), { bigint: true });
    } catch (error) {
      if (!isGone(error)) this.events.unreadable(path, error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }

  private async keepAll(found: Found[]): Promise<void> {
    found.sort((a, b) => (a.stat.mtimeNs < b.stat.mtimeNs ? 1 : a.stat.mtimeNs > b.stat.mtimeNs ? -1 : 0));
    // Directories first: they need no reading, and an attacker may rename them at once.
    const ordered = [...found.filter(({ stat }) => stat.isDirectory()), ...found.filter(({ stat }) => !stat.isDirectory())];
    // The next part is read while this one is committed.
    let committing = Promise.resolve();
    for (let from = 0; from < ordered.length && !this.stopped; from += committedAtOnce) {
      const part = ordered.slice(from, from + committedAtOnce);
      const previous = committing;
      committing = this.keepSome(part, previous);
      // Heard where it is awaited; after a failure of the one before nobody awaits it any more.
      committing.catch(() => undefined);
      // At most two parts under way.
      await previous;
    }
    await committing;
  }

  private async keepSome(part: readonly Found[], previous: Promise<void>): Promise<void> {
    while (this.core.reserve.isLow() && !this.stopped) await delay(spaceRetryMs, undefined, { ref: false });
    let left: readonly Found[] = part;
    while (left.length > 0 && !this.stopped) left = await this.keepOnce(left, previous);
  }

  /** Returns those that found no room. */
  private async keepOnce(part: readonly Found[], previous: Promise<void>): Promise<Found[]> {
    try {
      return await this.core.gate.keep(async () => {
        const known = await this.knownPaths(part.map((entry) => entry.path));
        const fresh = part.filter((entry) => !known.has(entry.path));
        const files = fresh.filter(({ stat }) => stat.isFile() || stat.isSymbolicLink());
        const pieces: Promise<Capture[]>[] = [];
        for (let from = 0; from < files.length; from += capturedAtOnce) {
          const piece = files.slice(from, from + capturedAtOnce);
          pieces.push(
            this.core.pool.capture(
              'baseline',
              piece.map((entry) => ({ path: entry.path, keep: true })),
            ),
          );
        }
        const captures = new Map<string, Capture>();
        for (const [index, capture] of (await Promise.all(pieces)).flat().entries()) {
          const file = files[index];
          if (file !== undefined) captures.set(file.path, capture);
        }
        await previous;
        const full = await this.commit(fresh, captures);
        this.filesDone += part.filter(({ stat }) => stat.isFile()).length - full.filter(({ stat }) => stat.isFile()).length;
        if (full.length > 0) this.core.reserve.noteFull();
        return full;
      });
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      this.core.reserve.noteFull();
      await delay(spaceRetryMs, undefined, { ref: false });
      return [...part];
    }
  }

  private async commit(fresh: readonly Found[], captures: ReadonlyMap<string, Capture>): Promise<Found[]> {
    const full: Found[] = [];
    await this.core.database.transaction(async (sql) => {
      const set = new WorkingSet(sql, this.core.ids, this.core.suspects);
      await set.load(fresh.map((entry) => entry.path));
      for (const entry of fresh) {
        const capture = captures.get(entry.path);
        // A fact was faster, or it vanished.
        if (set.at(entry.path) !== undefined || capture?.outcome === 'gone' || capture?.outcome === 'elsewhere') {
          if (capture?.outcome === 'captured') set.countStored(capture, 0);
          continue;
        }
        if (capture?.outcome === 'full') {
          full.push(entry);
          continue;
        }
        const row = set.add(entry.path, kindOf(entry.stat), toFileStat(entry.stat));
        if (capture?.outcome === 'captured') set.keep(row, capture, baselineAuthor);
        else if (capture?.outcome === 'unreadable') this.events.unreadable(entry.path, capture.detail ?? '');
        else if (capture?.outcome === 'changing') {
          row.pendingSinceMs = this.core.now();
          row.pendingActor = JSON.stringify(baselineAuthor);
        }
      }
      await set.write();
    });
    return full;
  }

  private async knownPaths(paths: readonly string[]): Promise<Set<string>> {
    const rows = await this.core.database.read<{ path: string }>(
      'SELECT "path" FROM "file" WHERE "present" = 1 AND "path" IN (SELECT value FROM json_each(?))',
      [JSON.stringify(paths)],
    );
    return new Set(rows.map((row) => row.path));
  }

  private async retrying(work: () => Promise<void>): Promise<void> {
    while (!this.stopped) {
      try {
        await work();
        return;
      } catch (error) {
        if (!isDiskFull(error)) throw error;
        this.core.reserve.noteFull();
        await delay(spaceRetryMs, undefined, { ref: false });
      }
    }
  }
}

/** The vault's own temporary files, should a crash have left one. */
function ownTemporary(name: Buffer): boolean {
  return name.toString('latin1').startsWith(restorePrefix);
}

function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}
