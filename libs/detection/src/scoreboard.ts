/**
 * Who has which evidence. A group's score is a sum over files, each counted once at its highest weight per indicator, that fades with the time of the events:
 * order and repetition don't change it.
 */
import type { GroupKind } from '@kuramori/contracts';
import { BoundedMap } from './bounded-map';
import { largestRush, rate, rushMs } from './indicators/rate';
import { directoryOf, extensionOf, type Finding } from './observation';

/** A finding with who did it and when. */
export interface Attributed extends Finding {
  readonly actors: readonly string[];
  readonly atMs: number;
  /** When the act began, for the undo: a copy is made before its original goes. */
  readonly sinceMs: number;
}

/** What one file adds to one group. */
interface Contribution {
  readonly harm: number;
  readonly name: number;
  readonly note: number;
  readonly atMs: number;
  readonly decisive: boolean;
  /** The type that the renamed file had. */
  readonly renamedType: string;
  readonly directory: string;
  readonly actors: readonly string[];
}

/** What counts for one file at the most: three indicators that see the same thing are one file lost. */
const fileLimit = 40;
/** Renaming alone and wording alone never reach the line of an attack (100). */
const namesAtMost = 70;
const namesOfFewTypesAtMost = 35;
const notesAtMost = 70;
const notesAloneAtMost = 40;
/** One file is an accident, two a mistake. */
const fewestFiles = 3;
/** Files and members of one group that are told apart; the sums go on without them. An attack has long been called one by then. */
const filesPerGroup = 20_000;
const membersPerGroup = 4000;
/** Groups with evidence: innocent work makes none. 10,000 actors with five groups each. */
const groupLimit = 50_000;
/** Of two: far below where a floating-point number ends. */
const largestExponent = 400;

export class Group {
  private readonly files: BoundedMap<number, Contribution>;
  readonly members = new Map<string, number>();
  private readonly renamedTypes = new Map<string, number>();
  private baseMs: number | undefined;
  private sums = { harm: 0, name: 0, note: 0 };
  private harmed = 0;
  private decisive = 0;
  private rush: number[] = [];
  private rushStale = false;
  firstAtMs = Number.POSITIVE_INFINITY;
  lastAtMs = 0;
  /** The deepest directory that holds every file with evidence; empty before the first. */
  directory = '';

  constructor(
    readonly id: string,
    readonly kind: GroupKind,
    readonly key: string,
    private readonly halfLifeMs: number,
  ) {
    this.files = new BoundedMap(filesPerGroup);
  }

  /** Sets what one file adds, in place of what it added before. */
  put(file: number, next: Contribution): void {
    const known = this.remove(file);
    this.files.set(file, next);
    this.count(next, 1);
    for (const actor of next.actors) {
      if (this.members.has(actor) || this.members.size < membersPerGroup) this.members.set(actor, (this.members.get(actor) ?? 0) + 1);
    }
    this.firstAtMs = Math.min(this.firstAtMs, next.atMs);
    this.lastAtMs = Math.max(this.lastAtMs, next.atMs);
    this.directory = this.directory === '' ? next.directory : commonDirectory(this.directory, next.directory);
    // Nearly always more is known of the same moment.
    if (known?.atMs === next.atMs && known.harm > 0 === next.harm > 0) return;
    this.leaveRush(known);
    if (next.harm > 0 && !this.rushStale) this.joinRush(next.atMs);
  }

  /** Takes back what turned out to be harmless. */
  take(file: number): void {
    this.leaveRush(this.remove(file));
  }

  private remove(file: number): Contribution | undefined {
    const known = this.files.get(file);
    if (known === undefined) return undefined;
    this.files.delete(file);
    this.count(known, -1);
    for (const actor of known.actors) {
      const left = (this.members.get(actor) ?? 1) - 1;
      if (left <= 0) this.members.delete(actor);
      else this.members.set(actor, left);
    }
    return known;
  }

  /** Who stood behind those that are remembered is found by looking at all of them. */
  private leaveRush(known: Contribution | undefined): void {
    if (known !== undefined && known.harm > 0 && known.atMs >= (this.rush.at(-1) ?? 0)) this.rushStale = true;
  }

  /** Points at the time of the newest evidence. */
  get score(): number {
    const fade = this.weightAt(this.lastAtMs);
    if (this.baseMs === undefined || fade === 0) return 0;
    const harm = this.sums.harm / fade;
    const name = this.names();
    const note = Math.min(harm + name > 0.5 ? notesAtMost : notesAloneAtMost, this.sums.note / fade);
    return round(Math.max(0, harm + name + note) * rate(this.inRush()));
  }

  /** Whether this may be called an attack at a line: a few files lost, a decoy changed, or names and notes together. */
  crosses(line: number): boolean {
    if (this.score < line) return false;
    return (
      this.harmed >= fewestFiles || this.decisive > 0 || (this.names() >= namesAtMost / 2 && this.sums.note / this.weightAt(this.lastAtMs) >= 20)
    );
  }

  /** Distinct files with evidence. */
  get fileCount(): number {
    return this.files.size;
  }

  fileIds(): IterableIterator<number> {
    return this.files.keys();
  }

  private names(): number {
    const most = this.renamedTypes.size >= 3 ? namesAtMost : namesOfFewTypesAtMost;
    return Math.min(most, this.sums.name / this.weightAt(this.lastAtMs));
  }

  private count({ harm, name, note, atMs, decisive, renamedType }: Contribution, sign: 1 | -1): void {
    this.baseMs ??= atMs;
    this.rebase(atMs);
    const weight = this.weightAt(atMs) * sign;
    this.sums = { harm: this.sums.harm + harm * weight, name: this.sums.name + name * weight, note: this.sums.note + note * weight };
    if (harm > 0) this.harmed += sign;
    if (decisive) this.decisive += sign;
    if (renamedType === '') return;
    const types = (this.renamedTypes.get(renamedType) ?? 0) + sign;
    if (types <= 0) this.renamedTypes.delete(renamedType);
    else this.renamedTypes.set(renamedType, types);
  }

  /** Weights grow with time instead of sums fading: adding stays a plain sum. */
  private weightAt(atMs: number): number {
    return 2 ** ((atMs - (this.baseMs ?? atMs)) / this.halfLifeMs);
  }

  private rebase(atMs: number): void {
    if (this.baseMs === undefined || (atMs - this.baseMs) / this.halfLifeMs < largestExponent) return;
    const weight = this.weightAt(atMs);
    this.sums = { harm: this.sums.harm / weight, name: this.sums.name / weight, note: this.sums.note / weight };
    this.baseMs = atMs;
  }

  /** Files harmed in the rush that the newest belongs to. */
  private inRush(): number {
    if (this.rushStale) {
      this.rush = [];
      this.rushStale = false;
      for (const { harm, atMs } of this.files.values()) if (harm > 0) this.joinRush(atMs);
    }
    const newest = this.rush[0];
    return newest === undefined ? 0 : this.rush.filter((atMs) => newest - atMs <= rushMs).length;
  }

  /** The newest few, newest first. */
  private joinRush(atMs: number): void {
    if (this.rush.length >= largestRush && atMs <= (this.rush.at(-1) ?? 0)) return;
    this.rush.push(atMs);
    this.rush.sort((a, b) => b - a);
    if (this.rush.length > largestRush) this.rush.pop();
  }
}

function commonDirectory(a: string, b: string): string {
  let common = a;
  while (common !== '/' && b !== common && !b.startsWith(`${common}/`)) common = directoryOf(common);
  return common;
}

/** A sum of floating-point numbers depends on their order in its last bits; points are compared in thousandths. */
function round(points: number): number {
  return Math.round(points * 1000) / 1000;
}

/** A job's evidence counts for a day: an attack of one file an hour is one. Commands typed one after the other count together for minutes only. */
const halfLifeMs = 12 * 3_600_000;
const typedHalfLifeMs = 5 * 60_000;

export interface GroupRef {
  readonly id: string;
  readonly kind: GroupKind;
  readonly key: string;
  readonly short?: boolean;
}

export class Scoreboard {
  private readonly groups = new BoundedMap<string, Group>(groupLimit);

  get size(): number {
    return this.groups.size;
  }

  known(id: string): Group | undefined {
    return this.groups.get(id);
  }

  /**
   * Sets everything that is known against one file. `before` are the groups it counted in so far.
   * @returns the groups it counts in now
   */
  settle(
    file: number,
    path: string,
    findings: readonly Attributed[],
    groupsOf: (actor: string) => readonly GroupRef[],
    before: readonly Group[],
  ): Group[] {
    const refs = new Map<string, GroupRef>();
    const membership = new Map<string, Set<string>>();
    for (const actor of new Set(findings.flatMap(({ actors }) => actors))) {
      for (const ref of groupsOf(actor)) {
        refs.set(ref.id, ref);
        const members = membership.get(ref.id);
        if (members === undefined) membership.set(ref.id, new Set([actor]));
        else members.add(actor);
      }
    }
    for (const group of before) if (!refs.has(group.id)) group.take(file);
    const groups: Group[] = [];
    for (const [id, ref] of refs) {
      let group = this.groups.get(id);
      if (group === undefined) {
        group = new Group(id, ref.kind, ref.key, ref.short === true ? typedHalfLifeMs : halfLifeMs);
        this.groups.set(id, group);
      }
      group.put(file, contributionOf(path, findings, membership.get(id) ?? new Set()));
      groups.push(group);
    }
    return groups;
  }
}

function contributionOf(path: string, findings: readonly Attributed[], members: ReadonlySet<string>): Contribution {
  const weights = { harm: new Map<string, number>(), name: new Map<string, number>(), note: new Map<string, number>() };
  let atMs = Number.POSITIVE_INFINITY;
  let decisive = false;
  let renamedType = '';
  for (const finding of findings) {
    if (!finding.actors.some((actor) => members.has(actor))) continue;
    atMs = Math.min(atMs, finding.atMs);
    decisive ||= finding.decisive === true;
    if (finding.kind === 'name') renamedType = extensionOf(path);
    if (finding.kind === 'half') continue;
    const known = weights[finding.kind];
    known.set(finding.indicator, Math.max(known.get(finding.indicator) ?? 0, finding.weight));
  }
  const sum = (values: ReadonlyMap<string, number>) => [...values.values()].reduce((total, weight) => total + weight, 0);
  const harm = sum(weights.harm);
  return {
    harm: decisive ? harm : Math.min(fileLimit, harm),
    name: sum(weights.name),
    note: sum(weights.note),
    atMs,
    decisive,
    renamedType,
    directory: directoryOf(path),
    actors: [...members],
  };
}
