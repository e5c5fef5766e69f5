import { randomUUID } from 'node:crypto';
import {
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import path from 'node:path';
import type { QuarantineEntry } from '@kuramori/contracts';
import { kindOf } from '../capture/file-state';
import type { Database } from '../catalogue/database';
import type { Metadata } from '../catalogue/rows';
import { DirectoryHandle } from './directory-handle';
import { applyMetadata } from './put-file';

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

  /** Describes what stands at a place as it will be in quarantine; nothing is moved yet. @throws a file error where nothing stands there */
  describe(place: Buffer, file: string, incidentId: string, reason: QuarantineRow['reason']): QuarantineRow {
    const stat = lstatSync(place, { bigint: true });
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

  /** The entry stays at its place too (the caller renames over it in the next moment): the place is never empty. Across filesystems it is a copy. */
  copy({ storedAt, kind, ...metadata }: QuarantineRow, place: Buffer): void {
    if (kind === 'directory') throw new Error('a directory is moved, not copied');
    try {
      linkSync(place, storedAt);
      return;
    } catch {
      // Another filesystem (EXDEV), one without links, or too many links: a copy it is.
    }
    if (kind === 'symlink') symlinkSync(readlinkSync(place, { encoding: 'buffer' }), storedAt);
    else copyFileSync(place, storedAt, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    if (kind !== 'symlink') sync(storedAt);
    applyMetadata(Buffer.from(storedAt), metadata, kind === 'symlink');
  }

  /** A content of its own, also where the place keeps its inode. */
  copyContent({ storedAt, ...metadata }: QuarantineRow, place: Buffer): void {
    copyFileSync(place, storedAt, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    sync(storedAt);
    applyMetadata(Buffer.from(storedAt), metadata, false);
  }

  /** @throws a file error: for a directory that is not empty where it would have to be copied */
  move(row: QuarantineRow, place: Buffer): void {
    try {
      renameSync(place, row.storedAt);
      return;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EXDEV')) throw error;
    }
    if (row.kind === 'directory') {
      rmdirSync(place);
      mkdirSync(row.storedAt);
      applyMetadata(Buffer.from(row.storedAt), row, false);
      return;
    }
    this.copy(row, place);
    rmSync(place);
  }

  async forget(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    await this.database.transaction(async (sql) => {
      await sql.query('DELETE FROM "quarantine" WHERE "id" IN (SELECT value FROM json_each(?))', [JSON.stringify(ids)]);
    });
  }

  /** Newest first; those whose file is there. */
  async list(incidentId?: string): Promise<QuarantineEntry[]> {
    const rows = await this.database.read<QuarantineRow>(
      `SELECT * FROM "quarantine"${incidentId === undefined ? '' : ' WHERE "incidentId" = ?'} ORDER BY "atMs" DESC LIMIT 100000`,
      incidentId === undefined ? [] : [incidentId],
    );
    return rows.filter(isThere).map(entryOf);
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
      if (lstatSync(place, { throwIfNoEntry: false }) !== undefined) throw new Error(`${target} exists: name another place`);
      if (row.kind === 'directory') this.releaseDirectory(row, place);
      else {
        try {
          // Fails where something came meanwhile: a rename would replace it.
          linkSync(stored, place);
        } catch (error) {
          if (error instanceof Error && 'code' in error && error.code === 'EEXIST')
            throw new Error(`${target} exists: name another place`, { cause: error });
          if (row.kind === 'symlink') symlinkSync(readlinkSync(stored, { encoding: 'buffer' }), place);
          else copyFileSync(stored, place, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
          if (row.kind !== 'symlink') syncAt(place);
          applyMetadata(place, row, row.kind === 'symlink');
        }
        rmSync(row.storedAt);
      }
    } finally {
      directory.close();
    }
    await this.forget([row.id]);
  }

  private releaseDirectory(row: QuarantineRow, place: Buffer): void {
    try {
      renameSync(row.storedAt, place);
    } catch {
      rmdirSync(row.storedAt);
      mkdirSync(place);
      applyMetadata(place, row, false);
    }
  }
}

function isThere({ storedAt }: QuarantineRow): boolean {
  return lstatSync(storedAt, { throwIfNoEntry: false }) !== undefined;
}

export function entryOf({ id, path: file, storedAt, incidentId, atMs, size, reason }: QuarantineRow): QuarantineEntry {
  return { id, path: file, storedAt, incidentId, at: new Date(atMs).toISOString(), sizeBytes: size, reason };
}

function sync(file: string): void {
  syncAt(Buffer.from(file));
}

function syncAt(place: Buffer): void {
  const fd = openSync(place, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
