import { dropVersions } from '../catalogue/catalogue';
import type { Sql } from '../catalogue/database';
import { undoableMs } from '../catalogue/retention';
import type { VersionRow } from '../catalogue/rows';
import type { VaultCore } from '../core';

const atOnce = 500;
const everyMs = 5000;
/** Rows changed in one transaction beside live work. */
const rowsAtOnce = 5000;
/** A watcher run that ended is asked for as long as its last batch may come again: the stream of facts keeps a day. */
const positionKeptMs = 7 * 24 * 60 * 60 * 1000;

/** Takes content away that no version holds, and what no undo asks for any more; between other work, a little at a time. */
export class Clearing {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;

  constructor(
    private readonly core: VaultCore,
    private readonly suspicion: { expire(): Promise<void> },
  ) {}

  start(): void {
    this.timer = setInterval(() => {
      this.running ??= this.clear()
        .catch((error: unknown) => this.core.log(`clearing unused content: ${error instanceof Error ? error.message : String(error)}; tried again`))
        .finally(() => {
          this.running = undefined;
        });
    }, everyMs);
    this.timer.unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.running;
  }

  /** Everything that is unused now. */
  async clear(): Promise<void> {
    while (await this.clearSome());
    await this.suspicion.expire();
    const nowMs = this.core.now();
    await this.core.database.transaction(async (sql) => {
      await sql.query('DELETE FROM "journal" WHERE "id" IN (SELECT "id" FROM "journal" WHERE "atMs" < ? LIMIT ?)', [nowMs - undoableMs, rowsAtOnce]);
      // Of each host the newest stays, however old: it says where the watcher is.
      await sql.query(
        `DELETE FROM "position" WHERE "completeUntilMs" < ? AND EXISTS (SELECT 1 FROM "position" newer
           WHERE newer."message" ->> 'host' IS "position"."message" ->> 'host' AND newer."completeUntilMs" > "position"."completeUntilMs")`,
        [nowMs - positionKeptMs],
      );
    });
    await this.core.database.transaction((sql) => forgetGone(sql, nowMs));
  }

  /** Whether there may be more. Files go before their rows: after a crash between the two a row without a file is cleared again. */
  private async clearSome(): Promise<boolean> {
    let count = 0;
    const done = await this.core.gate.tryClear(async () => {
      const rows = await this.core.database.read<{ sha256: string }>('SELECT "sha256" FROM "content" WHERE "refs" <= 0 LIMIT ?', [atOnce]);
      count = rows.length;
      if (count === 0) return;
      for (const { sha256 } of rows) this.core.store.remove(sha256);
      await this.core.database.transaction(async (sql) => {
        await sql.query('DELETE FROM "content" WHERE "refs" <= 0 AND "sha256" IN (SELECT value FROM json_each(?))', [
          JSON.stringify(rows.map(({ sha256 }) => sha256)),
        ]);
      });
    });
    return done && count === atOnce;
  }
}

/**
 * Files that are gone for so long that nothing in the journal can bring them back leave with their versions; else every build folder would fill the vault.
 * Never pinned ones, and never the past of a document that is there: editors replace a file to save it, and its versions give way to newer ones alone.
 */
async function forgetGone(sql: Sql, nowMs: number): Promise<void> {
  await sql.query(
    'UPDATE "file" SET "goneSinceMs" = ? WHERE "id" IN (SELECT "id" FROM "file" WHERE "present" = 0 AND "goneSinceMs" IS NULL LIMIT ?)',
    [nowMs, rowsAtOnce],
  );
  const due = await sql.query<{ id: number; stays: 0 | 1 }>(
    `SELECT "id", EXISTS (SELECT 1 FROM "journal" j WHERE j."fileId" = f."id") OR EXISTS (SELECT 1 FROM "version" v WHERE v."fileId" = f."id" AND
       (v."pinned" = 1 OR EXISTS (SELECT 1 FROM "file" o WHERE o."present" = 1 AND o."path" = f."path"))) AS "stays"
     FROM "file" f WHERE "present" = 0 AND "goneSinceMs" < ?1 AND NOT EXISTS (SELECT 1 FROM "journal" WHERE "atMs" < ?1) LIMIT ?2`,
    [nowMs - undoableMs, atOnce],
  );
  const ids = (stays: 0 | 1) => JSON.stringify(due.filter((file) => file.stays === stays).map(({ id }) => id));
  // Asked again after as long: they must not stand before the others at each look.
  await sql.query('UPDATE "file" SET "goneSinceMs" = ? WHERE "id" IN (SELECT value FROM json_each(?))', [nowMs, ids(1)]);
  await dropVersions(sql, await sql.query<VersionRow>('SELECT * FROM "version" WHERE "fileId" IN (SELECT value FROM json_each(?))', [ids(0)]));
  await sql.query('DELETE FROM "file" WHERE "id" IN (SELECT value FROM json_each(?))', [ids(0)]);
}
