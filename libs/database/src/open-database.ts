import { mkdirSync } from 'node:fs';
import path from 'node:path';
import sqlite3 from 'sqlite3';
import { DataSource, type DataSourceOptions, type MigrationInterface } from 'typeorm';

/** A writer waits this long for another process's lock, e.g. of a backup tool reading the file. */
const busyTimeoutMs = 5000;

/** The database can't be used as it is; the message says what to do. */
export class DatabaseError extends Error {
  override readonly name = 'DatabaseError';
}

export interface DatabaseDefinition {
  readonly file: string;
  readonly entities: NonNullable<DataSourceOptions['entities']>;
  /** In order; their names are what the database remembers. */
  readonly migrations: readonly (new () => MigrationInterface)[];
  /** For people: what is gone when a damaged file is moved away. */
  readonly lossWithoutIt: string;
}

/**
 * Opens a service's own SQLite file and brings it to this version's form. WAL with `synchronous = NORMAL`: what was committed survives `kill -9` at once, since it is in
 * the page cache; a power cut may lose the last seconds (rules.md 20). FULL would put a disk sync in the path of every batch and verdict.
 * @throws DatabaseError when it was written by a newer version, is damaged, or can't be written
 */
export async function openDatabase({ file, entities, migrations, lossWithoutIt }: DatabaseDefinition): Promise<DataSource> {
  const source = new DataSource({
    type: 'sqlite',
    driver: sqlite3,
    database: file,
    enableWAL: true,
    busyTimeout: busyTimeoutMs,
    entities,
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
    return source;
  } catch (error) {
    if (source.isInitialized) await source.destroy();
    if (error instanceof DatabaseError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new DatabaseError(
      `${file} can't be used: ${reason}. Check the free space and the rights; if the file is damaged, move it away: ${lossWithoutIt}.`,
      { cause: error },
    );
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
