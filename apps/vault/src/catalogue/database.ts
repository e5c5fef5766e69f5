import path from 'node:path';
import type { DataSource, QueryRunner } from 'typeorm';
import { openDatabase } from '@kuramori/database';
import { CreateVault1764000000000 } from './create-vault.migration';

export function databaseFile(dataDir: string): string {
  return path.join(dataDir, 'vault', 'vault.sqlite');
}

/** Runs SQL inside one transaction or, for reading, outside of any. */
export interface Sql {
  query<Row>(sql: string, parameters?: readonly unknown[]): Promise<Row[]>;
}

/** The vault's SQLite file: what was committed survives `kill -9` at once; what a power cut takes of the last seconds is found by the watcher's rescan (rules.md 20). */
export class Database {
  private queue: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly source: DataSource,
    private readonly runner: QueryRunner,
  ) {}

  /** @throws DatabaseError when it was written by a newer version, is damaged, or can't be written */
  static async open(file: string): Promise<Database> {
    const source = await openDatabase({
      file,
      entities: [],
      migrations: [CreateVault1764000000000],
      lossWithoutIt: 'a new baseline is made, older versions are then known to the old file alone',
    });
    return new Database(source, source.createQueryRunner());
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
