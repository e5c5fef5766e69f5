import { CommandError } from '@kuramori/bus';
import type { RestoreItem, RestoreReport, UndoCommand } from '@kuramori/contracts';
import type { JournalRow } from '../catalogue/rows';
import type { VaultCore } from '../core';
import type { BatchHandler } from '../facts/batch-handler';
import { type Executor, repliedItems } from '../restore/executor';
import { type JournalEntry, toEntry } from './journal-entry';
import { planUndo, type UndoPlan } from './plan';
import type { Suspicion } from './suspicion';

/** The journal is this far behind only when the bus is: the responder asks again. */
const positionMs = 60_000;
const unknownKey = 'unknown';

/** Undoes what actors did since a moment, and nothing else. */
export class UndoAttack {
  private readonly running = new Map<string, Promise<RestoreReport>>();

  constructor(
    private readonly core: VaultCore,
    private readonly batches: Pick<BatchHandler, 'reached'>,
    private readonly executor: Executor,
    private readonly suspicion: Suspicion,
    private readonly adopt: () => Promise<void>,
  ) {}

  /** A second request for the same incident joins the first. @throws CommandError */
  async undo(command: UndoCommand): Promise<RestoreReport> {
    const key = JSON.stringify(command);
    const known = this.running.get(key);
    if (known !== undefined) return known;
    const run = this.run(command).finally(() => this.running.delete(key));
    this.running.set(key, run);
    return run;
  }

  async report(incidentId: string, offset: number, limit: number): Promise<{ items: RestoreItem[]; total: number }> {
    const [count] = await this.core.database.read<{ total: number }>('SELECT count(*) AS "total" FROM "report" WHERE "incidentId" = ?', [incidentId]);
    const rows = await this.core.database.read<{ item: string }>(
      'SELECT "item" FROM "report" WHERE "incidentId" = ? ORDER BY "position" LIMIT ? OFFSET ?',
      [incidentId, Math.min(limit, repliedItems), offset],
    );
    return { items: rows.map(({ item }) => JSON.parse(item) as RestoreItem), total: count?.total ?? 0 };
  }

  private async run(command: UndoCommand): Promise<RestoreReport> {
    const { position, incidentId, dryRun } = command;
    if (position !== undefined && !(await this.batches.reached(position, positionMs))) {
      throw new CommandError(
        'failed',
        `the journal has not reached batch ${position.sequence} of watcher run ${position.watcherId} within ${positionMs / 1000} s: ask again when the vault has caught up`,
      );
    }
    await this.adopt();
    if (!dryRun) await this.suspicion.suspect(command.actors, command.sinceMs, 'attack');
    const report = await this.executor.run(() => this.plan(command), {
      incidentId,
      dryRun,
      within: this.core.settings.protect.roots,
      catalogued: true,
    });
    if (!dryRun) {
      await this.keepReport(incidentId, report.items);
      this.core.notices.tell(
        'restore-done',
        `incident ${incidentId.slice(0, 8)}: ${report.restored} restored, ${report.alreadyIntact} already intact, ${report.quarantined} to quarantine, ${report.unrecoverable} not recoverable, ${report.conflicts} conflicts`,
        report.unrecoverable > 0 ? { alarm: true } : {},
      );
    }
    return { ...report, items: report.items.slice(0, repliedItems) };
  }

  private async plan({ actors, sinceMs, below }: UndoCommand): Promise<UndoPlan> {
    const wanted = new Set(actors);
    const isWanted = ({ actor, atMs, path, oldPath }: JournalRow) =>
      wanted.has(actor) &&
      atMs >= sinceMs &&
      (actor !== unknownKey || below === undefined || isBelow(path, below) || (oldPath !== null && isBelow(oldPath, below)));
    return planUndo(await this.entries(actors, sinceMs, isWanted));
  }

  private async entries(actors: readonly string[], sinceMs: number, undo: (row: JournalRow) => boolean): Promise<JournalEntry[]> {
    const [first] = await this.core.database.read<{ id: number | null }>(
      `SELECT min("id") AS "id" FROM "journal" WHERE "origin" = 'external' AND "atMs" >= ? AND "actor" IN (SELECT value FROM json_each(?))`,
      [sinceMs, JSON.stringify(actors)],
    );
    if (first?.id === undefined || first.id === null) return [];
    const rows = await this.core.database.read<JournalRow>('SELECT * FROM "journal" WHERE "id" >= ? ORDER BY "id"', [first.id]);
    const entries = rows.map((row) => toEntry(row, row.origin === 'external' && undo(row)));
    return [...(await this.unkeptBefore(first.id, entries)), ...entries];
  }

  /** Last changes by others that were overwritten before they could be kept: what comes back is older than that, and the plan must say so. */
  private async unkeptBefore(firstId: number, entries: readonly JournalEntry[]): Promise<JournalEntry[]> {
    const concerned = new Map<number, JournalEntry>();
    for (const entry of entries) if (entry.undo && entry.operation !== 'created' && !concerned.has(entry.fileId)) concerned.set(entry.fileId, entry);
    const rows = await this.core.database.read<JournalRow>(
      `SELECT * FROM "journal" j WHERE "id" < ? AND "fileId" IN (SELECT value FROM json_each(?)) AND "origin" = 'external' AND "written" = 1 AND "toVersion" IS NULL
       AND "operation" IN ('created', 'modified') AND NOT EXISTS (SELECT 1 FROM "journal" l WHERE l."fileId" = j."fileId" AND l."id" > j."id" AND l."id" < ? AND l."written" = 1) ORDER BY "id"`,
      [firstId, JSON.stringify([...concerned.keys()]), firstId],
    );
    return rows.map((row) => {
      const next = concerned.get(row.fileId);
      // Where the file was when the attacker came: it may have been moved since that change.
      return {
        ...toEntry(row, false),
        operation: 'modified',
        path: next?.oldPath ?? next?.path ?? row.path,
        oldPath: undefined,
        replaced: undefined,
      };
    });
  }

  private async keepReport(incidentId: string, items: readonly RestoreItem[]): Promise<void> {
    await this.core.database.transaction(async (sql) => {
      await sql.query('DELETE FROM "report" WHERE "incidentId" = ?', [incidentId]);
      await sql.query('INSERT INTO "report" ("incidentId", "position", "item") SELECT ?, key, value FROM json_each(?)', [
        incidentId,
        JSON.stringify(items),
      ]);
    });
  }
}

function isBelow(path: string, directories: readonly string[]): boolean {
  return directories.some((directory) => path === directory || path.startsWith(`${directory.replace(/\/$/u, '')}/`));
}
