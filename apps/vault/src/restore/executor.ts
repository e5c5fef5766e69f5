import { hash } from 'node:crypto';
import { type BigIntStats, lstatSync, readlinkSync, renameSync } from 'node:fs';
import { callCommand } from '@kuramori/bus';
import type { AnnouncedChange, EntryKind, RestoreItem, RestoreOutcome, RestoreReport } from '@kuramori/contracts';
import { HeldEntry, toFileStat } from '@kuramori/platform';
import { kindOf } from '../capture/file-state';
import { chunkNames, type FileRow, type Metadata, metadataOf, type VersionRow } from '../catalogue/rows';
import type { VaultCore } from '../core';
import type { PlanStep, UndoPlan } from '../undo/plan';
import { splitPath } from '../undo/world';
import { DirectoryHandle } from './directory-handle';
import { applyMetadata, EntryReplacedError, hashOfEntry, makeDirectoryAt, raises, type Restorable, writeBeside, writeInto } from './put-file';
import type { DescribedRow, Quarantine } from './quarantine';
import { type Aftermath, recordAftermath } from './aftermath';

/** Files written at once: enough for the disk to join their syncs. */
const writersAtOnce = 16;
const cameMeanwhile = 'something came to its place meanwhile: tried again with the next run';
/** Announced, done and written down together; an announcement holds at most 512 changes. */
const stepsAtOnce = 200;
/** A watcher that is away must not hold up a restore. */
const announceMs = 500;
/** Of an item a reply may hold some kilobytes: so many fit into a message of the bus. */
export const repliedItems = 2000;

export interface ExecutionOptions {
  readonly incidentId: string;
  readonly dryRun: boolean;
  /** Directories within which it writes: the roots, or where an operator wants copies. */
  readonly within: readonly string[];
  /** Restored files become the catalogue's; not so for copies put elsewhere. */
  readonly catalogued: boolean;
}

interface Done {
  readonly outcome: RestoreOutcome;
  readonly detail?: string;
  readonly aftermath?: Aftermath;
  /** What stood in the way and belongs to nobody else was taken to quarantine. */
  readonly leftover?: boolean;
}

/** Does a plan's steps on the disk. Running it again is harmless: what is as it should be is found so. */
export class Executor {
  /** The run after which the next one may begin. */
  private turn: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly core: VaultCore,
    private readonly quarantine: Quarantine,
  ) {}

  /**
   * One run at a time: two would move each other's files. What only looks doesn't wait.
   * @param planning called when it is this run's turn: a plan made earlier would not know what the run before has changed
   */
  async run(planning: () => Promise<UndoPlan>, options: ExecutionOptions): Promise<RestoreReport> {
    const work = async () => this.execute(await planning(), options);
    if (options.dryRun) return work();
    const run = this.turn.then(work);
    this.turn = run.catch(() => undefined);
    return run;
  }

  private async execute(plan: UndoPlan, options: ExecutionOptions): Promise<RestoreReport> {
    const items: RestoreItem[] = [];
    const restored = new Set<string>();
    let quarantined = 0;
    const context = await this.load(plan.steps);
    const announcer = new Announcer(this.core);
    for (const group of inGroups(plan.steps)) {
      const results = options.dryRun ? group.map((step) => this.planned(step)) : await this.runGroup(group, context, options, announcer);
      for (const [index, step] of group.entries()) {
        const result = results[index];
        if (result === undefined) continue;
        // Names for a moment are no news.
        if (step.step === 'rename' && isAside(step.path)) continue;
        items.push({ path: step.path, step: step.step, outcome: result.outcome, detail: result.detail ?? step.detail });
        if (step.step === 'quarantine') quarantined += result.outcome === 'done' || result.outcome === 'planned' ? 1 : 0;
        else if (step.kind !== 'directory' && result.outcome === 'done') restored.add(step.path);
        if (result.leftover === true) {
          quarantined += 1;
          items.push({
            path: step.path,
            step: 'quarantine',
            outcome: 'done',
            detail: 'left behind by the attacker at the place of the restored file',
          });
        }
      }
    }
    const count = (outcome: RestoreOutcome) => new Set(items.filter((item) => item.outcome === outcome).map(({ path }) => path)).size;
    const intact = new Set(
      items.filter(({ outcome, step }) => outcome === 'already-intact' && step !== 'quarantine' && step !== 'make-directory').map(({ path }) => path),
    );
    return {
      touched: plan.touched,
      restored: restored.size,
      alreadyIntact: [...intact].filter((path) => !restored.has(path)).length,
      quarantined,
      unrecoverable: count('unrecoverable') + count('failed'),
      conflicts: count('conflict'),
      dryRun: options.dryRun,
      items,
    };
  }

  private planned(step: PlanStep): Done {
    if (step.step === 'none') return { outcome: step.outcome };
    if (step.step === 'put-beside') return { outcome: 'conflict' };
    return { outcome: 'planned' };
  }

  private async load(steps: readonly PlanStep[]): Promise<Context> {
    const versionIds = steps.flatMap((step) => ('version' in step && step.version !== undefined ? [step.version] : []));
    const fileIds = steps.flatMap(({ fileId }) => (fileId === undefined ? [] : [fileId]));
    const versions = await this.core.database.read<VersionRow>('SELECT * FROM "version" WHERE "id" IN (SELECT value FROM json_each(?))', [
      JSON.stringify(versionIds),
    ]);
    const files = await this.core.database.read<FileRow>('SELECT * FROM "file" WHERE "id" IN (SELECT value FROM json_each(?))', [
      JSON.stringify(fileIds),
    ]);
    return { versions: new Map(versions.map((row) => [row.id, row])), files: new Map(files.map((row) => [row.id, row])) };
  }

  private async runGroup(group: readonly PlanStep[], context: Context, options: ExecutionOptions, announcer: Announcer): Promise<Done[]> {
    await announcer.announce(group, context);
    const work = new GroupWork(this.core, this.quarantine, context, options);
    const results = await work.run(group);
    if (options.catalogued) {
      await this.core.database.transaction((sql) =>
        recordAftermath(
          sql,
          this.core,
          results.flatMap(({ aftermath }) => (aftermath === undefined ? [] : [aftermath])),
        ),
      );
    }
    return results;
  }
}

export interface Context {
  readonly versions: ReadonlyMap<number, VersionRow>;
  readonly files: ReadonlyMap<number, FileRow>;
}

/** Steps of one kind side by side, in the order of the plan; what moves whole directories one by one. */
function* inGroups(steps: readonly PlanStep[]): Generator<PlanStep[]> {
  let group: PlanStep[] = [];
  const together = (a: PlanStep, b: PlanStep) => a.step === b.step && a.kind !== 'directory' && b.kind !== 'directory' && a.step !== 'rename';
  for (const step of steps) {
    const [first] = group;
    if (
      first !== undefined &&
      (group.length >= stepsAtOnce ||
        (!together(first, step) && !(first.step === 'rename' && step.step === 'rename' && first.kind !== 'directory' && step.kind !== 'directory')))
    ) {
      yield group;
      group = [];
    }
    group.push(step);
  }
  if (group.length > 0) yield group;
}

function isAside(path: string): boolean {
  return splitPath(path).name.startsWith('.kuramori-restore-swap-');
}

/** Tells the watcher what is about to change (rules.md 17). */
class Announcer {
  private away = false;

  constructor(private readonly core: VaultCore) {}

  async announce(steps: readonly PlanStep[], { versions, files }: Context): Promise<void> {
    const changes = steps.flatMap((step): AnnouncedChange[] => {
      const stored = (id: number | undefined | null) => (id === undefined || id === null ? undefined : versions.get(id)?.sha256);
      const at = (path: string, sha256: string | undefined): AnnouncedChange => (sha256 === undefined ? { path } : { path, sha256 });
      switch (step.step) {
        case 'write':
          return [at(step.path, stored(step.version))];
        case 'put-beside':
          return [at(step.beside, stored(step.version))];
        case 'rename':
          return [{ path: step.from }, at(step.path, stored(step.version))];
        case 'set-metadata':
          return [at(step.path, stored(step.fileId === undefined ? undefined : files.get(step.fileId)?.version))];
        case 'make-directory':
        case 'quarantine':
          return [{ path: step.path }];
        case 'none':
          return [];
      }
    });
    for (let from = 0; from < changes.length; from += 512) {
      try {
        await callCommand(
          this.core.bus,
          this.core.settings.host,
          'watcher',
          'announce',
          { changes: changes.slice(from, from + 512) },
          { timeoutMs: this.away ? 50 : announceMs },
        );
        this.away = false;
      } catch (error) {
        if (!this.away)
          this.core.log(`the watcher does not hear what is restored (${error instanceof Error ? error.message : String(error)}): restoring goes on`);
        this.away = true;
      }
    }
  }
}

/** One group of steps. */
class GroupWork {
  private readonly directories = new Map<string, DirectoryHandle>();

  constructor(
    private readonly core: VaultCore,
    private readonly quarantine: Quarantine,
    private readonly context: Context,
    private readonly options: ExecutionOptions,
  ) {}

  async run(steps: readonly PlanStep[]): Promise<Done[]> {
    const results = new Array<Done>(steps.length);
    try {
      const reserved = await this.reserveQuarantine(steps);
      const queue = [...steps.entries()];
      const writers = steps[0]?.step === 'rename' || steps[0]?.kind === 'directory' ? 1 : writersAtOnce;
      const worker = async () => {
        for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
          const [index, step] = next;
          results[index] = await this.attempt(step, reserved.get(index));
        }
      };
      await Promise.all(Array.from({ length: Math.min(writers, queue.length) }, worker));
      await this.quarantine.forget(
        [...reserved].filter(([, row]) => lstatSync(row.storedAt, { throwIfNoEntry: false }) === undefined).map(([, { id }]) => id),
      );
      // Renames reach the disk with their directories.
      for (const handle of this.directories.values()) handle.sync();
    } finally {
      for (const handle of this.directories.values()) handle.close();
      this.directories.clear();
    }
    return results;
  }

  /** Rows for everything that may have to go, before anything moves. */
  private async reserveQuarantine(steps: readonly PlanStep[]): Promise<Map<number, DescribedRow>> {
    const rows = new Map<number, DescribedRow>();
    for (const [index, step] of steps.entries()) {
      const path = step.step === 'put-beside' ? step.beside : step.path;
      if (step.step === 'none' || step.step === 'set-metadata') continue;
      try {
        const { directory, name } = this.at(path);
        rows.set(
          index,
          this.quarantine.describe(
            lstatSync(directory.at(name), { bigint: true }),
            path,
            this.options.incidentId,
            step.step === 'quarantine' ? 'leftover' : 'replaced',
          ),
        );
      } catch {
        // Nothing stands there, or not where it says: the step itself finds out.
      }
    }
    await this.quarantine.announce([...rows.values()]);
    return rows;
  }

  private async attempt(step: PlanStep, reserved: DescribedRow | undefined): Promise<Done> {
    try {
      const done = await this.do(step, reserved);
      const conflict = 'conflict' in step && step.conflict && done.outcome === 'done';
      return conflict ? { ...done, outcome: 'conflict' } : done;
    } catch (error) {
      return { outcome: 'failed', detail: error instanceof Error ? error.message : String(error) };
    }
  }

  private async do(step: PlanStep, reserved: DescribedRow | undefined): Promise<Done> {
    switch (step.step) {
      case 'none':
        return { outcome: step.outcome };
      case 'write':
        return this.write(step.path, step.fileId, step.version, step.metadata, reserved);
      case 'put-beside': {
        const done = await this.write(step.beside, undefined, step.version, step.metadata, reserved);
        return {
          outcome: done.outcome === 'done' || done.outcome === 'already-intact' ? 'conflict' : done.outcome,
          detail: done.detail ?? step.detail,
        };
      }
      case 'rename':
        return this.rename(step, reserved);
      case 'make-directory':
        return this.makeDirectory(step, reserved);
      case 'set-metadata':
        return this.setMetadata(step);
      case 'quarantine':
        return this.takeAway(step, reserved);
    }
  }

  /** The directory of a path, held open. */
  private at(path: string): { directory: DirectoryHandle; name: string } {
    if (!this.options.within.some((root) => path.startsWith(`${root}/`))) throw new Error(`${path} is outside of what may be written`);
    const { directory, name } = splitPath(path);
    const known = this.directories.get(directory);
    if (known !== undefined) return { directory: known, name };
    const handle = DirectoryHandle.open(directory);
    this.directories.set(directory, handle);
    return { directory: handle, name };
  }

  private async write(
    path: string,
    fileId: number | undefined,
    versionId: number,
    metadata: Metadata | undefined,
    reserved: DescribedRow | undefined,
  ): Promise<Done> {
    const version = this.context.versions.get(versionId);
    if (version === undefined) return { outcome: 'unrecoverable', detail: 'its version is no longer in the vault' };
    const wanted = restorable(version, metadata);
    const { directory, name } = this.at(path);
    const place = directory.at(name);
    const there = HeldEntry.holdIfThere(place);
    try {
      return await this.writeOver(there, { path, fileId, version, wanted, directory, place, reserved });
    } finally {
      there?.close();
    }
  }

  private async writeOver(there: HeldEntry | undefined, { path, fileId, version, wanted, directory, place, reserved }: Writing): Promise<Done> {
    const aftermath = (entry: HeldEntry): { aftermath?: Aftermath } =>
      optional(fileId === undefined ? undefined : { kind: 'restored', fileId, path, version, stat: toFileStat(entry.stat()) });
    const stat = there?.stat();
    if (there !== undefined && stat !== undefined && holds(there, place, wanted)) {
      if (sameMetadata(stat, wanted.metadata, wanted.kind)) return { outcome: 'already-intact', ...aftermath(there) };
      // Whoever wrote this one may still have it open: what runs with its owner's rights is written anew.
      if (wanted.kind === 'symlink' || !raises(wanted.metadata)) {
        applyMetadata(there, wanted.metadata, 'theirs');
        return { outcome: 'done', detail: 'owner, permissions and time', ...aftermath(there) };
      }
    }
    const row = fileId === undefined ? undefined : this.context.files.get(fileId);
    const foreign = stat !== undefined && row !== undefined && (row.ino !== String(stat.ino) || row.dev !== String(stat.dev));
    if (there !== undefined && stat?.isFile() === true && stat.nlink > 1n && wanted.kind === 'file' && !foreign && fileId !== undefined) {
      if (reserved === undefined) throw new Error(cameMeanwhile);
      this.quarantine.copyContent(reserved, there, place);
      writeInto(this.core.store, there, wanted);
      if (hashOfEntry(there) !== wanted.content.sha256) throw new Error('what was written is not what the vault holds');
      return { outcome: 'done', detail: `content, for all ${stat.nlink} names`, ...aftermath(there) };
    }
    const beside = await writeBeside(this.core.store, directory, wanted);
    try {
      if (stat !== undefined) this.makeWay(stat, place, reserved);
      beside.moveTo(place, stat !== undefined);
      return { outcome: 'done', leftover: foreign && this.options.catalogued, ...aftermath(beside.entry) };
    } finally {
      beside.discard();
    }
  }

  /** Into quarantine with what stands where something is about to be put. */
  private makeWay(there: BigIntStats, place: Buffer, reserved: DescribedRow | undefined): void {
    if (reserved === undefined) throw new Error(cameMeanwhile);
    if (there.isDirectory()) this.quarantine.move(reserved, place);
    else this.quarantine.copy(reserved, place);
  }

  private async rename(step: Extract<PlanStep, { step: 'rename' }>, reserved: DescribedRow | undefined): Promise<Done> {
    const source = this.at(step.from);
    const target = this.at(step.path);
    const row = step.fileId === undefined ? undefined : this.context.files.get(step.fileId);
    const from = source.directory.at(source.name);
    const place = target.directory.at(target.name);
    const isOurs = (entry: HeldEntry | undefined): entry is HeldEntry =>
      entry !== undefined && isOfKind(entry, step.kind) && (row === undefined || row.ino === '0' || row.ino === String(entry.stat().ino));
    const moving = HeldEntry.holdIfThere(from);
    const there = HeldEntry.holdIfThere(place);
    try {
      if (!isOurs(moving)) {
        if (isOurs(there) && row !== undefined) return renamed(step, there, 'already-intact');
        // Its bytes are elsewhere or gone: the vault has them.
        if (step.version !== undefined && !isAside(step.path)) return await this.write(step.path, step.fileId, step.version, step.metadata, reserved);
        return { outcome: 'failed', detail: `${step.from} is not there any more` };
      }
      const occupant = there?.stat();
      if (occupant !== undefined) this.makeWay(occupant, place, reserved);
      renameSync(from, place);
      if (!moving.standsAt(place)) throw new EntryReplacedError(`${step.from} was replaced meanwhile: tried again with the next run`);
      // A directory that was held open went along: its path is another now.
      if (step.kind === 'directory') this.forgetHandles();
      return renamed(step, moving, 'done', occupant !== undefined && !occupant.isDirectory());
    } finally {
      moving?.close();
      there?.close();
    }
  }

  private makeDirectory({ path, metadata, fileId }: Extract<PlanStep, { step: 'make-directory' }>, reserved: DescribedRow | undefined): Done {
    const { directory, name } = this.at(path);
    const place = directory.at(name);
    const there = HeldEntry.holdIfThere(place);
    const isThere = there !== undefined && isOfKind(there, 'directory');
    if (there !== undefined && !isThere) {
      there.close();
      if (reserved !== undefined) this.quarantine.move(reserved, place);
    }
    const entry = isThere ? there : makeDirectoryAt(place, metadata);
    try {
      return {
        outcome: isThere ? 'already-intact' : 'done',
        ...optional(fileId === undefined ? undefined : { kind: 'directory', fileId, path, stat: toFileStat(entry.stat()) }),
      };
    } finally {
      entry.close();
    }
  }

  private setMetadata({ path, metadata, kind, fileId }: Extract<PlanStep, { step: 'set-metadata' }>): Done {
    const { directory, name } = this.at(path);
    const entry = HeldEntry.holdIfThere(directory.at(name));
    if (entry === undefined) return { outcome: 'failed', detail: 'it is not there any more' };
    try {
      const row = fileId === undefined ? undefined : this.context.files.get(fileId);
      if (!isOfKind(entry, kind) || (row !== undefined && kind !== 'directory' && row.ino !== '0' && row.ino !== String(entry.stat().ino)))
        return { outcome: 'conflict', detail: 'another file stands there by now: left as it is' };
      if (sameMetadata(entry.stat(), metadata, kind)) return { outcome: 'already-intact' };
      applyMetadata(entry, metadata, 'theirs');
      return {
        outcome: 'done',
        ...(kind === 'file' && raises(metadata) && !raises({ mode: Number(entry.stat().mode) })
          ? { detail: 'without the set-user-ID bit: the file belonged to somebody else meanwhile' }
          : {}),
        ...optional(fileId === undefined ? undefined : { kind: 'metadata', fileId, path, entry: kind, stat: toFileStat(entry.stat()) }),
      };
    } finally {
      entry.close();
    }
  }

  private takeAway({ path, fileId, kind }: Extract<PlanStep, { step: 'quarantine' }>, reserved: DescribedRow | undefined): Done {
    const row = fileId === undefined ? undefined : this.context.files.get(fileId);
    const gone: Done = {
      outcome: 'already-intact',
      detail: 'not there any more',
      ...optional(fileId === undefined || row?.path !== path ? undefined : ({ kind: 'gone', fileId, path, entry: kind } as const)),
    };
    if (reserved === undefined) return gone;
    const { directory, name } = this.at(path);
    const place = directory.at(name);
    const there = lstatSync(place, { bigint: true, throwIfNoEntry: false });
    if (there === undefined) return gone;
    // Only what the journal speaks of, never what somebody put there since.
    if (kind !== 'directory' && row !== undefined && row.ino !== '0' && row.ino !== String(there.ino))
      return { outcome: 'conflict', detail: 'another file stands there by now: left as it is' };
    if (kind === 'directory') {
      // Into quarantine as it is only when empty: files of others may be in it.
      try {
        this.quarantine.move(reserved, this.emptyDirectory(path, place));
      } catch (error) {
        return { outcome: 'conflict', detail: `left as it is: ${error instanceof Error ? error.message : String(error)}` };
      }
    } else this.quarantine.move(reserved, place);
    return {
      outcome: 'done',
      detail: `moved to ${reserved.storedAt}`,
      ...optional(fileId === undefined ? undefined : ({ kind: 'gone', fileId, path, entry: kind } as const)),
    };
  }

  private emptyDirectory(path: string, place: Buffer): Buffer {
    const probe = DirectoryHandle.open(path);
    try {
      if (probe.isEmpty()) return place;
    } finally {
      probe.close();
    }
    throw new Error('there is something in it');
  }

  private forgetHandles(): void {
    for (const handle of this.directories.values()) handle.close();
    this.directories.clear();
  }
}

/** What a file is written with, and where. */
interface Writing {
  readonly path: string;
  readonly fileId: number | undefined;
  readonly version: VersionRow;
  readonly wanted: Restorable;
  readonly directory: DirectoryHandle;
  readonly place: Buffer;
  readonly reserved: DescribedRow | undefined;
}

function renamed(step: Extract<PlanStep, { step: 'rename' }>, entry: HeldEntry, outcome: 'done' | 'already-intact', leftover = false): Done {
  if (step.metadata !== undefined && !sameMetadata(entry.stat(), step.metadata, step.kind)) applyMetadata(entry, step.metadata, 'theirs');
  const { fileId, kind, path, from } = step;
  return {
    outcome,
    leftover,
    ...optional(fileId === undefined ? undefined : { kind: 'renamed', fileId, entry: kind, path, from, stat: toFileStat(entry.stat()) }),
  };
}

function optional(aftermath: Aftermath | undefined): { aftermath?: Aftermath } {
  return aftermath === undefined ? {} : { aftermath };
}

export function restorable(version: VersionRow, metadata: Metadata | undefined): Restorable {
  return {
    kind: version.kind,
    content: { sha256: version.sha256, sizeBytes: version.size, chunks: chunkNames(version.chunks) },
    metadata: metadata ?? metadataOf(version),
  };
}

function holds(entry: HeldEntry, place: Buffer, { kind, content }: Restorable): boolean {
  if (!isOfKind(entry, kind) || Number(entry.stat().size) !== content.sizeBytes) return false;
  return (kind === 'symlink' ? hash('sha256', readlinkSync(place, { encoding: 'buffer' })) : hashOfEntry(entry)) === content.sha256;
}

function isOfKind(entry: HeldEntry, kind: EntryKind): boolean {
  return kindOf(entry.stat()) === kind;
}

function sameMetadata(stat: BigIntStats, { mode, uid, gid, mtimeNs }: Metadata, kind: string): boolean {
  const sameMode = kind === 'symlink' || (Number(stat.mode) & 0o7777) === (mode & 0o7777);
  return sameMode && Number(stat.uid) === uid && Number(stat.gid) === gid && String(stat.mtimeNs) === mtimeNs;
}
