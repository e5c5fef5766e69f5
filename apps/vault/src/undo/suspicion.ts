import type { PinCommand } from '@kuramori/contracts';
import type { VaultCore } from '../core';

/** Never remembered: it stands for everybody whose name the sensor can't know. */
const unknownKey = 'unknown';

/** Versions by suspects don't count against clean ones, and what they touched is not evicted. */
export class Suspicion {
  constructor(private readonly core: VaultCore) {}

  async load(): Promise<void> {
    for (const { actor, sinceMs } of await this.core.database.read<{ actor: string; sinceMs: number }>('SELECT * FROM "suspect"'))
      this.core.suspects.set(actor, sinceMs);
  }

  /** How many versions are pinned now. */
  async pin({ actors, sinceMs, reason }: PinCommand): Promise<number> {
    const pinned = await this.suspect(actors, sinceMs);
    this.core.notices.tell('pinned', `${pinned} versions are kept whatever comes: ${reason}`);
    return pinned;
  }

  async suspect(actors: readonly string[], sinceMs: number): Promise<number> {
    const list = JSON.stringify(actors);
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
        `UPDATE "version" SET "pinned" = 1 WHERE "fileId" IN (
           SELECT "fileId" FROM "journal" WHERE "actor" IN (SELECT value FROM json_each(?1)) AND "atMs" >= ?2
           UNION SELECT "replacedFile" FROM "journal" WHERE "actor" IN (SELECT value FROM json_each(?1)) AND "atMs" >= ?2 AND "replacedFile" IS NOT NULL)`,
        [list, sinceMs],
      );
      for (const actor of actors.filter((key) => key !== unknownKey)) {
        await sql.query(
          'INSERT INTO "suspect" ("actor", "sinceMs") VALUES (?, ?) ON CONFLICT ("actor") DO UPDATE SET "sinceMs" = min("sinceMs", excluded."sinceMs")',
          [actor, sinceMs],
        );
      }
      return row?.count ?? 0;
    });
    for (const actor of actors) {
      if (actor !== unknownKey) this.core.suspects.set(actor, Math.min(sinceMs, this.core.suspects.get(actor) ?? sinceMs));
    }
    return pinned;
  }
}
