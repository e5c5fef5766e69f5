import { rmSync, statSync } from 'node:fs';
import type { Settings } from '@kuramori/config';
import { parseMessage } from '@kuramori/contracts';
import { dataSuffix, fsPath, sameData, sidecarSuffix, SpoolDirectory, spoolDirectoryFor, SpoolSeal, StrangeSpoolError } from '@kuramori/platform';
import type { Captured } from '../capture/capture';
import { type Ids, versionsOf } from '../catalogue/catalogue';
import type { Sql } from '../catalogue/database';
import { type FileRow, metadataOf, type VersionRow } from '../catalogue/rows';
import type { VaultCore } from '../core';
import { WorkingSet } from '../facts/working-set';
import { SealedCopy } from './sealed-copy';

/** Where the guard leaves copies (rules.md 9). */
function spoolDirectories({ dataDir, protect }: Pick<Settings, 'dataDir' | 'protect'>): string[] {
  const there = protect.roots.filter((root) => statSync(fsPath(root), { throwIfNoEntry: false }) !== undefined);
  return [...new Set(there.map((root) => spoolDirectoryFor(root, dataDir)))];
}

/** A pair in the spool that the guard itself left there. */
interface Waiting {
  readonly copy: SealedCopy;
  /** Names in the spool. */
  readonly data: string;
  readonly sidecar: string;
}

const adoptedAtOnce = 64;
/** What was told once is not told again, up to so many things: the spool is looked into before every batch. */
const toldLimit = 1000;
const guardWords = 'kept by the guard before it was opened';

/** Takes the guard's copies over: versions from before whatever the journal tells of those files. Nothing in a spool is believed for lying there (rules.md 9). */
export class SpoolAdoption {
  private readonly told = new Set<string>();

  constructor(private readonly core: Pick<VaultCore, 'settings' | 'database' | 'ids' | 'pool' | 'gate' | 'notices' | 'log'>) {}

  /** Adopts every whole copy; one that can't be kept now stays where it is. Returns how many were. */
  async adopt(): Promise<number> {
    let count = 0;
    for (const directory of spoolDirectories(this.core.settings)) {
      const spool = this.open(directory);
      if (spool === undefined) continue;
      try {
        const sidecars = spool.names().filter((name) => name.endsWith(sidecarSuffix));
        const seal = sidecars.length === 0 ? undefined : SpoolSeal.of(this.core.settings.dataDir);
        for (let from = 0; seal !== undefined && from < sidecars.length; from += adoptedAtOnce) {
          count += await this.adoptSome(spool, seal, sidecars.slice(from, from + adoptedAtOnce));
        }
      } finally {
        spool.close();
      }
    }
    return count;
  }

  private open(directory: string): SpoolDirectory | undefined {
    try {
      return SpoolDirectory.open(directory);
    } catch (error) {
      if (!(error instanceof StrangeSpoolError)) throw error;
      if (this.isNew(directory)) this.core.notices.tell('copy-failed', error.message, { path: directory, alarm: true });
      return undefined;
    }
  }

  private async adoptSome(spool: SpoolDirectory, seal: SpoolSeal, sidecars: readonly string[]): Promise<number> {
    const waiting = sidecars.flatMap((name) => this.read(spool, seal, name));
    return this.core.gate.keep(async () => {
      const captures = await this.core.pool.capture(
        'live',
        waiting.map(({ data }) => ({ path: `${spool.realPath}/${data}`, keep: true })),
      );
      const adopted: (Waiting & { readonly capture: Captured })[] = [];
      const others: Captured[] = [];
      for (const [index, each] of waiting.entries()) {
        const capture = captures[index];
        if (capture?.outcome === 'captured') {
          // What was read is what the guard had written, whatever the path led to just then.
          if (sameData(capture.stat, each.copy.data)) adopted.push({ ...each, capture });
          else others.push(capture);
        } else if (capture?.outcome !== 'full')
          this.refuse(spool, each.sidecar, `${each.copy.path}: ${capture?.outcome ?? ''} ${capture?.detail ?? ''}`);
      }
      adopted.sort((a, b) => a.copy.copiedAtMs - b.copy.copiedAtMs);
      if (adopted.length + others.length > 0) {
        await this.core.database.transaction(async (sql) => {
          for (const each of adopted) await adoptOne(sql, this.core.ids, each);
          const set = new WorkingSet(sql, this.core.ids, new Map());
          for (const capture of others) set.countStored(capture, 0);
          await set.write();
        });
      }
      // The data goes last: without its sidecar nobody would know whose it is.
      for (const { sidecar, data } of adopted) for (const name of [sidecar, data]) rmSync(spool.at(name), { force: true });
      return adopted.length;
    });
  }

  private read(spool: SpoolDirectory, seal: SpoolSeal, sidecar: string): Waiting[] {
    const data = `${sidecar.slice(0, -sidecarSuffix.length)}${dataSuffix}`;
    try {
      const text = seal.open(spool.read(sidecar));
      if (text === undefined) throw new Error('the guard of this installation did not write it');
      const copy = parseMessage(SealedCopy, JSON.parse(text));
      const found = spool.find(data);
      if (found === undefined || !sameData(found, copy.data)) throw new Error('its data is not what the guard wrote');
      return [{ copy, data, sidecar }];
    } catch (error) {
      this.refuse(spool, sidecar, error instanceof Error ? error.message : String(error));
      return [];
    }
  }

  /** It stays where it is: nothing is deleted (rules.md 24). */
  private refuse(spool: SpoolDirectory, sidecar: string, reason: string): void {
    const file = `${spool.path}/${sidecar}`;
    if (this.isNew(file)) this.core.log(`the guard's copy ${file} can't be adopted: ${reason}`);
  }

  private isNew(what: string): boolean {
    if (this.told.has(what) || this.told.size >= toldLimit) return false;
    this.told.add(what);
    return true;
  }
}

async function adoptOne(sql: Sql, ids: Ids, { copy, capture }: { readonly copy: SealedCopy; readonly capture: Captured }): Promise<void> {
  const { copiedAtMs } = copy;
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
function addFor(set: WorkingSet, { path: file, stat }: SealedCopy): FileRow {
  const successor = set.at(file);
  const row = set.add(file, 'file', stat);
  if (successor !== undefined) set.remove(row);
  return row;
}

/** Event times are read a moment before the copy's file is renamed into place. */
const clockSlackMs = 5000;

async function fileOf(sql: Sql, { path: file, stat }: SealedCopy): Promise<FileRow | undefined> {
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
