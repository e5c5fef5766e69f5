import { mkdirSync } from 'node:fs';
import path from 'node:path';
import sqlite3 from 'sqlite3';
import { DataSource, type MigrationInterface, type QueryRunner } from 'typeorm';
import { CreateVault1764000000000 } from './create-vault.migration';

const migrations: readonly (new () => MigrationInterface)[] = [CreateVault1764000000000];
/** A writer waits this long for another process's lock, e.g. of a backup tool reading the file. */
const busyTimeoutMs = 5000;

/** The database can't be used as it is; the message says what to do. */
export class DatabaseError extends Error {
  override readonly name = 'DatabaseError';
}

export function databaseFile(dataDir: string): string {
  return path.join(dataDir, 'vault', 'vault.sqlite');
}

/** Runs SQL inside one transaction or, for reading, outside of any. */
export interface Sql {
  query<Row>(sql: string, parameters?: readonly unknown[]): Promise<Row[]>;
}

/**
 * The vault's SQLite file. WAL with `synchronous = NORMAL`: what was committed survives `kill -9` at once, since it is in the page cache; a power cut may lose the last
 * seconds (rules.md 20), which the watcher's rescan finds. FULL would put a disk sync in the path of every batch.
 */
export class Database {
  private queue: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly source: DataSource,
    private readonly runner: QueryRunner,
  ) {}

  /** @throws DatabaseError when it was written by a newer version, is damaged, or can't be written */
  static async open(file: string): Promise<Database> {
    const source = new DataSource({
      type: 'sqlite',
      driver: sqlite3,
      database: file,
      enableWAL: true,
      busyTimeout: busyTimeoutMs,
      entities: [],
      migrations: [...migrations],
      migrationsTransactionMode: 'all',
      logging: false,
    });
    try {
      mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
      await source.initialize();
      await source.query('PRAGMA synchronous = NORMAL');
      await refuseNewerVersion(source, file);
      await source.runMigrations();
      return new Database(source, source.createQueryRunner());
    } catch (error) {
      if (source.isInitialized) await source.destroy();
      if (error instanceof DatabaseError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new DatabaseError(
        `${file} can't be used: ${reason}. Check the free space and the rights; if the file is damaged, move it away: a new baseline is made, older versions are then known to the old file alone.`,
        { cause: error },
      );
    }
  }

  /** One after the other: TypeORM has one SQLite connection, and everything on it would land in whatever transaction is open. */
  async transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.inTurn(async () => {
      await this.runner.query('BEGIN IMMEDIATE');
      try {
        const result = await work(this.sql);
        await this.runner.query('COMMIT');
        return result;
      } catch (error) {
        // SQLite ends the transaction by itself when the disk is full.
        await this.runner.query('ROLLBACK').catch(() => undefined);
        throw error;
      }
    });
  }

  async read<Row>(sql: string, parameters?: readonly unknown[]): Promise<Row[]> {
    return this.inTurn(() => this.sql.query<Row>(sql, parameters));
  }

  /** May be called twice. */
  async close(): Promise<void> {
    await this.inTurn(async () => {
      if (this.source.isInitialized) await this.source.destroy();
    });
  }

  private readonly sql: Sql = {
    query: async <Row>(sql: string, parameters: readonly unknown[] = []): Promise<Row[]> => {
      const result: unknown = await this.runner.query(sql, [...parameters]);
      return Array.isArray(result) ? (result as Row[]) : [];
    },
  };

  private async inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.queue.then(work);
    this.queue = result.catch(() => undefined);
    return result;
  }
}

async function refuseNewerVersion(source: DataSource, file: string): Promise<void> {
  const tables: unknown = await source.query(`SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'migrations'`);
  if (!Array.isArray(tables) || tables.length === 0) return;
  const done = await source.query<readonly { name: string }[]>('SELECT name FROM migrations');
  const known = new Set(source.migrations.map((migration) => migration.name));
  const unknown = done.filter(({ name }) => !known.has(name));
  if (unknown.length > 0) {
    throw new DatabaseError(
      `${file} was written by a newer version of Kuramori (${unknown.map(({ name }) => name).join(', ')}). Install that version again, or restore the file from a backup made before the upgrade.`,
    );
  }
}
