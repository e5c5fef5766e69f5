import { randomUUID } from 'node:crypto';
import type { EntryKind, FileStat } from '@kuramori/contracts';
import { belowCondition, countContents, writeFiles, writeJournal, writeVersions } from '../catalogue/catalogue';
import type { Sql } from '../catalogue/database';
import { chunkNames, type FileRow, type JournalRow, metadataOf, type VersionRow } from '../catalogue/rows';
import type { VaultCore } from '../core';
import { chunksOf } from '../store/content';

/** What a step changed on the disk, for the catalogue and the journal. */
export type Aftermath =
  | { readonly kind: 'restored'; readonly fileId: number; readonly path: string; readonly version: VersionRow; readonly stat: FileStat }
  | {
      readonly kind: 'renamed';
      readonly fileId: number;
      readonly path: string;
      readonly from: string;
      readonly entry: EntryKind;
      readonly stat: FileStat;
    }
  | { readonly kind: 'metadata'; readonly fileId: number; readonly path: string; readonly entry: EntryKind; readonly stat: FileStat }
  | { readonly kind: 'directory'; readonly fileId: number; readonly path: string; readonly stat: FileStat }
  | { readonly kind: 'gone'; readonly fileId: number; readonly path: string; readonly entry: EntryKind };

/** Kuramori's own entries: the facts that the watcher sends of them are not entered again. */
export const ownActor = 'kuramori';

/**
 * Brings the catalogue up to what was done, under the files' old ids (a restored file is the same file, whatever its inode), and enters it into the journal.
 * Done again for the same step it changes nothing but adds an entry.
 */
export async function recordAftermath(sql: Sql, core: Pick<VaultCore, 'ids' | 'now'>, done: readonly Aftermath[]): Promise<void> {
  if (done.length === 0) return;
  const files = new Map<number, FileRow>();
  for (const row of await sql.query<FileRow>('SELECT * FROM "file" WHERE "id" IN (SELECT value FROM json_each(?))', [
    JSON.stringify(done.map(({ fileId }) => fileId)),
  ])) {
    files.set(row.id, row);
  }
  const journal: JournalRow[] = [];
  const versions: VersionRow[] = [];
  for (const each of done) {
    const row = files.get(each.fileId);
    if (row === undefined) continue;
    journal.push(entryOf(core, each, row));
    if (each.kind === 'gone') {
      Object.assign(row, { present: 0, ...nothingPending } satisfies Partial<FileRow>);
      continue;
    }
    Object.assign(row, { ...each.stat, path: each.path, present: 1 } satisfies Partial<FileRow>);
    if (each.kind === 'restored')
      Object.assign(row, { version: ownVersion(core, each, versions), kind: each.version.kind, ...nothingPending } satisfies Partial<FileRow>);
    if (each.kind === 'renamed' && each.entry === 'directory') {
      await sql.query(`UPDATE "file" SET "path" = ? || substr("path", length(?) + 1) WHERE "present" = 1 AND ${belowCondition}`, [
        each.path,
        each.from,
        each.from,
        each.from,
      ]);
    }
  }
  const present = [...files.values()].filter(({ present: isPresent }) => isPresent === 1);
  // Whoever was catalogued at these paths was replaced and is in quarantine.
  await sql.query('UPDATE "file" SET "present" = 0 WHERE "present" = 1 AND "path" IN (SELECT value FROM json_each(?))', [
    JSON.stringify(present.map(({ path }) => path)),
  ]);
  const last = await sql.query<{ path: string; last: number }>(
    'SELECT "path", max("lastNumber") AS "last" FROM "file" WHERE "path" IN (SELECT value FROM json_each(?)) GROUP BY "path"',
    [JSON.stringify(present.map(({ path }) => path))],
  );
  const numbers = new Map(last.map((row) => [row.path, row.last]));
  for (const row of present) row.lastNumber = Math.max(row.lastNumber, numbers.get(row.path) ?? 0);
  await writeFiles(sql, [...files.values()], files.keys());
  await writeVersions(sql, versions);
  await countContents(
    sql,
    versions.flatMap(({ sha256, size, chunks }) =>
      chunksOf({ sha256, sizeBytes: size, chunks: chunkNames(chunks) }).map((name) => ({ sha256: name, size: 0, stored: 0, refs: 1 })),
    ),
  );
  await writeJournal(sql, journal);
  await restoreLinks(sql, done);
}

const nothingPending = { pendingSinceMs: null, pendingActor: null, pendingEntry: null } as const;

/** A version belongs to one file; what was brought back from a namesake (a file that stood there before) becomes this file's own. */
function ownVersion(core: Pick<VaultCore, 'ids' | 'now'>, { fileId, version }: Extract<Aftermath, { kind: 'restored' }>, made: VersionRow[]): number {
  if (version.fileId === fileId) return version.id;
  const copy: VersionRow = { ...version, id: core.ids.nextVersion(), fileId, atMs: core.now() };
  made.push(copy);
  return copy.id;
}

/** Other names of the inode show the restored content as well. */
async function restoreLinks(sql: Sql, done: readonly Aftermath[]): Promise<void> {
  for (const each of done) {
    if (each.kind !== 'restored' || each.stat.nlink < 2) continue;
    await sql.query(
      `UPDATE "file" SET "size" = ?, "mtimeNs" = ?, "ctimeNs" = ?, "mode" = ?, "uid" = ?, "gid" = ?, "pendingSinceMs" = NULL, "pendingActor" = NULL, "pendingEntry" = NULL,
       "version" = (SELECT v."id" FROM "version" v WHERE v."fileId" = "file"."id" AND v."sha256" = ? ORDER BY v."id" DESC LIMIT 1)
       WHERE "present" = 1 AND "ino" = ? AND "dev" = ? AND "id" <> ?`,
      [
        each.stat.size,
        each.stat.mtimeNs,
        each.stat.ctimeNs,
        each.stat.mode,
        each.stat.uid,
        each.stat.gid,
        each.version.sha256,
        each.stat.ino,
        each.stat.dev,
        each.fileId,
      ],
    );
  }
}

function entryOf(core: Pick<VaultCore, 'ids' | 'now'>, each: Aftermath, row: FileRow): JournalRow {
  const operation = { restored: 'modified', renamed: 'renamed', metadata: 'metadata', directory: 'created', gone: 'deleted' } as const;
  const kind = each.kind === 'restored' ? each.version.kind : each.kind === 'directory' ? 'directory' : each.entry;
  return {
    id: core.ids.nextJournal(),
    factId: `${ownActor}-${randomUUID()}`,
    atMs: core.now(),
    operation: operation[each.kind],
    kind,
    path: each.path,
    oldPath: each.kind === 'renamed' ? each.from : null,
    actor: ownActor,
    origin: 'kuramori',
    fileId: each.fileId,
    fromVersion: row.version,
    toVersion: each.kind === 'restored' ? each.version.id : row.version,
    written: each.kind === 'restored' ? 1 : 0,
    before: JSON.stringify(metadataOf(row)),
    after: each.kind === 'gone' ? null : JSON.stringify(metadataOf(each.stat)),
    replacedFile: null,
    replacedVersion: null,
    replacedMetadata: null,
  };
}
