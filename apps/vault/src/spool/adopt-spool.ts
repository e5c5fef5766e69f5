import { readdirSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Settings } from '@kuramori/config';
import { readSpooledCopy, spoolDirectoryFor, type SpooledCopy } from '@kuramori/platform';
import type { Captured } from '../capture/capture';
import type { CapturePool } from '../capture/capture-pool';
import { type Ids, versionsOf } from '../catalogue/catalogue';
import type { Database, Sql } from '../catalogue/database';
import { type FileRow, metadataOf, type VersionRow } from '../catalogue/rows';
import { WorkingSet } from '../facts/working-set';
import type { ContentGate } from '../store/content-gate';

/** Where the guard leaves copies, as far as the directories exist (rules.md 9). */
export function spoolDirectories({ dataDir, protect }: Pick<Settings, 'dataDir' | 'protect'>): string[] {
  const directories = protect.roots.flatMap((root) => (exists(root) && exists(dataDir) ? [spoolDirectoryFor(root, dataDir)] : []));
  return [...new Set(directories)].filter(exists);
}

function exists(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false }) !== undefined;
}

interface Adopted {
  readonly copy: SpooledCopy;
  readonly capture: Captured;
  /** When the guard had copied it, epoch milliseconds: before the open that it answered. */
  readonly copiedAtMs: number;
}

const adoptedAtOnce = 64;
const guardWords = 'kept by the guard before it was opened';

/** Takes the guard's copies over: versions from before whatever the journal tells of those files. */
export class SpoolAdoption {
  constructor(
    private readonly database: Database,
    private readonly ids: Ids,
    private readonly pool: CapturePool,
    private readonly gate: ContentGate,
    private readonly log: (line: string) => void,
  ) {}

  /** Adopts every whole copy; one that can't be kept now stays where it is. Returns how many were. */
  async adopt(directories: readonly string[]): Promise<number> {
    let count = 0;
    for (const directory of directories) {
      const sidecars = listSidecars(directory);
      for (let from = 0; from < sidecars.length; from += adoptedAtOnce) {
        count += await this.adoptSome(directory, sidecars.slice(from, from + adoptedAtOnce));
      }
    }
    return count;
  }

  private async adoptSome(directory: string, sidecars: readonly string[]): Promise<number> {
    const copies = sidecars.flatMap((name) => this.read(path.join(directory, name)));
    return this.gate.keep(async () => {
      const captures = await this.pool.capture(
        'live',
        copies.map(({ data }) => ({ path: data, keep: true })),
      );
      const adopted: (Adopted & { readonly files: readonly string[] })[] = [];
      for (const [index, copy] of copies.entries()) {
        const capture = captures[index];
        if (capture?.outcome === 'captured')
          adopted.push({ copy: copy.copy, capture, copiedAtMs: copy.copiedAtMs, files: [copy.data, copy.sidecar] });
        else if (capture?.outcome !== 'full')
          this.log(
            `the guard's copy ${copy.data} of ${copy.copy.path} can't be adopted: ${capture?.outcome ?? ''} ${capture !== undefined && 'detail' in capture ? capture.detail : ''}`,
          );
      }
      adopted.sort((a, b) => a.copiedAtMs - b.copiedAtMs);
      if (adopted.length > 0) {
        await this.database.transaction(async (sql) => {
          for (const each of adopted) await adoptOne(sql, this.ids, each);
        });
      }
      // The data goes last: without its sidecar nobody would know whose it is.
      for (const { files } of adopted) for (const file of [...files].reverse()) rmSync(file, { force: true });
      return adopted.length;
    });
  }

  private read(sidecar: string): { copy: SpooledCopy; data: string; sidecar: string; copiedAtMs: number }[] {
    const data = `${sidecar.slice(0, -'.json'.length)}.data`;
    try {
      return [{ copy: readSpooledCopy(sidecar), data, sidecar, copiedAtMs: statSync(sidecar).mtimeMs }];
    } catch (error) {
      this.log(`${sidecar} can't be read: ${error instanceof Error ? error.message : String(error)}`);
      return [];
    }
  }
}

function listSidecars(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => name.endsWith('.json'));
  } catch {
    // Gone with its mount, or not made yet.
    return [];
  }
}

async function adoptOne(sql: Sql, ids: Ids, { copy, capture, copiedAtMs }: Adopted): Promise<void> {
  const row = await fileOf(sql, copy);
  const versions = row === undefined ? [] : ((await versionsOf(sql, [row.id])).get(row.id) ?? []);
  const known = versions.find(({ sha256, atMs }) => sha256 === capture.content.sha256 && atMs <= copiedAtMs);
  const set = new WorkingSet(sql, ids, new Map());
  if (known !== undefined) {
    set.countStored(capture, 0);
    await set.write();
    return;
  }
  await set.load([copy.path]);
  const owner = row ?? addFor(set, copy);
  const version: VersionRow = {
    ...metadataOf(copy.stat),
    id: ids.nextVersion(),
    fileId: owner.id,
    number: owner.lastNumber + 1,
    atMs: copiedAtMs,
    kind: 'file',
    sha256: capture.content.sha256,
    size: capture.content.sizeBytes,
    chunks: capture.content.chunks === null ? null : JSON.stringify(capture.content.chunks),
    actor: 'guard',
    actorWords: guardWords,
    state: 'clean',
    pinned: 0,
    features: null,
  };
  owner.lastNumber += 1;
  // Nothing newer is known: this is what the file held when the guard let its writer in.
  if (versions.length === 0) owner.version = version.id;
  set.changed(owner);
  set.putVersion(version);
  set.countStored(capture, 1);
  await set.write();
  // Entries that came before the copy was adopted: the first change of the content lost just this.
  await sql.query(
    `UPDATE "journal" SET "fromVersion" = ? WHERE "fileId" = ? AND "fromVersion" IS NULL AND "operation" IN ('modified', 'deleted') AND "atMs" >= ?
     AND NOT EXISTS (SELECT 1 FROM "journal" e WHERE e."fileId" = "journal"."fileId" AND e."id" < "journal"."id" AND e."toVersion" IS NOT NULL)`,
    [version.id, owner.id, copiedAtMs - clockSlackMs],
  );
}

/** The file may be gone already, with another one in its place. */
function addFor(set: WorkingSet, { path: file, stat }: SpooledCopy): FileRow {
  const successor = set.at(file);
  const row = set.add(file, 'file', stat);
  if (successor !== undefined) set.remove(row);
  return row;
}

/** Event times are read a moment before the copy's file is renamed into place. */
const clockSlackMs = 5000;

async function fileOf(sql: Sql, { path: file, stat }: SpooledCopy): Promise<FileRow | undefined> {
  const [byInode] = await sql.query<FileRow>('SELECT * FROM "file" WHERE "ino" = ? AND "dev" = ? AND "present" = 1 LIMIT 1', [stat.ino, stat.dev]);
  // The number alone proves nothing: an attacker's new file gets that of the original it deleted.
  if (byInode !== undefined && (byInode.path === file || (byInode.size === stat.size && byInode.mtimeNs === stat.mtimeNs))) return byInode;
  const [byPath] = await sql.query<FileRow>('SELECT * FROM "file" WHERE "path" = ? ORDER BY "present" DESC, "id" DESC LIMIT 1', [file]);
  // Another file of the same name took its place: this copy belongs to the one before.
  if (byPath !== undefined && byPath.ino !== '0' && byPath.ino !== stat.ino) {
    const [older] = await sql.query<FileRow>(
      'SELECT * FROM "file" WHERE "path" = ? AND "present" = 0 AND "ino" IN (?, \'0\') ORDER BY "id" DESC LIMIT 1',
      [file, stat.ino],
    );
    return older ?? (byPath.present === 1 ? undefined : byPath);
  }
  return byPath;
}
