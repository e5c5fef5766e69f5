import type { EntryKind } from '@kuramori/contracts';
import type { Metadata } from '../catalogue/rows';
import { type Conflict, type Marks, type TwoWorlds, twoWorlds } from './two-worlds';
import type { JournalEntry } from './journal-entry';
import { type Content, type Node, splitPath, top, World } from './world';

interface OfFile {
  /** The journal's file; undefined for a directory that only stood in paths. */
  readonly fileId: number | undefined;
  readonly path: string;
  readonly kind: EntryKind;
  readonly detail: string;
}

/** One thing to do. Steps are done in the order of the plan; each can be done again without harm. */
export type PlanStep = OfFile &
  (
    | { readonly step: 'write'; readonly version: number; readonly metadata: Metadata | undefined; readonly conflict: boolean }
    | {
        readonly step: 'rename';
        readonly from: string;
        readonly version: number | undefined;
        readonly metadata: Metadata | undefined;
        readonly conflict: boolean;
      }
    | { readonly step: 'make-directory'; readonly metadata: Metadata | undefined }
    | { readonly step: 'set-metadata'; readonly metadata: Metadata }
    | { readonly step: 'quarantine' }
    | { readonly step: 'put-beside'; readonly version: number; readonly metadata: Metadata | undefined; readonly beside: string }
    | { readonly step: 'none'; readonly outcome: 'already-intact' | 'conflict' | 'unrecoverable' }
  );

export interface UndoPlan {
  readonly steps: readonly PlanStep[];
  /** Distinct files concerned. */
  readonly touched: number;
}

/** Names of files on their way to a name that is still taken; the same in every run, so that an interrupted one is continued. */
export function swapName(nodeName: string): string {
  return `.kuramori-restore-swap-${nodeName}`.slice(0, 200);
}

/** `report (before 2026-11-24T12.30.05Z kuramori).docx`: colons are not allowed on every system. Shortened to the 255 bytes that a name may have. */
export function besideName(name: string, atMs: number): string {
  const stamp = ` (before ${new Date(atMs).toISOString().slice(0, 19).replaceAll(':', '.')}Z kuramori)`;
  const dot = name.lastIndexOf('.');
  const extension = dot > 0 && name.length - dot <= 12 ? name.slice(dot) : '';
  let stem = extension === '' ? name : name.slice(0, dot);
  while (new TextEncoder().encode(stem + stamp + extension).length > 255) stem = [...stem].slice(0, -1).join('');
  return stem + stamp + extension;
}

/**
 * What must be done so that the tree is as if the entries with `undo` had never been. Pure.
 * @param entries of the journal in order, those of others as well, from the first one to undo (or before) to the end
 */
export function planUndo(entries: readonly JournalEntry[]): UndoPlan {
  const first = entries.find(({ undo }) => undo);
  if (first === undefined) return { steps: [], touched: 0 };
  return new Planner(twoWorlds(entries), first.atMs).plan();
}

type Rename = Extract<PlanStep, { step: 'rename' }>;

class Planner {
  /** The actual world as the steps so far have changed it. */
  private readonly now: World;
  private readonly wanted: World;
  private readonly conflictOf: ReadonlyMap<number, Conflict>;
  private readonly directorySteps: PlanStep[] = [];
  private readonly renames: Rename[] = [];
  private readonly fileSteps: PlanStep[] = [];
  private readonly leftContent: PlanStep[] = [];
  private readonly lastSteps: PlanStep[] = [];
  /** Paths that a step brings content to: what stands there is taken to quarantine by that step. */
  private readonly targets = new Set<string>();

  constructor(
    private readonly worlds: TwoWorlds,
    private readonly firstMs: number,
  ) {
    this.now = worlds.actual.clone();
    this.wanted = worlds.wanted;
    this.conflictOf = new Map(worlds.conflicts.map((conflict) => [conflict.node, conflict]));
    this.nameBesides();
  }

  plan(): UndoPlan {
    this.planDirectories();
    const files = this.wanted.all().filter((node) => node.kind !== 'directory' && this.wanted.isPlaced(node.id));
    for (const node of files) this.planFile(node);
    const leftovers = this.planLeftovers();
    const left = this.leftContent.filter(({ path }) => !this.targets.has(path));
    const steps = [
      ...this.directorySteps,
      ...leftovers.files,
      ...left,
      ...orderRenames(this.renames),
      ...this.fileSteps,
      ...leftovers.directories,
      ...this.lastSteps,
    ];
    return { steps, touched: this.countTouched() };
  }

  private countTouched(): number {
    return [...this.worlds.marks.keys()].filter((id) => {
      const node = this.wanted.node(id);
      // Made and gone again within the attack: nobody ever missed it.
      return node.kind !== 'directory' && (this.wanted.isPlaced(id) || this.worlds.actual.isPlaced(id));
    }).length;
  }

  /** Gives those that had to go beside others their names. */
  private nameBesides(): void {
    for (const { id, name, parent } of this.wanted.all()) {
      if (parent === undefined || !name.endsWith('\0')) continue;
      this.wanted.place(id, parent, this.freeName(parent, name.replaceAll('\0', '')));
    }
  }

  private freeName(parent: number, name: string): string {
    const beside = besideName(name, this.firstMs);
    for (let count = 1; ; count += 1) {
      const candidate = count === 1 ? beside : besideName(`${splitExtension(name).stem} ${count}${splitExtension(name).extension}`, this.firstMs);
      if (this.wanted.child(parent, candidate) === undefined && this.now.child(parent, candidate) === undefined) return candidate;
    }
  }

  private planDirectories(): void {
    const waiting = [top];
    for (let parent = waiting.shift(); parent !== undefined; parent = waiting.shift()) {
      for (const id of this.wanted.childrenOf(parent)) {
        const node = this.wanted.node(id);
        if (node.kind !== 'directory') continue;
        waiting.push(id);
        this.planDirectory(node, parent);
      }
    }
  }

  private planDirectory(node: Node, parent: number): void {
    const path = this.wanted.pathOf(node.id) ?? '';
    const here = this.now.node(node.id);
    const conflict = this.conflictOf.get(node.id);
    if (!this.now.isPlaced(node.id)) {
      this.makeWay(parent, node.name, node.id);
      this.directorySteps.push({ ...this.of(node, path), detail: 'made again', step: 'make-directory', metadata: node.metadata });
      this.now.place(node.id, parent, node.name);
      // Its own time last: whatever is put into it changes it.
      if (node.metadata !== undefined)
        this.lastSteps.push({ ...this.of(node, path), detail: 'owner, permissions and time', step: 'set-metadata', metadata: node.metadata });
      return;
    }
    if (here.parent !== parent || here.name !== node.name) {
      const from = this.now.pathOf(node.id) ?? '';
      this.makeWay(parent, node.name, node.id);
      this.directorySteps.push({
        ...this.of(node, path),
        detail: `from ${from}`,
        step: 'rename',
        from,
        version: undefined,
        metadata: undefined,
        conflict: conflict !== undefined,
      });
      this.now.place(node.id, parent, node.name);
    } else if (conflict !== undefined) {
      this.directorySteps.push({ ...this.of(node, path), detail: conflict.reason, step: 'none', outcome: 'conflict' });
    }
    if (node.metadata !== undefined && here.metadata !== undefined && !sameRights(node.metadata, here.metadata)) {
      this.lastSteps.push({ ...this.of(node, path), detail: 'owner and permissions', step: 'set-metadata', metadata: node.metadata });
    }
  }

  /** A directory's place is taken: a leftover goes to quarantine, anything else aside for a while. */
  private makeWay(parent: number, name: string, by: number): void {
    const occupant = this.now.child(parent, name);
    if (occupant === undefined || occupant === by) return;
    const node = this.now.node(occupant);
    const path = this.now.pathOf(occupant) ?? '';
    if (!this.wanted.isPlaced(occupant) && node.kind !== 'directory') {
      this.directorySteps.push({ ...this.of(node, path), detail: 'left behind by the attacker', step: 'quarantine' });
      this.now.unlink(occupant);
      return;
    }
    const aside = swapName(name);
    this.directorySteps.push({
      ...this.of(node, `${splitPath(path).directory}/${aside}`),
      detail: `from ${path}, for a moment`,
      step: 'rename',
      from: path,
      version: undefined,
      metadata: undefined,
      conflict: false,
    });
    this.now.place(occupant, parent, aside);
  }

  private planFile(node: Node): void {
    const path = this.wanted.pathOf(node.id) ?? '';
    const from = this.now.pathOf(node.id);
    const here = this.now.node(node.id);
    const conflict = this.conflictOf.get(node.id);
    const content = storedContent(node);
    const sameContent = from !== undefined && here.content === node.content;
    if (conflict?.beside !== undefined) this.planBeside(node, path, conflict.beside, conflict.reason);
    if (!sameContent) {
      this.planContent(node, path, from, content, conflict);
      return;
    }
    if (from !== path) {
      this.targets.add(path);
      this.renames.push({
        ...this.of(node, path),
        detail: conflict?.reason ?? `from ${from}`,
        step: 'rename',
        from,
        version: typeof node.content === 'number' ? node.content : undefined,
        metadata: node.metadata,
        conflict: conflict !== undefined,
      });
      return;
    }
    if (node.metadata !== undefined && here.metadata !== undefined && !sameMetadata(node.metadata, here.metadata)) {
      this.fileSteps.push({ ...this.of(node, path), detail: 'owner, permissions and time', step: 'set-metadata', metadata: node.metadata });
    } else if (conflict !== undefined && conflict.beside === undefined) {
      this.fileSteps.push({ ...this.of(node, path), detail: conflict.reason, step: 'none', outcome: 'conflict' });
    } else if (conflict === undefined && this.isMarked(node.id)) {
      this.fileSteps.push({ ...this.of(node, path), detail: 'as it was', step: 'none', outcome: 'already-intact' });
    }
  }

  private planContent(
    node: Node,
    path: string,
    from: string | undefined,
    content: ReturnType<typeof storedContent>,
    conflict: Conflict | undefined,
  ): void {
    if (content === undefined) {
      this.fileSteps.push({ ...this.of(node, path), detail: 'no version of it was ever kept', step: 'none', outcome: 'unrecoverable' });
      // What is left of it gets its name back, for whoever may rescue something.
      if (from !== undefined && from !== path) {
        this.targets.add(path);
        this.renames.push({
          ...this.of(node, path),
          detail: `from ${from}`,
          step: 'rename',
          from,
          version: undefined,
          metadata: undefined,
          conflict: true,
        });
      }
      return;
    }
    this.targets.add(path);
    this.fileSteps.push({
      ...this.of(node, path),
      detail:
        conflict?.reason ??
        (content.exact ? 'content' : 'the last change before the attack was overwritten before it could be kept: the version before it'),
      step: 'write',
      version: content.version,
      metadata: node.metadata,
      conflict: conflict !== undefined || !content.exact,
    });
    if (from !== undefined && from !== path)
      this.leftContent.push({ ...this.of(node, from), detail: 'changed content under another name', step: 'quarantine' });
  }

  private planBeside(node: Node, path: string, beside: NonNullable<Conflict['beside']>, reason: string): void {
    const content = storedContent(beside);
    const { parent } = node;
    if (parent === undefined) return;
    if (content === undefined) {
      this.fileSteps.push({
        ...this.of(node, path),
        detail: `${reason}; no clean version of it was ever kept`,
        step: 'none',
        outcome: 'unrecoverable',
      });
      return;
    }
    const name = this.freeName(parent, node.name);
    const besidePath = `${splitPath(path).directory}/${name}`;
    this.fileSteps.push({
      ...this.of(node, path),
      detail: `${reason}: ${besidePath}`,
      step: 'put-beside',
      version: content.version,
      metadata: beside.metadata,
      beside: besidePath,
    });
  }

  /** What is there and should not be: files by themselves, directories when nothing of others is in them. */
  private planLeftovers(): { files: PlanStep[]; directories: PlanStep[] } {
    const files: PlanStep[] = [];
    const directories: PlanStep[] = [];
    for (const node of this.now.all()) {
      const path = this.now.pathOf(node.id);
      if (path === undefined || node.id === top || this.wanted.isPlaced(node.id)) continue;
      const step: PlanStep = { ...this.of(node, path), detail: 'left behind by the attacker', step: 'quarantine' };
      if (node.kind === 'directory') directories.push(step);
      // A step with this target takes it away in the same moment.
      else if (!this.targets.has(path)) files.push(step);
    }
    directories.sort((a, b) => b.path.length - a.path.length);
    return { files, directories };
  }

  private isMarked(id: number): boolean {
    const marks: Readonly<Marks> | undefined = this.worlds.marks.get(id);
    return marks !== undefined && Object.values(marks).includes(true);
  }

  private of(node: Node, path: string): Omit<OfFile, 'detail'> {
    return { fileId: this.worlds.fileOf.get(node.id), path, kind: node.kind };
  }
}

function storedContent({
  content,
  fallback,
}: {
  content: Content | undefined;
  fallback: number | undefined;
}): { version: number; exact: boolean } | undefined {
  if (typeof content === 'number') return { version: content, exact: true };
  return fallback === undefined ? undefined : { version: fallback, exact: false };
}

/** Each rename when its target is free; a ring is opened with a name for a moment. */
function orderRenames(renames: readonly Rename[]): PlanStep[] {
  const ordered: PlanStep[] = [];
  let waiting = [...renames];
  while (waiting.length > 0) {
    const sources = new Set(waiting.map(({ from }) => from));
    const free = waiting.filter(({ path, from }) => !sources.has(path) || path === from);
    if (free.length > 0) {
      ordered.push(...free);
      waiting = waiting.filter((rename) => !free.includes(rename));
      continue;
    }
    const [ring, ...others] = waiting;
    if (ring === undefined) break;
    const { directory, name } = splitPath(ring.from);
    const aside = `${directory}/${swapName(name)}`;
    ordered.push({ ...ring, path: aside, detail: `from ${ring.from}, for a moment`, metadata: undefined });
    waiting = [...others, { ...ring, from: aside }];
  }
  return ordered;
}

function sameRights(a: Metadata, b: Metadata): boolean {
  return a.mode === b.mode && a.uid === b.uid && a.gid === b.gid;
}

function sameMetadata(a: Metadata, b: Metadata): boolean {
  return sameRights(a, b) && a.mtimeNs === b.mtimeNs;
}

function splitExtension(name: string): { stem: string; extension: string } {
  const dot = name.lastIndexOf('.');
  return dot > 0 ? { stem: name.slice(0, dot), extension: name.slice(dot) } : { stem: name, extension: '' };
}
