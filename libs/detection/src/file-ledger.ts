/** Facts and comparisons → cases. What is remembered of files: contents by path, new ciphertexts, removals, renamings; bounded, and what is forgotten the vault tells again. */
import type { FileFact, ObservedChange } from '@kuramori/contracts';
import { BoundedMap } from './bounded-map';
import { Containers } from './containers';
import { addWrite, type FileCase, judgeCase, type Write } from './file-case';
import { canary } from './indicators/canary';
import { ciphertextCopy } from './indicators/ciphertext-copy';
import { ransomNote } from './indicators/ransom-note';
import { baseName, directoryOf, extensionOf, type Features, isCiphertext, isReadable, slim } from './observation';
import { areOneAct, compressedNames, compressedTypes, type Made, MadeFiles, namesOfLost, namesOfMade } from './pairing';
import type { Attributed } from './scoreboard';

/** Whose act a fact is. */
export interface Doer {
  readonly key: string;
  /** The job it belongs to: what it made itself is nobody's loss. */
  readonly job: string;
  readonly user: string;
}

/** Whose a new file is. */
interface Maker extends Doer {
  /** Itself first, then whoever else had a hand in it. */
  readonly actors: readonly string[];
}

interface Content {
  readonly features: Features | undefined;
  readonly order: number;
  /** The job that wrote it. */
  readonly by: string;
  /** The job that made the file, if that was seen. */
  readonly madeBy: string | undefined;
  /** Who created what stands there, and when: also where another file had stood before. */
  readonly begun: { readonly by: Doer; readonly atMs: number } | undefined;
}
interface KnownFact {
  readonly order: number;
  /** Which of its job's facts it is. */
  readonly act: number;
  /** It wrote where there was nothing of anybody's: into what its job had only just begun, or what another had emptied. An older state that the vault tells of is no loss of its making. */
  readonly begun: boolean;
  readonly operation: FileFact['operation'];
  /** The case its content belongs to. */
  readonly path: string;
  readonly own: boolean;
}

/** The fact by which something was told. */
interface Told {
  readonly factId: string;
  readonly atMs: number;
}

/** About 250 bytes each: 25 MB. A share may hold more; the vault knows them all. */
const rememberedContents = 100_000;
/** Removed, renamed and harmed files. */
const rememberedCases = 50_000;
/** The vault answers within milliseconds; this many facts it may lie behind. */
const rememberedFacts = 50_000;
const rememberedRenames = 50_000;
const rememberedNotes = 5000;
const foldersPerNote = 16;
const rememberedJobs = 2000;
/** What a job has made is its own unfinished work for this long; somebody may rely on it then. */
const begunForMs = 60_000;
const smallestNoteFolders = 2;
const largestNoteBytes = 64 * 1024;

export class FileLedger {
  private readonly contents = new BoundedMap<string, Content>(rememberedContents);
  private readonly cases: BoundedMap<string, FileCase>;
  private readonly casesById = new BoundedMap<number, FileCase>(rememberedCases);
  private readonly lostByName = new Map<string, Set<FileCase>>();
  private readonly origins = new BoundedMap<string, string>(rememberedRenames);
  /** Where the file went that bore a name before. */
  private readonly leftTo = new BoundedMap<string, string>(rememberedRenames);
  private readonly facts = new BoundedMap<string, KnownFact>(rememberedFacts);
  private readonly made = new MadeFiles();
  private readonly containers = new Containers();
  private readonly acts = new BoundedMap<string, number>(rememberedJobs);
  private readonly notes = new BoundedMap<string, Set<string>>(rememberedNotes);
  private order = 0;
  private nextCase = 1;

  /** `changed` is called for every case about which more or less is known than before, `restored` for one that Kuramori has put right. */
  constructor(
    private readonly canaries: ReadonlySet<string>,
    private readonly changed: (file: FileCase) => void,
    private readonly restored: (file: FileCase, atMs: number) => void,
  ) {
    this.cases = new BoundedMap(rememberedCases, (file) => this.unindexLost(file));
  }

  caseOf(id: number): FileCase | undefined {
    return this.casesById.get(id);
  }

  /** Sizes of everything remembered, for the tests that prove that it stays bounded. */
  sizes(): Readonly<Record<string, number>> {
    return {
      contents: this.contents.size,
      cases: this.cases.size,
      facts: this.facts.size,
      origins: this.origins.size,
      leftTo: this.leftTo.size,
      lostNames: this.lostByName.size,
    };
  }

  /** Kuramori's own change: the file is as it was before, and what happens to it next is a new matter. */
  onOwnFact(fact: FileFact): void {
    this.order += 1;
    this.facts.set(fact.id, { order: this.order, act: 0, begun: false, operation: fact.operation, path: fact.path, own: true });
    for (const path of fact.oldPath === undefined ? [fact.path] : [fact.path, fact.oldPath]) {
      this.contents.delete(path);
      const made = this.made.get(path);
      if (made !== undefined) this.containers.delete(made);
      this.made.delete(path);
      const file = this.cases.get(this.originOf(path));
      if (file !== undefined) {
        this.restored(file, fact.atMs);
        this.drop(file);
      }
      this.origins.delete(path);
    }
  }

  onFact(fact: FileFact, doer: Doer): void {
    if (fact.kind === 'directory' || fact.kind === 'other' || this.facts.get(fact.id) !== undefined) return;
    this.order += 1;
    const now = fact.operation === 'renamed' && fact.oldPath !== undefined ? fact.oldPath : fact.path;
    const path = this.originOf(now);
    const act = (this.acts.get(doer.job) ?? 0) + 1;
    this.acts.set(doer.job, act);
    this.facts.set(fact.id, { order: this.order, act, begun: this.isBegun(fact, now, doer), operation: fact.operation, path, own: false });
    this.onCanary(fact, doer);
    switch (fact.operation) {
      case 'created':
      case 'modified': {
        this.onWrite(fact, doer);
        return;
      }
      case 'renamed': {
        if (fact.oldPath === undefined) this.onWrite({ ...fact, operation: 'created' }, doer);
        else this.onRename(fact, fact.oldPath, doer);
        return;
      }
      case 'deleted': {
        this.onRemoval(fact, doer);
        return;
      }
      case 'metadata':
        return;
    }
  }

  /** A change whose fact is not known (any more) is judged by what it says itself, as something that happened before all that is known. */
  onComparison(change: ObservedChange, doer: Doer): void {
    const fact = this.facts.get(change.factId);
    if (fact?.own === true) return;
    const before = change.before === undefined ? undefined : slim(change.before);
    const after = change.after === undefined ? undefined : slim(change.after);
    if (change.change === 'removed') this.onLossTold(change, fact, before, doer);
    else this.onContentTold(change, fact, { before, after, blocks: change.blocks }, doer);
  }

  private onContentTold(
    change: ObservedChange,
    fact: KnownFact | undefined,
    compared: { before: Features | undefined; after: Features | undefined; blocks: ObservedChange['blocks'] },
    doer: Doer,
  ): void {
    const { before, after } = compared;
    const made = this.made.get(change.path);
    const maker = this.makerOf(change.path, change.atMs, doer);
    if (before === undefined || (fact?.begun === true && this.cases.get(fact.path) === undefined)) {
      // A new file of which the watcher could not tell the content in time, or whose beginning nobody saw.
      if (after !== undefined && made === undefined && isCiphertext(after) && (fact?.operation === 'created' || fact?.operation === 'modified'))
        this.addMade(change.path, after, maker, change, fact.operation === 'created');
      return;
    }
    const path = fact?.path ?? this.originOf(change.path);
    const order = fact?.order ?? 0;
    let file = this.cases.get(path);
    const write = file?.writes.find(({ factId }) => factId === change.factId);
    if (file !== undefined && write !== undefined) {
      write.compared = compared;
      this.judge(file);
      return;
    }
    const now = this.contents.get(change.path);
    if (now !== undefined && now.order > order && now.features !== undefined && isReadable(now.features) && file === undefined) return;
    file ??= this.newCase(path, before);
    addWrite(file, {
      factId: change.factId,
      order,
      actor: doer.key,
      atMs: change.atMs,
      how: 'in-place',
      begun: fact?.begun === true,
      content: undefined,
      compared,
    });
    this.judge(file);
    if (file.findings.length === 0 && file.removal === undefined && file.renaming === undefined) this.drop(file);
  }

  private onLossTold(change: ObservedChange, fact: KnownFact | undefined, before: Features | undefined, doer: Doer): void {
    if (before === undefined) return;
    // Told of the file that stood at the target of a rename or a creation: not of the one that came there.
    const path = fact === undefined || fact.operation === 'deleted' ? (fact?.path ?? this.originOf(change.path)) : change.path;
    const file = this.cases.get(path);
    const write = file?.writes.find(({ factId }) => factId === change.factId);
    if (file !== undefined && write !== undefined) {
      write.compared = { before, after: write.compared?.after, blocks: write.compared?.blocks };
      this.judge(file);
    } else if (file?.removal?.factId === change.factId) {
      file.removal.before = before;
      this.pairLost(file);
    } else if (fact !== undefined && (fact.operation === 'renamed' || fact.operation === 'created' || fact.operation === 'modified')) {
      const content = this.contents.get(change.path);
      if (content?.features === undefined || isReadable(content.features)) return;
      const replaced = file ?? this.newCase(path, before);
      addWrite(replaced, {
        factId: change.factId,
        order: fact.order,
        actor: doer.key,
        atMs: change.atMs,
        how: 'renamed-over',
        begun: false,
        content: content.features,
        compared: { before, after: undefined, blocks: undefined },
      });
      this.judge(replaced);
    }
  }

  private onWrite(fact: FileFact, doer: Doer): void {
    const { path } = fact;
    if (fact.operation === 'created') this.nameTaken(path, fact, doer);
    const origin = this.originOf(path);
    const known = this.contents.get(path);
    const content = fact.content === undefined ? undefined : slim(fact.content);
    const file = this.cases.get(origin);
    const maker = this.makerOf(path, fact.atMs, doer);
    const ownFile = known?.madeBy !== undefined && known.madeBy === maker.job;
    const isNew = fact.operation === 'created' && file === undefined && (known === undefined || ownFile);
    const begun = fact.operation === 'created' && fact.rescan !== true ? { by: doer, atMs: fact.atMs } : known?.begun;
    this.contents.set(path, {
      features: content ?? known?.features,
      order: this.order,
      by: doer.job,
      madeBy: isNew ? maker.job : known?.madeBy,
      begun,
    });
    // Known by a half of the evidence alone (the vault told of its content first), it is still what its job is making.
    if (isNew || (ownFile && (file === undefined || this.made.get(path) !== undefined))) {
      if (content !== undefined) this.onNewContent(path, content, maker, { atMs: fact.atMs, factId: fact.id });
      if (fact.content !== undefined && fact.rescan !== true) this.onNote(fact, fact.content, doer);
      return;
    }
    this.made.delete(path);
    if (content !== undefined && isCiphertext(content) && fact.operation === 'created')
      this.addMade(path, content, maker, { atMs: fact.atMs, factId: fact.id });
    this.write(origin, file, known?.features, {
      factId: fact.id,
      order: this.order,
      actor: doer.key,
      atMs: fact.atMs,
      how: 'in-place',
      begun: this.facts.get(fact.id)?.begun === true,
      content,
      compared: undefined,
    });
  }

  /** New content at a place that held another. A case is made only where something was found: most writing is work. */
  private write(path: string, known: FileCase | undefined, before: Features | undefined, write: Write): void {
    if (known === undefined && (write.content === undefined || isReadable(write.content))) return;
    const file = known ?? this.newCase(path, undefined);
    file.before ??= before !== undefined && (isReadable(before) || !isCiphertext(before)) ? before : undefined;
    addWrite(file, write);
    this.judge(file);
    if (known === undefined && file.findings.length === 0) this.drop(file);
  }

  private onNewContent(path: string, content: Features, maker: Maker, told: Told): void {
    const known = this.made.get(path);
    if (isCiphertext(content)) {
      if (known === undefined) this.addMade(path, content, maker, told);
      else {
        const grown = { ...known, content, actors: [...new Set([...known.actors, ...maker.actors])] };
        this.made.add(grown);
        if (content.structure === 'encrypted') this.containers.add(grown);
        this.pairMade(path);
      }
    } else if (known !== undefined) {
      // It was only half written when it was looked at first.
      this.made.delete(path);
      const half = this.cases.get(path);
      if (half !== undefined) {
        half.fixed = half.fixed.filter(({ indicator }) => indicator !== 'ciphertext-copy');
        this.judge(half);
      }
      this.pairMade(path);
    }
  }

  private addMade(path: string, content: Features, { actors, job, user }: Maker, { atMs, factId }: Told, mayHoldOthers = true): void {
    const made: Made = { path, actors, job, user, atMs, act: this.facts.get(factId)?.act ?? 0, content };
    this.made.add(made);
    if (mayHoldOthers && content.structure === 'encrypted') this.containers.add(made);
    const copy = ciphertextCopy(path, content);
    if (copy !== undefined) this.addFixed(path, { ...copy, actors, atMs, sinceMs: atMs });
    this.pairMade(path);
  }

  /** Files that went before this one came, or that were thought to have become it. */
  private pairMade(path: string): void {
    const waiting = new Set(namesOfMade(path).flatMap((key) => [...(this.lostByName.get(key) ?? [])]));
    for (const file of waiting) this.pairLost(file);
  }

  private pairLost(file: FileCase): void {
    const { removal } = file;
    if (removal === undefined) return;
    const told = removal.before ?? file.before;
    // What nobody could read has no size or content that would tell where it went: its name alone does.
    const before = told === undefined || isReadable(told) ? told : undefined;
    const lost = { path: file.path, actor: removal.actor, job: removal.job, user: removal.user, atMs: removal.atMs, act: removal.act, before };
    const inItsPlace = removal.nameTaken ? this.made.get(file.path) : undefined;
    const found = inItsPlace !== undefined && inItsPlace.atMs <= removal.atMs ? inItsPlace : this.made.successorOf(lost);
    // What became of it is settled even if the new file goes on to another place.
    file.successor = found ?? (file.successor !== undefined && !this.turnedReadable(file.successor) ? file.successor : undefined);
    file.place = this.containers.place(file.successor === undefined ? before : undefined, removal, file.place);
    this.judge(file);
  }

  private isArchive(path: string): boolean {
    const content = this.contents.get(path)?.features;
    return content !== undefined && compressedTypes.has(content.type) && isReadable(content);
  }

  private turnedReadable({ path, content }: Made): boolean {
    const now = this.contents.get(path)?.features;
    return now !== undefined && now !== content && !isCiphertext(now);
  }

  private onRemoval(fact: FileFact, doer: Doer): void {
    const { path } = fact;
    const known = this.contents.get(path);
    const origin = this.originOf(path);
    this.contents.delete(path);
    this.origins.delete(path);
    this.made.delete(path);
    // Temporary files come and go.
    if (known?.madeBy !== undefined && known.madeBy === doer.job && this.cases.get(origin) === undefined) return;
    const features = known?.features;
    if (features !== undefined && !isReadable(features) && this.cases.get(origin) === undefined) return;
    const file = this.cases.get(origin) ?? this.newCase(origin, features);
    file.removal = {
      factId: fact.id,
      order: this.order,
      act: this.facts.get(fact.id)?.act ?? 0,
      actor: doer.key,
      atMs: fact.atMs,
      job: doer.job,
      user: doer.user,
      nameTaken: path !== file.path && this.contents.get(file.path) !== undefined,
      compressed: compressedNames(path).some((name) => this.isArchive(name)),
      before: undefined,
    };
    // The next one at the place where it was kept last is not in its place.
    if (file.key !== file.path) this.moveCase(file, `${file.key}\0${file.id}`, fact.id);
    const { nameTaken, compressed } = file.removal;
    // An unreadable file that comes later is not what became of it.
    if (!nameTaken && !compressed) this.indexLost(file);
    this.pairLost(file);
    if ((nameTaken || compressed) && file.successor === undefined && file.findings.length === 0) this.drop(file);
  }

  private onRename(fact: FileFact, oldPath: string, doer: Doer): void {
    const { path } = fact;
    this.nameTaken(path, fact, doer);
    const known = this.contents.get(oldPath);
    const content = fact.content === undefined ? known?.features : slim(fact.content);
    const origin = this.originOf(oldPath);
    const target = this.contents.get(path);
    const targetCase = this.cases.get(path);
    const ownTarget = target?.madeBy !== undefined && target.madeBy === doer.job;
    const replaced = targetCase !== undefined || fact.replaced === true || (target !== undefined && !ownTarget);
    const wasMade = known?.madeBy !== undefined;
    this.contents.delete(oldPath);
    // Whether something stood there is only known of paths that were seen: a name that isn't the job's own becomes nobody's.
    this.contents.set(path, {
      features: content,
      order: this.order,
      by: known?.by ?? doer.job,
      ...(ownTarget && known !== undefined ? { madeBy: known.madeBy, begun: known.begun } : { madeBy: undefined, begun: undefined }),
    });
    this.origins.delete(oldPath);
    if (replaced) {
      this.write(path, targetCase, target?.features, {
        factId: fact.id,
        order: this.order,
        actor: doer.key,
        atMs: fact.atMs,
        how: 'renamed-over',
        begun: false,
        content,
        compared: undefined,
      });
    }
    if (replaced || wasMade) this.origins.delete(path);
    else {
      this.origins.set(path, origin);
      this.leftTo.set(origin, path);
    }
    if (wasMade && this.made.get(oldPath) !== undefined) {
      this.made.rename(oldPath, path);
      const copy = content === undefined ? undefined : ciphertextCopy(path, content);
      if (copy !== undefined) this.addFixed(path, { ...copy, actors: [doer.key], atMs: fact.atMs, sinceMs: fact.atMs });
      if (content !== undefined) this.onNewContent(path, content, alone(doer), { atMs: fact.atMs, factId: fact.id });
      else this.pairMade(path);
    } else if (wasMade && !replaced && content !== undefined) this.onNewContent(path, content, alone(doer), { atMs: fact.atMs, factId: fact.id });
    if (wasMade) return;
    const file = this.cases.get(origin);
    if (file === undefined && content === undefined && extensionOf(oldPath) === extensionOf(path)) return;
    const renamed = file ?? this.newCase(origin, undefined);
    if (content !== undefined && isReadable(content)) renamed.before ??= content;
    renamed.renaming = { order: this.order, actor: doer.key, atMs: fact.atMs, newPath: path, content };
    this.judge(renamed);
  }

  private onCanary(fact: FileFact, doer: Doer): void {
    const path = fact.oldPath ?? fact.path;
    if (!this.canaries.has(path) || fact.operation === 'metadata') return;
    const touch = fact.operation === 'renamed' ? 'renamed' : fact.operation === 'deleted' ? 'deleted' : 'changed';
    this.addFixed(path, { ...canary(path, touch), actors: [doer.key], atMs: fact.atMs, sinceMs: fact.atMs });
  }

  private onNote(fact: FileFact, content: NonNullable<FileFact['content']>, doer: Doer): void {
    if (content.sizeBytes === 0 || content.sizeBytes > largestNoteBytes) return;
    const key = `${doer.job}\0${content.sha256 ?? `${baseName(fact.path)}\0${content.sizeBytes}`}`;
    const folders = this.notes.get(key) ?? new Set<string>();
    if (folders.size < foldersPerNote) folders.add(directoryOf(fact.path));
    this.notes.set(key, folders);
    if (content.textHead === undefined && folders.size < smallestNoteFolders) return;
    const finding = ransomNote(fact.path, content, folders.size);
    if (finding !== undefined) this.addFixed(fact.path, { ...finding, actors: [doer.key], atMs: fact.atMs, sinceMs: fact.atMs });
  }

  private addFixed(path: string, finding: Attributed): void {
    const file = this.cases.get(path) ?? this.newCase(path, undefined);
    if (
      file.fixed.some(
        ({ indicator, actors, weight }) => indicator === finding.indicator && actors[0] === finding.actors[0] && weight >= finding.weight,
      )
    )
      return;
    file.fixed = [...file.fixed.slice(-7), finding];
    this.judge(file);
  }

  /** Evidence that a verdict named before a restart; told again by the facts it counts once. */
  recall(path: string, finding: Attributed): void {
    this.addFixed(path, finding);
  }

  private judge(file: FileCase): void {
    const had = file.findings.length > 0;
    file.findings = judgeCase(file);
    if (file.findings.length > 0) this.casesById.set(file.id, file);
    if (had || file.findings.length > 0) this.changed(file);
  }

  private newCase(path: string, before: Features | undefined): FileCase {
    const file: FileCase = {
      id: this.nextCase,
      path,
      key: path,
      before,
      writes: [],
      removal: undefined,
      renaming: undefined,
      successor: undefined,
      place: undefined,
      fixed: [],
      findings: [],
      groups: [],
    };
    this.nextCase += 1;
    this.cases.set(path, file);
    return file;
  }

  /** Its evidence stays with whom it is against; what comes next is another case. */
  private drop(file: FileCase): void {
    this.cases.delete(file.key);
    this.unindexLost(file);
  }

  private indexLost(file: FileCase): void {
    for (const key of namesOfLost(file.path)) {
      const known = this.lostByName.get(key);
      if (known === undefined) this.lostByName.set(key, new Set([file]));
      else if (known.size < 64) known.add(file);
    }
  }

  private unindexLost(file: FileCase): void {
    if (file.removal === undefined) return;
    for (const key of namesOfLost(file.path)) {
      const known = this.lostByName.get(key);
      known?.delete(file);
      if (known?.size === 0) this.lostByName.delete(key);
    }
  }

  /** Whatever a rescan finds has begun at an unknown time; and where nobody knows who, a creation may be another file's replacement. */
  private isBegun(fact: FileFact, path: string, { job }: Doer): boolean {
    if (fact.rescan === true || job.startsWith('unknown')) return false;
    if (fact.operation === 'created') return true;
    const known = this.contents.get(path);
    if (known?.features?.sizeBytes === 0 && known.by !== job) return true;
    return known?.begun?.by.job === job && fact.atMs - known.begun.atMs <= begunForMs;
  }

  /** What somebody had only just begun and nobody was seen going on with (the watcher was not there, or lost events) is his still: both had a hand in it. */
  private makerOf(path: string, atMs: number, doer: Doer): Maker {
    const known = this.contents.get(path);
    const begun = known?.begun;
    if (!doer.job.startsWith('unknown') || begun === undefined || known?.madeBy !== begun.by.job || atMs - begun.atMs > begunForMs)
      return alone(doer);
    return { ...begun.by, actors: [...new Set([begun.by.key, doer.key])] };
  }

  /** Another file comes to stand where one stood that still exists, moved away or compressed: logs are rotated, backups kept. From now on they are two. */
  private nameTaken(path: string, { id }: FileFact, { job }: Doer): void {
    const before = this.cases.get(path);
    if (before?.removal !== undefined) {
      const inOneAct = areOneAct({ job, act: this.facts.get(id)?.act ?? 0 }, before.removal);
      if (before.removal.compressed && !inOneAct) this.moveCase(before, `${before.key}\0${before.id}`);
      return;
    }
    const to = this.leftTo.get(path);
    if (to === undefined) return;
    this.leftTo.delete(path);
    if (to === path || this.origins.get(to) !== path) return;
    this.origins.delete(to);
    this.moveCase(before ?? this.newCase(path, undefined), to);
  }

  private moveCase(file: FileCase, key: string, factId?: string): void {
    this.cases.delete(file.key);
    file.key = key;
    this.cases.set(key, file);
    const fact = factId === undefined ? undefined : this.facts.get(factId);
    if (factId !== undefined && fact !== undefined) this.facts.set(factId, { ...fact, path: key });
  }

  /** The name a file had before anybody renamed it, as far as that was seen. */
  private originOf(path: string): string {
    return this.origins.get(path) ?? path;
  }
}

function alone(doer: Doer): Maker {
  return { ...doer, actors: [doer.key] };
}
