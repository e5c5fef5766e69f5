import type { VaultCore } from '../core';

const atOnce = 500;
const everyMs = 5000;
const journalKeptMs = 30 * 24 * 60 * 60 * 1000;
const journalRowsAtOnce = 5000;

/** Takes content away that no version holds, and journal entries that no undo asks for any more; between other work, a little at a time. */
export class Clearing {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;

  constructor(private readonly core: VaultCore) {}

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
    await this.core.database.transaction(async (sql) => {
      await sql.query('DELETE FROM "journal" WHERE "id" IN (SELECT "id" FROM "journal" WHERE "atMs" < ? LIMIT ?)', [
        this.core.now() - journalKeptMs,
        journalRowsAtOnce,
      ]);
    });
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
