import { type Actor, type ContentFeatures, type FileFact, type FileStat, type ObservedChange, unknownActor } from '@kuramori/contracts';
import type { Capture, Captured } from '../capture/capture';
import { type FileRow, type JournalRow, metadataOf, type VersionRow } from '../catalogue/rows';
import { type Author, baselineAuthor, sameFileState, sameInode, type WorkingSet } from './working-set';

/** What {@link applyFacts} is told of the world. */
export interface FactsContext {
  /** By index of the fact with which the content is settled. */
  readonly captures: ReadonlyMap<number, Capture>;
  /** Features of the last clean version of a file that goes away, computed beforehand where they were missing. */
  readonly lostFeatures: ReadonlyMap<number, ContentFeatures>;
  readonly author: (actorKey: string) => Author;
  /** Whether files of this path are kept: the catalogue knows all of them once the baseline is done. */
  readonly kept: (path: string) => boolean;
  /** Whether something stands at a path just now. */
  readonly exists: (path: string) => boolean;
  /** Every file below the roots had its turn: what a rescan finds beyond them is new. */
  readonly baselineDone: boolean;
  readonly nowMs: number;
}

/**
 * Writes facts into the catalogue and the journal, in order. Content counts as a fact's own only when the file's state is exactly the one the fact reports:
 * otherwise somebody was faster, and the next fact (or, when none comes, a later look) settles it.
 */
export async function applyFacts(set: WorkingSet, facts: readonly FileFact[], context: FactsContext): Promise<ObservedChange[]> {
  const applier = new FactApplier(set, context);
  for (const [index, fact] of facts.entries()) await applier.apply(fact, index);
  return applier.changes;
}

class FactApplier {
  readonly changes: ObservedChange[] = [];
  /** Fact of each journal entry of this batch, for changes that are settled with a later fact. */
  private readonly factOf = new Map<number, FileFact>();

  constructor(
    private readonly set: WorkingSet,
    private readonly context: FactsContext,
  ) {}

  async apply(fact: FileFact, index: number): Promise<void> {
    if (fact.kind === 'directory') return this.applyToDirectory(fact);
    if (fact.kind === 'other') return this.applyToOther(fact, index);
    switch (fact.operation) {
      case 'created':
      case 'modified':
        return this.applyWrite(fact, index);
      case 'deleted':
        this.applyDelete(fact);
        return;
      case 'renamed':
        return this.applyRename(fact, index);
      case 'metadata':
        return this.applyMetadata(fact, index);
    }
  }

  private async applyWrite(fact: FileFact, index: number): Promise<void> {
    const capture = this.context.captures.get(index);
    const stat = fact.stat ?? capture?.stat;
    const known = this.set.at(fact.path);
    const same = known !== undefined && isSameFile(known, stat);
    if (fact.rescan === true) {
      // What it found may have been told by others, or put right, since it looked.
      if (same && stat !== undefined && sameFileState(known, capture?.stat ?? stat)) return;
      // The baseline comes by; it keeps the file without calling it a change.
      if (known === undefined && !this.context.baselineDone) return;
    }
    const replaced = known !== undefined && !same ? this.replace(fact, known) : undefined;
    const isNew = known === undefined || !same;
    const row = same ? known : this.set.add(fact.path, fact.kind, stat);
    // Came into being with this fact, also when the baseline saw it first. To a rescan everything is new that the catalogue did not have when it asked.
    const cameNow = fact.operation === 'created' && !(fact.rescan === true && same);
    const created = cameNow || replaced !== undefined || (known === undefined && this.isComplete(fact.path));
    const before = isNew ? undefined : row;
    const current = isNew ? undefined : this.set.currentVersion(row);
    const early = current !== undefined && holdsWriteOf(current, row, fact) ? current : undefined;
    const last = early === undefined ? current : this.set.versionsOf(row).find((version) => version.atMs < early.atMs && version.id !== early.id);
    const entry = this.enter({ ...fact, operation: created ? 'created' : 'modified' }, row, {
      fromVersion: created ? null : (last?.id ?? null),
      ...(before === undefined || created ? {} : { before: JSON.stringify(last === undefined ? metadataOf(before) : beforeWrite(before, last)) }),
      ...replaced,
    });
    if (fact.written === true || created || fact.kind === 'symlink') this.wait(row, fact, entry);
    if (early !== undefined) this.claim(row, early, fact);
    await this.settle(row, fact, capture);
    if (fact.stat !== undefined && !isNew && row.pendingSinceMs === null && capture === undefined) this.set.setStat(row, fact.stat);
    entry.after = JSON.stringify(metadataOf(fact.stat ?? row));
  }

  /** Whether a file that the catalogue doesn't have can't have been there: its creation was missed. */
  private isComplete(path: string): boolean {
    return this.context.baselineDone && this.context.kept(path);
  }

  /** A version that was read before its change was told of belongs to that change, if the file looks just as the fact says. */
  private claim(row: FileRow, version: VersionRow, fact: FileFact): void {
    if (fact.stat !== undefined && !sameFileState(row, fact.stat)) return;
    this.set.attribute(version, this.context.author(fact.actor));
    this.set.disown(version.id, unknownActor.key);
  }

  private applyDelete(fact: FileFact): void {
    const known = this.set.at(fact.path);
    if (fact.rescan === true && (known === undefined || this.context.exists(fact.path))) return;
    if (known === undefined) {
      // Never in the catalogue: an entry all the same, so that an adopted copy or an undo finds it.
      const row = this.set.add(fact.path, fact.kind, undefined);
      this.enter(fact, row, {});
      this.set.remove(row);
      return;
    }
    this.enter(fact, known, { fromVersion: known.version, before: JSON.stringify(metadataOf(known)) });
    this.changes.push(this.removal(fact, known));
    this.set.remove(known);
  }

  private async applyRename(fact: FileFact, index: number): Promise<void> {
    const capture = this.context.captures.get(index);
    const stat = fact.stat ?? capture?.stat;
    const target = this.set.at(fact.path);
    const known = fact.oldPath === undefined ? undefined : this.set.at(fact.oldPath);
    // Told twice (a rescan came first): it is there already.
    if (known === undefined && target !== undefined && stat !== undefined && isSameFile(target, stat)) return this.settle(target, fact, capture);
    const twin = known !== undefined && known.ino !== '0' && target !== undefined && sameInode(known, target);
    if (twin) this.set.absorb(known, target);
    const replaced = target !== undefined && target !== known && !twin ? this.replace(fact, target) : undefined;
    const before = known === undefined ? undefined : metadataOf(known);
    const row = known ?? this.set.add(fact.path, fact.kind, stat);
    if (known !== undefined) this.set.move(known, fact.path);
    const entry = this.enter(fact, row, {
      fromVersion: row.version,
      toVersion: row.version,
      ...(before === undefined ? {} : { before: JSON.stringify(before) }),
      ...replaced,
    });
    // rules.md 11: a rename changes ctime; the kept content is the same when nobody wrote in between.
    const unwritten = row.pendingSinceMs === null && row.version !== null && fact.written !== true;
    if (unwritten && stat !== undefined && sameInode(row, stat) && row.size === stat.size && row.mtimeNs === stat.mtimeNs)
      this.set.setStat(row, stat);
    else if (row.pendingSinceMs === null && capture !== undefined) this.wait(row, fact, entry);
    await this.settle(row, fact, capture);
    entry.after = JSON.stringify(metadataOf(fact.stat ?? row));
  }

  private async applyMetadata(fact: FileFact, index: number): Promise<void> {
    const row = this.set.at(fact.path);
    const capture = this.context.captures.get(index);
    if (row === undefined) return;
    const before = metadataOf(row);
    const { stat } = fact;
    if (stat !== undefined && sameInode(row, stat)) {
      const after = metadataOf(stat);
      if (JSON.stringify(before) !== JSON.stringify(after)) {
        this.enter(fact, row, { fromVersion: row.version, toVersion: row.version, before: JSON.stringify(before), after: JSON.stringify(after) });
      }
      // Without a write in between only owner, mode or times are new: re-keyed without reading (rules.md 11).
      if (row.pendingSinceMs === null && row.size === stat.size) this.set.setStat(row, stat);
      else if (row.pendingSinceMs === null) this.wait(row, fact, undefined);
    }
    await this.settle(row, fact, capture);
  }

  /**
   * Pipes, sockets and devices hold no content: their names alone are journalled, so that an undo takes away what an attacker put there, and knows what was moved over.
   * What a rescan finds is nobody's new one, since the catalogue may never have had it; so is what one is only opened for.
   */
  private async applyToOther(fact: FileFact, index: number): Promise<void> {
    const known = this.set.at(fact.path);
    switch (fact.operation) {
      case 'renamed':
        return this.applyRename(fact, index);
      case 'deleted':
        if (known !== undefined) this.applyDelete(fact);
        return;
      case 'created': {
        if (fact.rescan === true) return;
        const same = known !== undefined && isSameFile(known, fact.stat);
        const replaced = known !== undefined && !same ? this.replace(fact, known) : undefined;
        const row = same ? known : this.set.add(fact.path, fact.kind, fact.stat);
        this.enter({ ...fact, written: false }, row, { after: json(fact.stat), ...replaced });
        return;
      }
      case 'modified':
        // Others use it: it is not taken from them (rules.md 22).
        if (known?.kind === 'other' && isSameFile(known, fact.stat)) this.enter({ ...fact, written: false }, known, {});
        return;
      case 'metadata':
        return this.applyMetadata(fact, index);
    }
  }

  private async applyToDirectory(fact: FileFact): Promise<void> {
    const row = this.set.at(fact.path);
    switch (fact.operation) {
      case 'created': {
        if (row !== undefined) {
          if (fact.stat !== undefined) this.set.setStat(row, fact.stat);
          return;
        }
        this.enter(fact, this.set.add(fact.path, 'directory', fact.stat), { after: json(fact.stat) });
        return;
      }
      case 'deleted': {
        const gone = row ?? this.set.add(fact.path, 'directory', undefined);
        this.enter(fact, gone, { before: row === undefined ? null : JSON.stringify(metadataOf(row)) });
        this.set.remove(gone);
        await this.set.removeBelow(fact.path);
        return;
      }
      case 'renamed': {
        if (fact.oldPath === undefined) return;
        const known = this.set.at(fact.oldPath);
        if (row !== undefined && row !== known) this.set.remove(row);
        const moved = known ?? this.set.add(fact.path, 'directory', fact.stat);
        const before = known === undefined ? null : JSON.stringify(metadataOf(known));
        if (known !== undefined) this.set.move(known, fact.path);
        if (fact.stat !== undefined) this.set.setStat(moved, fact.stat);
        this.enter(fact, moved, { before, after: json(fact.stat) });
        await this.set.moveBelow(fact.oldPath, fact.path);
        return;
      }
      case 'modified':
      case 'metadata': {
        if (row === undefined || fact.stat === undefined) return;
        const before = metadataOf(row);
        // The times of a directory follow from what happens in it.
        if (before.mode !== fact.stat.mode || before.uid !== fact.stat.uid || before.gid !== fact.stat.gid) {
          this.enter(fact, row, { before: JSON.stringify(before), after: json(fact.stat) });
        }
        this.set.setStat(row, fact.stat);
        return;
      }
    }
  }

  /** Another file took the place of `row`. */
  private replace(fact: FileFact, row: FileRow): Pick<JournalRow, 'replacedFile' | 'replacedVersion' | 'replacedMetadata'> {
    this.changes.push(this.removal(fact, row));
    const replaced = { replacedFile: row.id, replacedVersion: row.version, replacedMetadata: JSON.stringify(metadataOf(row)) };
    this.set.remove(row);
    return replaced;
  }

  private wait(row: FileRow, fact: FileFact, entry: JournalRow | undefined): void {
    row.pendingSinceMs ??= this.context.nowMs;
    row.pendingActor = JSON.stringify(this.context.author(fact.actor));
    row.pendingEntry = entry?.id ?? null;
    this.set.changed(row);
  }

  /** Gives content that was read to whoever wrote it. */
  private async settle(row: FileRow, fact: FileFact, capture: Capture | undefined): Promise<void> {
    if (capture === undefined) return;
    const exact = fact.stat === undefined || (capture.stat !== undefined && sameFileState(capture.stat, fact.stat));
    if (capture.outcome !== 'captured') {
      if (capture.outcome === 'not-kept' || capture.outcome === 'no-content') this.forget(row, capture.stat);
      if (capture.observed !== undefined && exact) this.changes.push({ ...this.basis(fact, row), change: 'stored', ...capture.observed });
      return;
    }
    if (!exact) {
      this.set.countStored(capture, 0);
      return;
    }
    const { pendingEntry } = row;
    const author = row.pendingActor === null ? this.context.author(fact.actor) : (JSON.parse(row.pendingActor) as Author);
    const clean = this.set.versionsOf(row).find(({ state, actor }) => state === 'clean' && actor !== author.key);
    const { version, isNew } = this.set.keep(row, capture, author);
    row.pendingSinceMs = null;
    row.pendingActor = null;
    row.pendingEntry = null;
    if (pendingEntry !== null) this.set.settleEntry(pendingEntry, version.id);
    this.observe(fact, row, version, capture, { isNew, clean, pendingEntry });
    if (capture.stat.nlink > 1 && isNew) await this.shareWithLinks(row, version, capture);
  }

  /** It is out of what is kept: nothing waits for it. */
  private forget(row: FileRow, stat: FileStat | undefined): void {
    row.pendingSinceMs = null;
    row.pendingActor = null;
    row.pendingEntry = null;
    // What is on the disk is no longer what the last version holds.
    row.version = null;
    if (stat !== undefined) this.set.setStat(row, stat);
    this.set.changed(row);
  }

  private observe(
    fact: FileFact,
    row: FileRow,
    version: VersionRow,
    { observed }: Captured,
    { isNew, clean, pendingEntry }: { isNew: boolean; clean: VersionRow | undefined; pendingEntry: number | null },
  ): void {
    if (observed === undefined) return;
    this.set.setFeatures(version, observed.after);
    if (observed.before !== undefined && clean?.size === observed.before.sizeBytes) this.set.setFeatures(clean, observed.before);
    if (!isNew && version.actor !== fact.actor) return;
    const origin = pendingEntry === null ? fact : (this.factOf.get(pendingEntry) ?? fact);
    this.changes.push({ ...this.basis(origin, row), change: 'stored', version: version.number, sha256: version.sha256, ...observed });
  }

  /** Every name of an inode shows the new content. */
  private async shareWithLinks(row: FileRow, version: VersionRow, capture: Captured): Promise<void> {
    for (const other of await this.set.linkedTo(row)) {
      if (this.set.currentVersion(other)?.sha256 !== version.sha256) this.set.shareVersion(other, version);
      this.set.setStat(other, capture.stat);
    }
  }

  private removal(fact: FileFact, row: FileRow): ObservedChange {
    const before = this.context.lostFeatures.get(row.id);
    return { ...this.basis(fact, row), change: 'removed', ...(before === undefined ? {} : { before }) };
  }

  private basis(fact: FileFact, row: FileRow): Pick<ObservedChange, 'factId' | 'atMs' | 'path' | 'actor'> {
    return { factId: fact.id, atMs: fact.atMs, path: row.path, actor: fact.actor };
  }

  private enter(fact: FileFact, row: FileRow, rest: Partial<JournalRow>): JournalRow {
    const entry: JournalRow = {
      id: this.set.ids.nextJournal(),
      factId: fact.id,
      atMs: fact.atMs,
      operation: fact.operation,
      kind: fact.kind,
      path: fact.path,
      oldPath: fact.oldPath ?? null,
      actor: fact.actor,
      origin: 'external',
      fileId: row.id,
      fromVersion: null,
      toVersion: null,
      written: fact.written === true ? 1 : 0,
      before: null,
      after: null,
      replacedFile: null,
      replacedVersion: null,
      replacedMetadata: null,
      ...rest,
    };
    this.factOf.set(entry.id, fact);
    this.set.journal.push(entry);
    return entry;
  }
}

/**
 * Whether a version of a file holds what a fact's actor wrote although it was taken for somebody else's: it was read after that write had been seen, and nothing has
 * changed since. The baseline's versions are nobody's.
 */
export function holdsWriteOf(version: VersionRow, row: FileRow, fact: FileFact): boolean {
  if (version.atMs < fact.atMs || version.actor === fact.actor) return false;
  return version.actor === baselineAuthor.key || (row.version === version.id && fact.stat !== undefined && sameFileState(row, fact.stat));
}

/** Whether what the catalogue has at a path is what stands there; taken for granted where one of the two is not known. */
export function isSameFile(known: FileRow, stat: FileStat | undefined): boolean {
  return stat === undefined || known.ino === '0' || sameInode(known, stat);
}

/** The metadata that belonged to the content before: the row may carry the times of the write already. */
function beforeWrite(row: FileRow, last: VersionRow): object {
  const { mode, uid, gid } = metadataOf(row);
  return { mode, uid, gid, mtimeNs: row.version === last.id ? row.mtimeNs : last.mtimeNs };
}

function json(stat: FileStat | undefined): string | null {
  return stat === undefined ? null : JSON.stringify(metadataOf(stat));
}

/** `openssl (pid 312, user alice)`. */
export function actorInWords(actor: Actor | undefined): string {
  if (actor === undefined || actor.kind === 'unknown') return 'unknown';
  const name = actor.exe?.split('/').at(-1) ?? actor.client ?? 'process';
  const details = [...(actor.pid === undefined ? [] : [`pid ${actor.pid}`]), ...(actor.user === undefined ? [] : [`user ${actor.user}`])];
  return details.length === 0 ? name : `${name} (${details.join(', ')})`;
}
