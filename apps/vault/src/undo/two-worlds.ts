import type { EntryKind } from '@kuramori/contracts';
import type { Metadata } from '../catalogue/rows';
import type { JournalEntry } from './journal-entry';
import { type Content, type Node, splitPath, top, World } from './world';

/** What was done to one file by those whose changes are undone. */
export interface Marks {
  created: boolean;
  deleted: boolean;
  content: boolean;
  name: boolean;
  metadata: boolean;
  /** Kuramori put it right since. */
  restored: boolean;
}

export interface Conflict {
  readonly node: number;
  readonly reason: string;
  /** Clean content that goes beside what others made of the file. */
  readonly beside?: { readonly content: Content; readonly fallback: number | undefined; readonly metadata: Metadata | undefined };
}

/** The tree as the journal says it is, and as it would be without what shall be undone. */
export interface TwoWorlds {
  readonly actual: World;
  readonly wanted: World;
  /** The journal's file id of each node that has one. */
  readonly fileOf: ReadonlyMap<number, number>;
  readonly marks: ReadonlyMap<number, Readonly<Marks>>;
  readonly conflicts: readonly Conflict[];
}

/** Pure. Never fails for a journal with holes: what doesn't fit together is taken as the later entry says. */
export function twoWorlds(entries: readonly JournalEntry[]): TwoWorlds {
  const history = new History();
  for (const entry of [...entries].reverse()) history.takeBack(entry);
  return new Replay(history).run(entries);
}

/** The state before the first entry, alone. */
export function worldBefore(entries: readonly JournalEntry[]): { world: World; fileOf: ReadonlyMap<number, number> } {
  const history = new History();
  for (const entry of [...entries].reverse()) history.takeBack(entry);
  return { world: history.world, fileOf: new Map([...history.nodeOf].map(([file, node]) => [node, file])) };
}

/** Walks the journal backwards to the state before it. */
class History {
  readonly world = World.empty();
  readonly nodeOf = new Map<number, number>();
  private readonly withFile = new Set<number>();
  private nextNode = top + 1;

  takeBack(entry: JournalEntry): void {
    // What it was before a restore is told by the entries before it.
    if (entry.own) {
      this.nodeFor(entry.fileId, entry.kind);
      return;
    }
    const node = this.after(entry);
    switch (entry.operation) {
      case 'created':
        this.world.unlink(node.id);
        break;
      case 'modified':
        this.setContent(node, entry);
        break;
      case 'deleted':
        this.put(node.id, entry.path);
        this.setContent(node, entry);
        break;
      case 'renamed':
        if (entry.oldPath !== undefined) this.put(node.id, entry.oldPath);
        if (node.content === undefined || isWrite(entry)) this.setContent(node, entry);
        break;
      case 'metadata':
        if (node.content === undefined) this.setContent(node, entry);
        break;
    }
    node.metadata = entry.before ?? node.metadata ?? entry.after;
    const { replaced } = entry;
    if (replaced !== undefined) {
      const victim = this.nodeFor(replaced.fileId, entry.kind);
      this.put(victim.id, entry.path);
      victim.content = replaced.version ?? `unstored:file ${replaced.fileId}`;
      victim.metadata = replaced.metadata;
    }
  }

  /** The node as it is after the entry, at the entry's place. */
  private after(entry: JournalEntry): Node {
    const occupant = this.world.find(entry.path);
    // A directory that was only a part of paths so far.
    if (!this.nodeOf.has(entry.fileId) && occupant !== undefined && entry.kind === 'directory' && !this.withFile.has(occupant)) {
      this.bind(entry.fileId, occupant);
    }
    const node = this.nodeFor(entry.fileId, entry.kind);
    if (entry.operation !== 'deleted' && this.world.pathOf(node.id) !== entry.path) this.put(node.id, entry.path);
    return node;
  }

  private bind(fileId: number, node: number): void {
    this.nodeOf.set(fileId, node);
    this.withFile.add(node);
  }

  private nodeFor(fileId: number, kind: EntryKind): Node {
    const known = this.nodeOf.get(fileId);
    if (known !== undefined) return this.world.node(known);
    const node = this.newNode(kind);
    this.bind(fileId, node.id);
    return node;
  }

  private newNode(kind: EntryKind): Node {
    const node = this.world.add(this.nextNode, kind);
    this.nextNode += 1;
    return node;
  }

  private setContent(node: Node, { from, fileId, kind }: JournalEntry): void {
    if (kind !== 'directory') node.content = from ?? `unstored:file ${fileId}`;
  }

  private put(id: number, path: string): void {
    const { directory, name } = splitPath(path);
    const parent = this.directory(directory);
    if (!this.world.isWithin(parent, id)) this.world.place(id, parent, name);
  }

  private directory(path: string): number {
    const known = this.world.find(path);
    if (known !== undefined) return known;
    const { directory, name } = splitPath(path);
    const parent = this.directory(directory);
    const node = this.newNode('directory');
    this.world.place(node.id, parent, name);
    return node.id;
  }
}

function isWrite(entry: JournalEntry): boolean {
  return entry.written || entry.from !== entry.to;
}

/** Walks forward in both worlds. */
class Replay {
  private readonly actual: World;
  private readonly wanted: World;
  private readonly nodeOf: ReadonlyMap<number, number>;
  private readonly marks = new Map<number, Marks>();
  private readonly conflicts: Conflict[] = [];
  private readonly conflicted = new Set<number>();
  private nextNode: number;

  constructor(history: History) {
    this.actual = history.world;
    this.wanted = history.world.clone();
    this.nodeOf = history.nodeOf;
    this.nextNode = this.actual.all().length + 1;
  }

  run(entries: readonly JournalEntry[]): TwoWorlds {
    for (const entry of entries) {
      const id = this.nodeOf.get(entry.fileId);
      if (id === undefined) continue;
      const { directory, name } = splitPath(entry.path);
      // Where it went, by the directory's identity: that has a place in both worlds.
      const parent = this.directory(directory);
      const occupant = this.actual.child(parent, name);
      if (entry.own) {
        this.applyActual(id, entry, parent, name);
        this.settle(id, entry);
        continue;
      }
      if (entry.undo) this.mark(id, entry, occupant);
      else this.applyWanted(id, entry, parent, name, occupant);
      this.applyActual(id, entry, parent, name);
    }
    const fileOf = new Map([...this.nodeOf].map(([file, node]) => [node, file]));
    return { actual: this.actual, wanted: this.wanted, fileOf, marks: this.marks, conflicts: this.conflicts };
  }

  /** A directory that the journal doesn't know at that place (a hole): it is taken to have been there. */
  private directory(path: string): number {
    const known = this.actual.find(path);
    if (known !== undefined) return known;
    const { directory, name } = splitPath(path);
    const parent = this.directory(directory);
    const id = this.nextNode;
    this.nextNode += 1;
    this.actual.add(id, 'directory');
    this.actual.place(id, parent, name);
    this.wanted.add(id, 'directory');
    if (this.wanted.isPlaced(parent) && this.wanted.child(parent, name) === undefined) this.wanted.place(id, parent, name);
    return id;
  }

  private marksOf(id: number): Marks {
    const known = this.marks.get(id);
    if (known !== undefined) return known;
    const marks: Marks = { created: false, deleted: false, content: false, name: false, metadata: false, restored: false };
    this.marks.set(id, marks);
    return marks;
  }

  private mark(id: number, entry: JournalEntry, occupant: number | undefined): void {
    const marks = this.marksOf(id);
    if (entry.operation === 'created') marks.created = true;
    if (entry.operation === 'deleted') marks.deleted = true;
    if (entry.operation === 'renamed') marks.name = true;
    if (entry.operation === 'metadata') marks.metadata = true;
    if (entry.operation !== 'deleted' && entry.operation !== 'created' && entry.kind !== 'directory' && isWrite(entry)) marks.content = true;
    if (occupant !== undefined && occupant !== id && (entry.operation === 'created' || entry.operation === 'renamed'))
      this.marksOf(occupant).deleted = true;
  }

  /** From here on the file is as Kuramori left it. */
  private settle(id: number, { operation }: JournalEntry): void {
    const marks = this.marks.get(id);
    if (marks !== undefined)
      Object.assign(marks, { created: false, deleted: false, content: false, name: false, metadata: false, restored: true } satisfies Marks);
    const { parent, name } = this.actual.node(id);
    if (operation === 'deleted' || parent === undefined) {
      if (operation === 'deleted') this.wanted.unlink(id);
      return;
    }
    this.copyFromActual(id);
    if (!this.wanted.isPlaced(parent) || this.wanted.isWithin(parent, id)) return;
    const occupant = this.wanted.child(parent, name);
    if (occupant === undefined || occupant === id || this.marks.get(occupant)?.restored === true) this.wanted.place(id, parent, name);
  }

  private applyActual(id: number, entry: JournalEntry, parent: number, name: string): void {
    const node = this.actual.node(id);
    switch (entry.operation) {
      case 'created':
        this.actual.place(id, parent, name);
        node.content = contentAfter(entry);
        break;
      case 'modified':
        if (this.actual.pathOf(id) !== entry.path && !this.actual.isWithin(parent, id)) this.actual.place(id, parent, name);
        if (isWrite(entry)) change(node, contentAfter(entry));
        break;
      case 'deleted':
        this.actual.unlink(id);
        break;
      case 'renamed':
        if (!this.actual.isWithin(parent, id)) this.actual.place(id, parent, name);
        if (isWrite(entry)) change(node, contentAfter(entry));
        break;
      case 'metadata':
        break;
    }
    node.metadata = entry.after ?? node.metadata;
  }

  private applyWanted(id: number, entry: JournalEntry, parent: number, name: string, replacedInActual: number | undefined): void {
    const node = this.wanted.node(id);
    const marks = this.marks.get(id);
    switch (entry.operation) {
      case 'created':
        this.putWanted(id, parent, name, replacedInActual);
        node.content = contentAfter(entry);
        node.metadata = entry.after;
        return;
      case 'modified':
        if (!this.adopt(id)) return;
        if (isWrite(entry)) this.changeWanted(node, entry, marks);
        mergeMetadata(node, entry);
        return;
      case 'deleted':
        if (!this.wanted.isPlaced(id)) return;
        if (marks?.content === true || marks?.name === true)
          this.conflict(id, 'others deleted it after the attacker had changed it: put back as it was before');
        else if (this.wanted.childrenOf(id).length === 0) this.wanted.unlink(id);
        else this.conflict(id, 'others deleted the directory after the attacker had emptied it: put back');
        return;
      case 'renamed':
        if (!this.adopt(id)) return;
        this.putWanted(id, parent, name, replacedInActual);
        if (isWrite(entry)) this.changeWanted(node, entry, marks);
        mergeMetadata(node, entry);
        return;
      case 'metadata':
        if (this.wanted.isPlaced(id)) mergeMetadata(node, entry);
        return;
    }
  }

  /** What the attacker made and others use stays, where it is (rules.md 22). */
  private adopt(id: number): boolean {
    if (this.wanted.isPlaced(id)) return true;
    const { parent, name } = this.actual.node(id);
    if (parent === undefined) return false;
    this.copyFromActual(id);
    this.putWanted(id, parent, name, undefined);
    this.conflict(id, 'made by the attacker and used by others since: left as it is');
    return true;
  }

  private copyFromActual(id: number): void {
    const { content, fallback, metadata } = this.actual.node(id);
    Object.assign(this.wanted.node(id), { content, fallback, metadata });
  }

  private changeWanted(node: Node, entry: JournalEntry, marks: Marks | undefined): void {
    if (marks?.content === true && node.content !== undefined) {
      this.conflict(node.id, 'others changed it after the attacker: theirs stays, the clean version is put beside it', {
        content: node.content,
        fallback: node.fallback,
        metadata: node.metadata === undefined ? undefined : { ...node.metadata },
      });
    }
    change(node, contentAfter(entry));
  }

  private putWanted(id: number, parent: number, name: string, replacedInActual: number | undefined): void {
    this.ensureDirectory(parent);
    // Only possible where the attacker turned directories inside out: it stays where it is.
    if (!this.wanted.isPlaced(parent) || this.wanted.isWithin(parent, id)) {
      this.conflict(id, 'moved by others within directories that the attacker moved: left where it was');
      return;
    }
    const occupant = this.wanted.child(parent, name);
    if (occupant !== undefined && occupant !== id) {
      const marks = this.marks.get(occupant);
      const theirs = occupant === replacedInActual && marks?.content !== true && marks?.name !== true && marks?.created !== true;
      if (theirs) this.wanted.unlink(occupant);
      else this.putBeside(occupant, parent, name);
    }
    this.wanted.place(id, parent, name);
  }

  /** Its name is taken by what others made since. */
  private putBeside(id: number, parent: number, name: string): void {
    this.wanted.unlink(id);
    // Marked with a character that no name holds; the plan makes a name for people of it.
    let beside = `${name}\0`;
    while (this.wanted.child(parent, beside) !== undefined) beside += '\0';
    this.wanted.place(id, parent, beside);
    this.conflict(id, 'others made another file of this name since: theirs stays, the clean version is put beside it');
  }

  private ensureDirectory(id: number): void {
    if (id === top || this.wanted.isPlaced(id)) return;
    const { parent, name } = this.actual.node(id);
    if (parent === undefined) return;
    this.copyFromActual(id);
    this.putWanted(id, parent, name, undefined);
    this.conflict(id, 'made or moved by the attacker and used by others since: left as it is');
  }

  private conflict(node: number, reason: string, beside?: Conflict['beside']): void {
    if (this.conflicted.has(node)) return;
    this.conflicted.add(node);
    this.conflicts.push({ node, reason, ...(beside === undefined ? {} : { beside }) });
  }
}

function contentAfter({ to, id, kind }: JournalEntry): Content | undefined {
  return kind === 'directory' ? undefined : (to ?? `unstored:change ${id}`);
}

function change(node: Node, content: Content | undefined): void {
  if (typeof node.content === 'number') node.fallback = node.content;
  node.content = content;
}

/** Fields that this change changed; others may have been changed by the attacker before. */
function mergeMetadata(node: Node, { before, after }: JournalEntry): void {
  if (after === undefined) return;
  if (node.metadata === undefined || before === undefined) {
    node.metadata = after;
    return;
  }
  node.metadata = {
    mode: before.mode === after.mode ? node.metadata.mode : after.mode,
    uid: before.uid === after.uid ? node.metadata.uid : after.uid,
    gid: before.gid === after.gid ? node.metadata.gid : after.gid,
    mtimeNs: before.mtimeNs === after.mtimeNs ? node.metadata.mtimeNs : after.mtimeNs,
  };
}
