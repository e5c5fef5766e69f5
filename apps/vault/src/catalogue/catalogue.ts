import type { CatalogueEntry } from '@kuramori/contracts';
import { chunksOf } from '../store/content';
import type { Database, Sql } from './database';
import { chunkNames, type ContentRow, type FileRow, type JournalRow, type VersionRow } from './rows';

const fileColumns = [
  'id',
  'path',
  'present',
  'kind',
  'dev',
  'ino',
  'size',
  'mtimeNs',
  'ctimeNs',
  'mode',
  'uid',
  'gid',
  'nlink',
  'version',
  'lastNumber',
  'pendingSinceMs',
  'pendingActor',
  'pendingEntry',
] as const satisfies readonly (keyof FileRow)[];
const versionColumns = [
  'id',
  'fileId',
  'number',
  'atMs',
  'kind',
  'sha256',
  'size',
  'chunks',
  'mode',
  'uid',
  'gid',
  'mtimeNs',
  'actor',
  'actorWords',
  'state',
  'pinned',
  'features',
] as const satisfies readonly (keyof VersionRow)[];
const journalColumns = [
  'id',
  'factId',
  'atMs',
  'operation',
  'kind',
  'path',
  'oldPath',
  'actor',
  'origin',
  'fileId',
  'fromVersion',
  'toVersion',
  'written',
  'before',
  'after',
  'replacedFile',
  'replacedVersion',
  'replacedMetadata',
] as const satisfies readonly (keyof JournalRow)[];

/** One statement per table and batch: the rows travel as one JSON parameter, which is ten times faster than a statement per row. */
function upsert(table: string, columns: readonly string[]): string {
  const names = columns.map((column) => `"${column}"`).join(', ');
  const values = columns.map((_, index) => `value ->> ${index}`).join(', ');
  const updates = columns
    .slice(1)
    .map((column) => `"${column}" = excluded."${column}"`)
    .join(', ');
  // By id alone: a conflict on another index is a fault of ours that must not delete a row in silence. `WHERE true` parts SELECT and ON CONFLICT for the parser.
  return `INSERT INTO "${table}" (${names}) SELECT ${values} FROM json_each(?) WHERE true ON CONFLICT ("id") DO UPDATE SET ${updates}`;
}

function asArrays<Row extends object>(rows: readonly Row[], columns: readonly (keyof Row)[]): string {
  return JSON.stringify(rows.map((row) => columns.map((column) => row[column])));
}

/** Whatever is told of a file that is gone, or there again, its time of rest begins anew: store/clearing.ts notes since when it is gone. */
const upsertFiles = `${upsert('file', fileColumns)}, "goneSinceMs" = NULL`;
const upsertVersions = upsert('version', versionColumns);
const upsertJournal = upsert('journal', journalColumns);

/** @param moved ids of rows that left a path: taken off first, since names may have been swapped and a path is unique among what is present */
export async function writeFiles(sql: Sql, rows: readonly FileRow[], moved: Iterable<number> = []): Promise<void> {
  const ids = [...moved];
  if (ids.length > 0) await sql.query('UPDATE "file" SET "present" = 0 WHERE "id" IN (SELECT value FROM json_each(?))', [JSON.stringify(ids)]);
  if (rows.length > 0) await sql.query(upsertFiles, [asArrays(rows, fileColumns)]);
}

export async function writeVersions(sql: Sql, rows: readonly VersionRow[]): Promise<void> {
  if (rows.length > 0) await sql.query(upsertVersions, [asArrays(rows, versionColumns)]);
}

export async function writeJournal(sql: Sql, rows: readonly JournalRow[]): Promise<void> {
  if (rows.length > 0) await sql.query(upsertJournal, [asArrays(rows, journalColumns)]);
}

/** Counts references up or down; a content that falls to zero is removed by the next clearing. */
export async function countContents(sql: Sql, changes: readonly ContentRow[]): Promise<void> {
  if (changes.length === 0) return;
  await sql.query(
    `INSERT INTO "content" ("sha256", "size", "stored", "refs") SELECT value ->> 0, max(value ->> 1), max(value ->> 2), sum(value ->> 3) FROM json_each(?) WHERE true GROUP BY value ->> 0
     ON CONFLICT ("sha256") DO UPDATE SET "refs" = "refs" + excluded."refs", "stored" = CASE WHEN excluded."stored" > 0 THEN excluded."stored" ELSE "stored" END`,
    [JSON.stringify(changes.map(({ sha256, size, stored, refs }) => [sha256, size, stored, refs]))],
  );
}

/** Versions leave; their content is cleared away when nothing else holds it. */
export async function dropVersions(sql: Sql, versions: readonly VersionRow[]): Promise<void> {
  if (versions.length === 0) return;
  await sql.query('DELETE FROM "version" WHERE "id" IN (SELECT value FROM json_each(?))', [JSON.stringify(versions.map(({ id }) => id))]);
  await countContents(
    sql,
    versions.flatMap(({ sha256, size, chunks }) =>
      chunksOf({ sha256, sizeBytes: size, chunks: chunkNames(chunks) }).map((name) => ({ sha256: name, size: 0, stored: 0, refs: -1 })),
    ),
  );
}

export async function filesAt(sql: Sql, paths: readonly string[]): Promise<FileRow[]> {
  return sql.query('SELECT * FROM "file" WHERE "present" = 1 AND "path" IN (SELECT value FROM json_each(?))', [JSON.stringify(paths)]);
}

/** Highest version number of files that were at a path once. */
export async function pastNumbers(sql: Sql, paths: readonly string[]): Promise<Map<string, number>> {
  const rows = await sql.query<{ path: string; last: number }>(
    'SELECT "path", max("lastNumber") AS "last" FROM "file" WHERE "present" = 0 AND "path" IN (SELECT value FROM json_each(?)) GROUP BY "path"',
    [JSON.stringify(paths)],
  );
  return new Map(rows.map(({ path, last }) => [path, last]));
}

/** Newest first, by file. */
export async function versionsOf(sql: Sql, fileIds: readonly number[]): Promise<Map<number, VersionRow[]>> {
  const rows = await sql.query<VersionRow>(
    'SELECT * FROM "version" WHERE "fileId" IN (SELECT value FROM json_each(?)) ORDER BY "atMs" DESC, "id" DESC',
    [JSON.stringify(fileIds)],
  );
  return Map.groupBy(rows, ({ fileId }) => fileId);
}

/** The condition for paths below a directory: `/` is followed by `0` in byte order. */
export const belowCondition = '"path" > ? || \'/\' AND "path" < ? || \'0\'';

/** Files below a directory that shall have another name, where something is or was known by the path that they will have. */
export async function takenBelow(sql: Sql, from: string, to: string): Promise<{ path: string; target: string }[]> {
  // One question for each of the two indexes.
  const known = (present: 0 | 1) => `EXISTS (SELECT 1 FROM "file" o WHERE o."present" = ${present} AND o."path" = m."target")`;
  return sql.query(
    `SELECT "path", "target" FROM (SELECT "path", ? || substr("path", length(?) + 1) AS "target" FROM "file" WHERE "present" = 1 AND ${belowCondition}) m WHERE ${known(1)} OR ${known(0)}`,
    [to, from, from, from],
  );
}

/** Ids are given out here: there is one writer. */
export class Ids {
  private constructor(
    private file: number,
    private version: number,
    private journal: number,
  ) {}

  static async load(database: Database): Promise<Ids> {
    const [last] = await database.read<{ file: number | null; version: number | null; journal: number | null }>(
      'SELECT (SELECT max("id") FROM "file") AS "file", (SELECT max("id") FROM "version") AS "version", (SELECT max("id") FROM "journal") AS "journal"',
    );
    return new Ids(last?.file ?? 0, last?.version ?? 0, last?.journal ?? 0);
  }

  nextFile(): number {
    return (this.file += 1);
  }
  nextVersion(): number {
    return (this.version += 1);
  }
  nextJournal(): number {
    return (this.journal += 1);
  }
}

/** What the vault believes is on the disk: files and links, in byte order of their paths. */
export async function cataloguePage(database: Database, query: { after?: string; below?: string; limit: number }): Promise<CatalogueEntry[]> {
  const { after = '', below, limit } = query;
  const within = below === undefined ? '' : ` AND ("path" = ? OR (${belowCondition}))`;
  return database.read<CatalogueEntry>(
    `SELECT "path", "dev", "ino", "size", "mtimeNs", "ctimeNs" FROM "file" WHERE "present" = 1 AND "kind" IN ('file', 'symlink') AND "path" > ?${within} ORDER BY "path" LIMIT ?`,
    [after, ...(below === undefined ? [] : [below, below, below]), Math.min(limit, 5000)],
  );
}
