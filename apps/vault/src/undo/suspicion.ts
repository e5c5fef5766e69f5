import type { PinCommand } from '@kuramori/contracts';
import { undoableMs } from '../catalogue/retention';
import type { VaultCore } from '../core';

/** An attack pins by a verdict of its own; a suspicion that none followed within a day was honest work, and must not push honest versions aside any longer. */
const suspicionMs = 24 * 60 * 60 * 1000;
/** No suspect afterwards: it stands for everybody whose name the sensor can't know. */
const unknownKey = 'unknown';

/** Versions by suspects don't count against clean ones, and what they touched is not evicted. */
export class Suspicion {
  constructor(private readonly core: VaultCore) {}

  async load(): Promise<void> {
    for (const { actor, sinceMs } of await this.core.database.read<{ actor: string; sinceMs: number }>('SELECT "actor", "sinceMs" FROM "suspect"'))
      if (actor !== unknownKey) this.core.suspects.set(actor, sinceMs);
  }

  /** How many versions are pinned now. */
  async pin({ actors, sinceMs, reason, level }: PinCommand): Promise<number> {
    const pinned = await this.suspect(actors, sinceMs, level);
    this.core.notices.tell('pinned', `${pinned} versions are kept whatever comes: ${reason}`);
    return pinned;
  }

  async suspect(actors: readonly string[], sinceMs: number, level: PinCommand['level']): Promise<number> {
    const list = JSON.stringify(actors);
    const untilMs = this.core.now() + (level === 'attack' ? undoableMs : suspicionMs);
    const pinned = await this.core.database.transaction(async (sql) => {
      await sql.query(`UPDATE "version" SET "state" = 'suspect' WHERE "actor" IN (SELECT value FROM json_each(?)) AND "atMs" >= ?`, [list, sinceMs]);
      const [row] = await sql.query<{ count: number }>(
        `WITH concerned("id") AS (
           SELECT "fileId" FROM "journal" WHERE "actor" IN (SELECT value FROM json_each(?1)) AND "atMs" >= ?2
           UNION SELECT "replacedFile" FROM "journal" WHERE "actor" IN (SELECT value FROM json_each(?1)) AND "atMs" >= ?2 AND "replacedFile" IS NOT NULL)
         SELECT count(*) AS "count" FROM "version" WHERE "fileId" IN (SELECT "id" FROM concerned)`,
        [list, sinceMs],
      );
      await sql.query(
        `UPDATE "version" SET "pinned" = 1, "pinnedUntilMs" = max(ifnull("pinnedUntilMs", 0), ?3) WHERE "fileId" IN (
           SELECT "fileId" FROM "journal" WHERE "actor" IN (SELECT value FROM json_each(?1)) AND "atMs" >= ?2
           UNION SELECT "replacedFile" FROM "journal" WHERE "actor" IN (SELECT value FROM json_each(?1)) AND "atMs" >= ?2 AND "replacedFile" IS NOT NULL)`,
        [list, sinceMs, untilMs],
      );
      await sql.query(
        `INSERT INTO "suspect" ("actor", "sinceMs", "untilMs", "attack") SELECT DISTINCT value, ?, ?, ? FROM json_each(?) WHERE true
         ON CONFLICT ("actor") DO UPDATE SET "sinceMs" = min("sinceMs", excluded."sinceMs"), "untilMs" = max("untilMs", excluded."untilMs"), "attack" = max("attack", excluded."attack")`,
        [sinceMs, untilMs, level === 'attack' ? 1 : 0, list],
      );
      return row?.count ?? 0;
    });
    for (const actor of actors) {
      if (actor !== unknownKey) this.core.suspects.set(actor, Math.min(sinceMs, this.core.suspects.get(actor) ?? sinceMs));
    }
    return pinned;
  }

  /** Ends what has had its time: a mere suspicion leaves versions as if it had never been; what an attack wrote stays suspect, but its pins go with what could be undone. */
  async expire(): Promise<void> {
    const nowMs = this.core.now();
    const ended = await this.core.database.transaction(async (sql) => {
      const rows = await sql.query<{ actor: string; sinceMs: number; attack: 0 | 1 }>('SELECT * FROM "suspect" WHERE "untilMs" < ?', [nowMs]);
      for (const { actor, sinceMs } of rows.filter(({ attack }) => attack === 0))
        await sql.query(`UPDATE "version" SET "state" = 'clean' WHERE "actor" = ? AND "atMs" >= ? AND "state" = 'suspect'`, [actor, sinceMs]);
      await sql.query('DELETE FROM "suspect" WHERE "untilMs" < ?', [nowMs]);
      // A restore may have copied a pinned version, without the time.
      await sql.query(
        'UPDATE "version" SET "pinned" = 0, "pinnedUntilMs" = NULL WHERE "pinned" = 1 AND ("pinnedUntilMs" < ?1 OR ("pinnedUntilMs" IS NULL AND "atMs" < ?1 - ?2))',
        [nowMs, undoableMs],
      );
      return rows;
    });
    for (const { actor } of ended) this.core.suspects.delete(actor);
  }
}
