import type { FileFact, FileStat } from '@kuramori/contracts';
import type { Captured } from '../capture/capture';
import {
  belowCondition,
  countContents,
  dropVersions,
  filesAt,
  type Ids,
  pastNumbers,
  takenBelow,
  versionsOf,
  writeFiles,
  writeJournal,
  writeVersions,
} from '../catalogue/catalogue';
import type { Sql } from '../catalogue/database';
import { evictable } from '../catalogue/retention';
import { chunkNames, type ContentRow, type FileRow, type JournalRow, metadataOf, type VersionRow } from '../catalogue/rows';
import { chunksOf } from '../store/content';

export interface Author {
  readonly key: string;
  readonly words: string;
}

/** Actor key of versions made by the vault itself; whoever changed the file just before is found when its fact comes. */
export const baselineAuthor: Author = { key: 'baseline', words: 'baseline' };

/** A file that is moved so soon after it came was never meant to stay under its first name. */
const savedWithinMs = 60_000;

/** A row that turned out to be another's file, and what that one was before. */
interface Absorbed {
  readonly twin: number;
  readonly into: number;
  readonly path: string;
  readonly version: number | null;
  readonly before: string;
}

/** The part of the catalogue that a piece of work needs, changed in memory and written at once. Lives inside one transaction. */
export class WorkingSet {
  readonly journal: JournalRow[] = [];
  private readonly present = new Map<string, FileRow>();
  private past = new Map<string, number>();
  private versions = new Map<number, VersionRow[]>();
  private readonly changedFiles = new Map<number, FileRow>();
  private readonly changedVersions = new Map<number, VersionRow>();
  private readonly moved = new Set<number>();
  private readonly renumbered: { fileId: number; by: number }[] = [];
  private readonly contents: ContentRow[] = [];
  private readonly settledEntries: { id: number; version: number }[] = [];
  private readonly absorbed: Absorbed[] = [];
  private readonly disowned: { version: number; nobody: string }[] = [];
  private readonly grown = new Set<string>();

  constructor(
    private readonly sql: Sql,
    readonly ids: Ids,
    private readonly suspects: ReadonlyMap<string, number>,
  ) {}

  /** Makes what stands at these paths known. */
  async load(paths: readonly string[]): Promise<void> {
    for (const row of await filesAt(this.sql, paths)) this.present.set(row.path, row);
    for (const [path, last] of await pastNumbers(this.sql, paths)) this.past.set(path, last);
    const versions = await versionsOf(
      this.sql,
      [...this.present.values()].map(({ id }) => id),
    );
    for (const [id, rows] of versions) this.versions.set(id, rows);
  }

  at(path: string): FileRow | undefined {
    return this.present.get(path);
  }

  /** Newest first. */
  versionsOf(row: FileRow): readonly VersionRow[] {
    return this.versions.get(row.id) ?? [];
  }

  currentVersion(row: FileRow): VersionRow | undefined {
    return this.versionsOf(row).find(({ id }) => id === row.version);
  }

  add(path: string, kind: FileRow['kind'], stat: FileStat | undefined): FileRow {
    const row: FileRow = {
      ...(stat === undefined ? unknownStat : pickStat(stat)),
      id: this.ids.nextFile(),
      path,
      present: 1,
      kind,
      version: null,
      lastNumber: this.past.get(path) ?? 0,
      pendingSinceMs: null,
      pendingActor: null,
      pendingEntry: null,
    };
    this.present.set(path, row);
    this.changedFiles.set(row.id, row);
    return row;
  }

  changed(row: FileRow): void {
    this.changedFiles.set(row.id, row);
  }

  setStat(row: FileRow, stat: FileStat): void {
    Object.assign(row, pickStat(stat));
    this.changed(row);
  }

  remove(row: FileRow): void {
    row.present = 0;
    row.pendingSinceMs = null;
    row.pendingActor = null;
    row.pendingEntry = null;
    if (this.present.get(row.path) === row) this.present.delete(row.path);
    this.past.set(row.path, Math.max(this.past.get(row.path) ?? 0, row.lastNumber));
    this.moved.add(row.id);
    this.changed(row);
  }

  /** The history goes with the file, behind what the new path had: numbers stay unique there. */
  move(row: FileRow, path: string): void {
    if (this.present.get(row.path) === row) this.present.delete(row.path);
    const by = this.past.get(path) ?? 0;
    if (by > 0) {
      for (const version of this.versionsOf(row)) version.number += by;
      this.renumbered.push({ fileId: row.id, by });
      row.lastNumber += by;
    }
    row.path = path;
    this.present.set(path, row);
    this.moved.add(row.id);
    this.changed(row);
    this.grown.add(path);
  }

  /** A file that was found under its new name before its renaming was told has two rows: what the twin learned goes to the one that has the history. */
  absorb(row: FileRow, twin: FileRow): void {
    const absorbed = { twin: twin.id, into: row.id, path: row.path, version: row.version, before: JSON.stringify(metadataOf(row)) };
    this.absorbed.push(absorbed);
    for (const entry of this.journal) {
      if (entry.fileId !== twin.id) continue;
      Object.assign(entry, { fileId: row.id, path: row.path });
      if (entry.operation === 'created') Object.assign(entry, { operation: 'modified', fromVersion: absorbed.version, before: absorbed.before });
    }
    for (const version of [...this.versionsOf(twin)].reverse()) {
      row.lastNumber += 1;
      this.putVersion({ ...version, fileId: row.id, number: row.lastNumber });
    }
    this.versions.delete(twin.id);
    row.version = twin.version ?? row.version;
    this.setStat(row, twin);
    if (twin.pendingSinceMs !== null) {
      row.pendingSinceMs = twin.pendingSinceMs;
      row.pendingActor = twin.pendingActor;
      row.pendingEntry = twin.pendingEntry;
    }
    // It had no numbers of its own.
    twin.lastNumber = 0;
    this.remove(twin);
  }

  /** A directory was renamed: everything below goes with it, known here or not. */
  async moveBelow(from: string, to: string): Promise<void> {
    await this.write();
    for (const { path, target } of await takenBelow(this.sql, from, to)) {
      await this.load([path, target].filter((each) => !this.present.has(each)));
      const row = this.present.get(path);
      const twin = this.present.get(target);
      if (row === undefined) continue;
      if (twin !== undefined && sameInode(row, twin)) this.absorb(row, twin);
      else if (twin !== undefined) this.remove(twin);
      this.move(row, target);
    }
    await this.write();
    await this.sql.query(`UPDATE "file" SET "path" = ? || substr("path", length(?) + 1) WHERE "present" = 1 AND ${belowCondition}`, [
      to,
      from,
      from,
      from,
    ]);
    for (const [path, row] of [...this.present]) {
      if (!path.startsWith(`${from}/`)) continue;
      this.present.delete(path);
      row.path = to + path.slice(from.length);
      this.present.set(row.path, row);
    }
  }

  /** A directory is gone with what was below. */
  async removeBelow(directory: string): Promise<void> {
    for (const [path, row] of [...this.present]) if (path.startsWith(`${directory}/`)) this.remove(row);
    await this.write();
    await this.sql.query(
      `UPDATE "file" SET "present" = 0, "pendingSinceMs" = NULL, "pendingActor" = NULL, "pendingEntry" = NULL WHERE "present" = 1 AND ${belowCondition}`,
      [directory, directory],
    );
  }

  /** Other names of the same inode. */
  async linkedTo(row: FileRow): Promise<FileRow[]> {
    await this.write();
    const rows = await this.sql.query<FileRow>('SELECT * FROM "file" WHERE "present" = 1 AND "ino" = ? AND "dev" = ? AND "id" <> ?', [
      row.ino,
      row.dev,
      row.id,
    ]);
    for (const [id, versions] of await versionsOf(
      this.sql,
      rows.map(({ id }) => id),
    ))
      this.versions.set(id, versions);
    return rows.map((other) => {
      const known = this.present.get(other.path);
      if (known !== undefined) return known;
      this.present.set(other.path, other);
      return other;
    });
  }

  /** Content as it was read becomes the file's current version; the same content as before makes no new one. */
  keep(row: FileRow, capture: Captured, author: Author, features?: string): { version: VersionRow; isNew: boolean } {
    const current = this.currentVersion(row);
    this.setStat(row, capture.stat);
    row.kind = capture.entry;
    if (current?.sha256 === capture.content.sha256 && current.kind === capture.entry) {
      this.countStored(capture, 0);
      return { version: current, isNew: false };
    }
    row.lastNumber += 1;
    const { content } = capture;
    const version: VersionRow = {
      ...metadataOf(capture.stat),
      id: this.ids.nextVersion(),
      fileId: row.id,
      number: row.lastNumber,
      atMs: capture.atMs,
      kind: capture.entry,
      sha256: content.sha256,
      size: content.sizeBytes,
      chunks: content.chunks === null ? null : JSON.stringify(content.chunks),
      actor: author.key,
      actorWords: author.words,
      state: this.stateFor(author.key, capture.atMs),
      pinned: 0,
      features: features ?? null,
    };
    row.version = version.id;
    this.putVersion(version);
    this.countStored(capture, 1);
    this.grown.add(row.path);
    return { version, isNew: true };
  }

  putVersion(version: VersionRow): void {
    const others = (this.versions.get(version.fileId) ?? []).filter(({ id }) => id !== version.id);
    this.versions.set(
      version.fileId,
      [version, ...others].sort((a, b) => b.atMs - a.atMs || b.id - a.id),
    );
    this.changedVersions.set(version.id, version);
  }

  /** A version that was kept before its author was known. */
  attribute(version: VersionRow, author: Author): void {
    version.actor = author.key;
    version.actorWords = author.words;
    version.state = this.stateFor(author.key, version.atMs);
    this.changedVersions.set(version.id, version);
  }

  /** Entries that led to a version turn out not to have: what they wrote was overwritten before it was read. An entry by nobody only told of the same change. */
  disown(version: number, nobody: string): void {
    for (const entry of this.journal) {
      if (entry.toVersion !== version) continue;
      if (entry.actor === nobody) Object.assign(entry, { toVersion: entry.fromVersion, written: 0 } satisfies Partial<JournalRow>);
      else entry.toVersion = null;
    }
    this.disowned.push({ version, nobody });
  }

  setFeatures(version: VersionRow, features: object): void {
    if (version.features !== null) return;
    version.features = JSON.stringify(features);
    this.changedVersions.set(version.id, version);
  }

  /** The version that an earlier entry waited for. */
  settleEntry(id: number, version: number): void {
    const entry = this.journal.find((candidate) => candidate.id === id);
    if (entry === undefined) this.settledEntries.push({ id, version });
    else entry.toVersion = version;
  }

  /** Content that was read but belongs to no version: counted, so that the next clearing takes it away. */
  countStored({ stored, content }: Captured, references: 0 | 1): void {
    const known = new Map(stored.map((chunk) => [chunk.sha256, chunk]));
    for (const name of chunksOf(content)) {
      const chunk = known.get(name);
      if (chunk !== undefined) this.contents.push({ sha256: name, size: chunk.sizeBytes, stored: chunk.storedBytes, refs: references });
    }
  }

  /** Another file's version with the same content. */
  shareVersion(row: FileRow, from: VersionRow): void {
    row.lastNumber += 1;
    const version: VersionRow = { ...from, id: this.ids.nextVersion(), fileId: row.id, number: row.lastNumber, pinned: 0 };
    row.version = version.id;
    this.changed(row);
    this.putVersion(version);
    for (const name of chunksOf({ sha256: from.sha256, sizeBytes: from.size, chunks: chunkNames(from.chunks) }))
      this.contents.push({ sha256: name, size: 0, stored: 0, refs: 1 });
    this.grown.add(row.path);
  }

  private stateFor(actor: string, atMs: number): VersionRow['state'] {
    const sinceMs = this.suspects.get(actor);
    return sinceMs !== undefined && atMs >= sinceMs ? 'suspect' : 'clean';
  }

  /** Everything changed so far goes into the database; may be called again after more changes. */
  async write(): Promise<void> {
    await writeFiles(this.sql, [...this.changedFiles.values()], this.moved);
    for (const { fileId, by } of this.renumbered)
      await this.sql.query('UPDATE "version" SET "number" = "number" + ? WHERE "fileId" = ?', [by, fileId]);
    await writeVersions(this.sql, [...this.changedVersions.values()]);
    // The file was there before, under its old name: what looked like its creation was a change.
    for (const { twin, into, path, version, before } of this.absorbed)
      await this.sql.query(
        `UPDATE "journal" SET "fileId" = ?, "path" = ?, "fromVersion" = CASE "operation" WHEN 'created' THEN ? ELSE "fromVersion" END, "before" = CASE "operation" WHEN 'created' THEN ? ELSE "before" END,
         "operation" = CASE "operation" WHEN 'created' THEN 'modified' ELSE "operation" END WHERE "fileId" = ?`,
        [into, path, version, before, twin],
      );
    await countContents(this.sql, this.contents);
    // Before the entries of this set: one of them is the one that led there.
    for (const { version, nobody } of this.disowned)
      await this.sql.query(
        `UPDATE "journal" SET "toVersion" = CASE "actor" WHEN ?2 THEN "fromVersion" END, "written" = CASE "actor" WHEN ?2 THEN 0 ELSE "written" END WHERE "toVersion" = ?1`,
        [version, nobody],
      );
    await writeJournal(this.sql, this.journal);
    for (const { id, version } of this.settledEntries) await this.sql.query('UPDATE "journal" SET "toVersion" = ? WHERE "id" = ?', [version, id]);
    this.changedFiles.clear();
    this.moved.clear();
    this.renumbered.length = 0;
    this.changedVersions.clear();
    this.contents.length = 0;
    this.settledEntries.length = 0;
    this.absorbed.length = 0;
    this.disowned.length = 0;
  }

  /** Old versions of paths that got new ones give way. Call last. */
  async evict(keep: number, nowMs: number): Promise<number> {
    // Few versions: nothing to weigh. Numbers grow by one each, over all files that were at the path.
    const paths = [...this.grown].filter((path) => (this.present.get(path)?.lastNumber ?? keep + 1) > keep);
    if (paths.length === 0) return 0;
    const rows = await this.sql.query<VersionRow & { path: string; current: number | null }>(
      'SELECT v.*, f."path" AS "path", CASE f."present" WHEN 1 THEN f."version" END AS "current" FROM "file" f JOIN "version" v ON v."fileId" = f."id" WHERE f."path" IN (SELECT value FROM json_each(?))',
      [JSON.stringify(paths)],
    );
    const strangers = await this.strangers(rows.map(({ fileId }) => fileId));
    const gone = [...Map.groupBy(rows, ({ path, fileId }) => strangers.get(fileId) ?? path).values()].flatMap((versions) => {
      const current = new Set(versions.flatMap(({ current: id }) => (id === null ? [] : [id])));
      const ids = new Set(evictable(versions, keep, nowMs, current));
      return versions.filter(({ id }) => ids.has(id));
    });
    await dropVersions(this.sql, gone);
    return gone.length;
  }

  /**
   * Files that ended where they were not at home: documents that had stood under another name before they were moved there (`mv a x; rm x; mv b x`, shred, an attacker).
   * They are no generations of one document. What was replaced there competes with others from the same home, as an editor's backups do; what was deleted, with nothing.
   * Saving through a temporary name makes no stranger: that name is only moments old.
   */
  private async strangers(fileIds: readonly number[]): Promise<ReadonlyMap<number, string>> {
    const rows = await this.sql.query<{ fileId: number; home: string; path: string; deleted: 0 | 1 }>(
      `SELECT j."fileId" AS "fileId", j."oldPath" AS "home", f."path" AS "path", EXISTS (SELECT 1 FROM "journal" d WHERE d."fileId" = j."fileId" AND d."operation" = 'deleted') AS "deleted"
       FROM "journal" j JOIN "file" f ON f."id" = j."fileId" WHERE f."present" = 0 AND j."id" IN (
         SELECT min(m."id") FROM "journal" m WHERE m."fileId" IN (SELECT value FROM json_each(?)) AND m."operation" = 'renamed' AND m."oldPath" IS NOT NULL
           AND EXISTS (SELECT 1 FROM "version" v WHERE v."fileId" = m."fileId" AND (v."actor" = ? OR v."atMs" <= m."atMs" - ?))
         GROUP BY m."fileId")`,
      [JSON.stringify([...new Set(fileIds)]), baselineAuthor.key, savedWithinMs],
    );
    return new Map(rows.map(({ fileId, home, path, deleted }) => [fileId, deleted === 1 ? `\0${fileId}` : `\0${home}\0${path}`]));
  }
}

const unknownStat: FileStat = { dev: '0', ino: '0', size: 0, mtimeNs: '0', ctimeNs: '0', mode: 0, uid: 0, gid: 0, nlink: 1 };

function pickStat({ dev, ino, size, mtimeNs, ctimeNs, mode, uid, gid, nlink }: FileStat): FileStat {
  return { dev, ino, size, mtimeNs, ctimeNs, mode, uid, gid, nlink };
}

export function sameInode(row: Pick<FileStat, 'dev' | 'ino'>, stat: Pick<FileStat, 'dev' | 'ino'>): boolean {
  return row.ino === stat.ino && row.dev === stat.dev;
}

/** Nothing at all changed between the two looks. */
export function sameFileState(a: FileStat, b: FileStat): boolean {
  return sameInode(a, b) && a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs;
}

/** Paths whose rows a batch of facts needs: under the old names of directories as well. */
export function pathsOf(facts: readonly FileFact[]): string[] {
  const paths = new Set<string>();
  for (const { path, oldPath } of facts) {
    paths.add(path);
    if (oldPath !== undefined) paths.add(oldPath);
  }
  for (const { kind, operation, path, oldPath } of [...facts].reverse()) {
    if (kind !== 'directory' || operation !== 'renamed' || oldPath === undefined) continue;
    for (const other of [...paths]) if (other.startsWith(`${path}/`)) paths.add(oldPath + other.slice(path.length));
  }
  return [...paths];
}
