import { randomUUID } from 'node:crypto';
import { type BigIntStats, linkSync, lstatSync, mkdirSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { QuarantineEntry, QuarantinePage, QuarantineQuery } from '@kuramori/contracts';
import { type HeldEntry, holding, isSameEntry } from '@kuramori/platform';
import { kindOf } from '../capture/file-state';
import type { Database } from '../catalogue/database';
import type { Metadata } from '../catalogue/rows';
import { DirectoryHandle } from './directory-handle';
import { copyEntry, EntryReplacedError, makeDirectoryAt } from './put-file';

export interface QuarantineRow extends Metadata {
  readonly id: string;
  readonly incidentId: string;
  readonly path: string;
  readonly storedAt: string;
  readonly atMs: number;
  readonly size: number;
  readonly reason: QuarantineEntry['reason'];
  readonly kind: 'file' | 'symlink' | 'directory' | 'other';
}

/** A row with the identity of what it describes, for the time until that is moved: only this very entry goes into quarantine. */
export interface DescribedRow extends QuarantineRow {
  readonly dev: bigint;
  readonly ino: bigint;
}

const columns = [
  'id',
  'incidentId',
  'path',
  'storedAt',
  'atMs',
  'size',
  'reason',
  'kind',
  'mode',
  'uid',
  'gid',
  'mtimeNs',
] as const satisfies readonly (keyof QuarantineRow)[];

/** A path has up to 4,096 bytes, and each may take six in JSON: so many fit into a message of the bus (8 MiB) whatever they are called. */
const mostInPage = 256;

/**
 * Where things go that are taken out of the way: nothing is ever deleted (rules.md 24). An entry is announced in the database before its file moves, so that a crash
 * between the two leaves a row without a file (not shown), never a file that nobody knows of.
 */
export class Quarantine {
  private readonly directory: string;

  constructor(
    dataDir: string,
    private readonly database: Database,
    private readonly now: () => number,
  ) {
    this.directory = path.join(dataDir, 'quarantine');
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
  }

  /** Describes an entry as it will be in quarantine; nothing is moved yet. */
  describe(stat: BigIntStats, file: string, incidentId: string, reason: QuarantineRow['reason']): DescribedRow {
    const id = randomUUID();
    return {
      id,
      incidentId,
      path: file,
      storedAt: path.join(this.directory, incidentId.replaceAll(/[^A-Za-z0-9_-]/gu, '_'), id),
      atMs: this.now(),
      size: Number(stat.size),
      reason,
      kind: kindOf(stat),
      mode: Number(stat.mode),
      uid: Number(stat.uid),
      gid: Number(stat.gid),
      mtimeNs: String(stat.mtimeNs),
      dev: stat.dev,
      ino: stat.ino,
    };
  }

  async announce(rows: readonly QuarantineRow[]): Promise<void> {
    if (rows.length === 0) return;
    const names = columns.map((column) => `"${column}"`).join(', ');
    const values = columns.map((_, index) => `value ->> ${index}`).join(', ');
    await this.database.transaction(async (sql) => {
      await sql.query(`INSERT INTO "quarantine" (${names}) SELECT ${values} FROM json_each(?)`, [
        JSON.stringify(rows.map((row) => columns.map((column) => row[column]))),
      ]);
    });
    for (const directory of new Set(rows.map(({ storedAt }) => path.dirname(storedAt)))) mkdirSync(directory, { recursive: true, mode: 0o700 });
  }

  /**
   * The entry stays at its place too (the caller renames over it in the next moment): the place is never empty. Across filesystems it is a copy.
   * @throws EntryReplacedError where another entry stands there by now
   */
  copy(row: DescribedRow, place: Buffer): void {
    if (row.kind === 'directory') throw new Error('a directory is moved, not copied');
    const stored = Buffer.from(row.storedAt);
    try {
      linkSync(place, stored);
    } catch {
      // Another filesystem (EXDEV), one without links, or too many links: a copy it is.
      holding(place, (entry) => {
        assertDescribed(row, entry.stat());
        copyEntry(entry, place, stored);
      });
      return;
    }
    // A stranger's file that was linked stays in quarantine as well: it may have no other name any more.
    assertDescribed(row, lstatSync(stored, { bigint: true }));
  }

  /** A content of its own, also where the place keeps its inode. @throws EntryReplacedError where it isn't what was described */
  copyContent(row: DescribedRow, entry: HeldEntry, place: Buffer): void {
    assertDescribed(row, entry.stat());
    copyEntry(entry, place, Buffer.from(row.storedAt));
  }

  /** @throws EntryReplacedError, or a file error: for a directory that is not empty where it would have to be copied */
  move(row: DescribedRow, place: Buffer): void {
    const stored = Buffer.from(row.storedAt);
    try {
      renameSync(place, stored);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EXDEV')) throw error;
      this.moveAcross(row, place, stored);
      return;
    }
    try {
      assertDescribed(row, lstatSync(stored, { bigint: true }));
    } catch (error) {
      putBack(stored, place);
      throw error;
    }
  }

  private moveAcross(row: DescribedRow, place: Buffer, stored: Buffer): void {
    holding(place, (entry) => {
      assertDescribed(row, entry.stat());
      if (row.kind === 'directory') {
        rmdirSync(place);
        makeDirectoryAt(stored, row).close();
        return;
      }
      copyEntry(entry, place, stored);
      if (!entry.standsAt(place)) throw replaced();
      rmSync(place);
    });
  }

  async forget(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    await this.database.transaction(async (sql) => {
      await sql.query('DELETE FROM "quarantine" WHERE "id" IN (SELECT value FROM json_each(?))', [JSON.stringify(ids)]);
    });
  }

  /** Newest first; those whose file is there: a page may hold fewer than it could, and another follow it all the same. */
  async list({ incidentId, after, limit = mostInPage }: QuarantineQuery): Promise<QuarantinePage> {
    const most = Math.min(limit, mostInPage);
    const conditions = [...(incidentId === undefined ? [] : ['"incidentId" = ?']), ...(after === undefined ? [] : ['rowid < ?'])];
    const rows = await this.database.read<QuarantineRow & { rowid: number }>(
      `SELECT rowid, * FROM "quarantine"${conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`} ORDER BY rowid DESC LIMIT ?`,
      [...(incidentId === undefined ? [] : [incidentId]), ...(after === undefined ? [] : [after]), most],
    );
    const last = rows.length < most ? undefined : rows.at(-1);
    return { entries: rows.filter(isThere).map(entryOf), ...(last === undefined ? {} : { next: last.rowid }) };
  }

  async find(id: string): Promise<QuarantineRow | undefined> {
    const rows = await this.database.read<QuarantineRow>('SELECT * FROM "quarantine" WHERE "id" = ? OR "id" LIKE ? LIMIT 2', [
      id,
      `${id.replaceAll(/[%_]/gu, '')}%`,
    ]);
    const [first] = rows.filter(isThere);
    return rows.length === 1 || first?.id === id ? first : undefined;
  }

  /**
   * Puts an entry back, with owner, permissions and times, never over something.
   * @throws Error saying what is in the way
   */
  async release(row: QuarantineRow, target: string): Promise<void> {
    const directory = DirectoryHandle.open(path.dirname(target));
    try {
      const place = directory.at(path.basename(target));
      const stored = Buffer.from(row.storedAt);
      const inTheWay = (cause?: unknown) => new Error(`${target} exists: name another place`, { cause });
      if (lstatSync(place, { throwIfNoEntry: false }) !== undefined) throw inTheWay();
      if (row.kind === 'directory') this.releaseDirectory(row, place);
      else {
        try {
          // Fails where something came meanwhile: a rename would replace it.
          linkSync(stored, place);
        } catch (error) {
          if (isExisting(error)) throw inTheWay(error);
          holding(stored, (entry) => copyEntry(entry, stored, place));
        }
        rmSync(row.storedAt);
      }
      directory.sync();
    } finally {
      directory.close();
    }
    await this.forget([row.id]);
  }

  private releaseDirectory(row: QuarantineRow, place: Buffer): void {
    try {
      renameSync(row.storedAt, place);
    } catch {
      makeDirectoryAt(place, row).close();
      rmdirSync(row.storedAt);
    }
  }
}

function assertDescribed(row: DescribedRow, stat: BigIntStats): void {
  if (!isSameEntry(row, stat) || kindOf(stat) !== row.kind) throw replaced();
}

function replaced(): EntryReplacedError {
  return new EntryReplacedError('another file came to its place meanwhile: tried again with the next run');
}

/** What was moved and isn't what was meant, never over something; where its name is taken (or it is a directory) quarantine keeps it. */
function putBack(stored: Buffer, place: Buffer): void {
  try {
    linkSync(stored, place);
    rmSync(stored);
  } catch {
    // It is listed and can be released.
  }
}

function isExisting(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EEXIST';
}

function isThere({ storedAt }: QuarantineRow): boolean {
  return lstatSync(storedAt, { throwIfNoEntry: false }) !== undefined;
}

export function entryOf({ id, path: file, storedAt, incidentId, atMs, size, reason }: QuarantineRow): QuarantineEntry {
  return { id, path: file, storedAt, incidentId, at: new Date(atMs).toISOString(), sizeBytes: size, reason };
}
