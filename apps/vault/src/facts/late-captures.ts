import type { Capture } from '../capture/capture';
import type { FileRow } from '../catalogue/rows';
import type { VaultCore } from '../core';
import { isDiskFull } from '../store/disk-full';
import { isThere } from './is-there';
import { type Author, baselineAuthor, WorkingSet } from './working-set';

/** A change whose own fact could not settle it is looked at again after this long without a further one. */
const settleMs = 1000;
/** After a failed look; a file that is written to without a pause is tried at this rate until a look succeeds. */
const againMs = 3000;
/** A file that can't be read is tried again after this long, and at each start. */
const unreadableAgainMs = 10 * 60 * 1000;
const atOnce = 64;
const pollMs = 250;
/** Names told in status; the count goes on. */
const namedUnreadable = 20;

/** Keeps what could not be kept with its fact: long files, files in motion, files that came while there was no room. */
export class LateCaptures {
  private readonly notBeforeMs = new Map<number, number>();
  private readonly unreadable = new Map<string, string>();
  private timer: NodeJS.Timeout | undefined;
  private retryTimer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  private stopped = false;
  private unkeptWait = false;
  private pausedUntilMs = -Infinity;

  constructor(private readonly core: VaultCore) {}

  start(): void {
    this.timer = setInterval(() => this.look(), pollMs);
    this.retryTimer = setInterval(() => void this.retryUnreadable().catch((error: unknown) => this.failed(error)), unreadableAgainMs);
    this.timer.unref();
    this.retryTimer.unref();
  }

  /** Files of the last run that have no version although they should; the database may have no room for that yet. */
  async retryUnkept(): Promise<void> {
    this.unkeptWait = false;
    try {
      await this.askForUnkept();
    } catch (error) {
      this.unkeptWait = true;
      this.failed(error);
    }
  }

  private async askForUnkept(): Promise<void> {
    const rows = await this.core.database.read<{ path: string }>(
      `SELECT "path" FROM "file" WHERE "present" = 1 AND "version" IS NULL AND "kind" IN ('file', 'symlink') AND "pendingSinceMs" IS NULL LIMIT 10000`,
    );
    await this.retry(rows.map(({ path }) => path).filter((path) => this.core.kept(path)));
  }

  private async retryUnreadable(): Promise<void> {
    for (const path of this.unreadable.keys()) if (!isThere(path)) this.unreadable.delete(path);
    await this.retry([...this.unreadable.keys()]);
  }

  /** Whatever it was, it is tried again: at once would fill the log. */
  private failed(error: unknown): void {
    if (isDiskFull(error)) this.core.reserve.noteFull();
    this.pausedUntilMs = this.core.now() + againMs;
    this.core.log(`files that wait for a copy: ${error instanceof Error ? error.message : String(error)}; tried again`);
  }

  private async retry(paths: readonly string[]): Promise<void> {
    if (paths.length === 0) return;
    await this.core.database.transaction(async (sql) => {
      await sql.query(
        'UPDATE "file" SET "pendingSinceMs" = ? WHERE "present" = 1 AND "pendingSinceMs" IS NULL AND "path" IN (SELECT value FROM json_each(?))',
        [this.core.now(), JSON.stringify(paths)],
      );
    });
  }

  look(): void {
    if (this.stopped) return;
    this.running ??= this.run()
      .catch((error: unknown) => this.failed(error))
      .finally(() => {
        this.running = undefined;
      });
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    clearInterval(this.retryTimer);
    await this.running;
  }

  noteUnreadable(path: string, detail: string): void {
    if (!this.unreadable.has(path)) {
      if (this.unreadable.size < namedUnreadable)
        this.core.notices.tell('copy-failed', `${path} can't be read and is not protected: ${detail}; check the disk and the rights`, { path });
      this.unreadable.set(path, detail);
    }
  }

  noteReadable(path: string): void {
    this.unreadable.delete(path);
  }

  /** How many files can't be read, with the first names. */
  get problems(): { readonly count: number; readonly paths: readonly string[] } {
    return { count: this.unreadable.size, paths: [...this.unreadable.keys()].slice(0, namedUnreadable) };
  }

  async pendingFigures(): Promise<{ pending: number; oldestSinceMs: number | null }> {
    const [row] = await this.core.database.read<{ pending: number; oldestSinceMs: number | null }>(
      'SELECT count(*) AS "pending", min("pendingSinceMs") AS "oldestSinceMs" FROM "file" WHERE "pendingSinceMs" IS NOT NULL',
    );
    return row ?? { pending: 0, oldestSinceMs: null };
  }

  private async run(): Promise<void> {
    const nowMs = this.core.now();
    if (nowMs < this.pausedUntilMs || this.core.reserve.isLow()) return;
    if (this.unkeptWait) await this.retryUnkept();
    const waiting = await this.core.database.read<FileRow>(
      'SELECT * FROM "file" WHERE "pendingSinceMs" IS NOT NULL AND "present" = 1 ORDER BY "pendingSinceMs" LIMIT 512',
    );
    const due = waiting.filter((row) => (this.notBeforeMs.get(row.id) ?? this.dueMs(row)) <= nowMs).slice(0, atOnce);
    if (due.length === 0) return;
    await this.core.gate.keep(async () => {
      const captures = await this.core.pool.capture(
        'late',
        due.map(({ path }) => ({ path, keep: this.core.kept(path) })),
      );
      await this.core.database.transaction(async (sql) => {
        const set = new WorkingSet(sql, this.core.ids, this.core.suspects);
        await set.load(due.map(({ path }) => path));
        for (const [index, seen] of due.entries()) {
          const capture = captures[index];
          const row = set.at(seen.path);
          // A fact settled or changed it meanwhile: its turn comes again.
          if (capture === undefined || row?.id !== seen.id || row.pendingSinceMs === null || row.pendingEntry !== seen.pendingEntry) {
            if (capture?.outcome === 'captured') set.countStored(capture, 0);
            continue;
          }
          this.settle(set, row, capture);
        }
        await set.write();
        await set.evict(this.core.settings.vault.versions, nowMs);
      });
    });
  }

  /** A long file is only waiting for its turn; anything else may still be explained by the next fact. */
  private dueMs(row: FileRow): number {
    return (row.pendingSinceMs ?? 0) + settleMs;
  }

  private settle(set: WorkingSet, row: FileRow, capture: Capture): void {
    this.notBeforeMs.delete(row.id);
    switch (capture.outcome) {
      case 'captured': {
        const author: Author = row.pendingActor === null ? baselineAuthor : (JSON.parse(row.pendingActor) as Author);
        const { version } = set.keep(row, capture, author);
        if (row.pendingEntry !== null) set.settleEntry(row.pendingEntry, version.id);
        this.clear(set, row);
        this.noteReadable(row.path);
        return;
      }
      case 'full':
        this.core.reserve.noteFull();
        return;
      case 'unreadable':
        this.noteUnreadable(row.path, capture.detail ?? '');
        this.clear(set, row);
        return;
      case 'gone':
        // Its own fact follows; without one the rescan tells.
        if (!isThere(row.path)) this.clear(set, row);
        else this.notBeforeMs.set(row.id, this.core.now() + againMs);
        return;
      case 'changing':
      case 'too-long':
        this.notBeforeMs.set(row.id, this.core.now() + againMs);
        return;
      case 'not-kept':
      case 'no-content':
      case 'elsewhere':
        this.clear(set, row);
        return;
    }
  }

  private clear(set: WorkingSet, row: FileRow): void {
    row.pendingSinceMs = null;
    row.pendingActor = null;
    row.pendingEntry = null;
    set.changed(row);
  }
}
