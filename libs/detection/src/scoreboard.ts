/** Who has which evidence. Adds up so that order and repetition don't matter: each (file, indicator) counts once, at its highest weight. */
import type { Actor, GroupKind } from '@kuramori/contracts';
import { extensionChurnAloneLimit } from './indicators/extension-churn';
import { ransomNotesAloneLimit } from './indicators/ransom-note';
import type { Finding } from './observation';

export interface ScoredFinding extends Finding {
  readonly atMs: number;
}

/** What counts for one file at the most: three indicators that see the same thing are one file lost. */
const fileLimit = 40;
const findingLimit = 20_000;

/** Evidence of one actor or group. */
export class Tally {
  private readonly findings = new Map<string, ScoredFinding>();
  private readonly perFile = new Map<string, number>();
  private cached: number | undefined;
  firstAtMs = Number.POSITIVE_INFINITY;
  lastAtMs = 0;

  /** True when it changed anything. */
  add(finding: ScoredFinding): boolean {
    const key = `${finding.indicator}\0${finding.path}`;
    const known = this.findings.get(key);
    this.firstAtMs = Math.min(this.firstAtMs, finding.atMs);
    this.lastAtMs = Math.max(this.lastAtMs, finding.atMs);
    if (known !== undefined && known.weight >= finding.weight) return false;
    // Beyond this the verdict has long been spoken.
    if (known === undefined && this.findings.size >= findingLimit) return false;
    this.findings.set(key, finding);
    this.cached = undefined;
    // What weighs nothing names a member and no harmed file.
    if (finding.path !== '' && finding.weight > 0) this.perFile.set(finding.path, (this.perFile.get(finding.path) ?? 0) + 1);
    return true;
  }

  /** Takes back what turned out to be harmless. */
  retract(indicator: string, path: string): void {
    if (this.findings.delete(`${indicator}\0${path}`)) {
      this.cached = undefined;
      const left = (this.perFile.get(path) ?? 1) - 1;
      if (left <= 0) this.perFile.delete(path);
      else this.perFile.set(path, left);
    }
  }

  has(indicator: string): boolean {
    return [...this.findings.values()].some((finding) => finding.indicator === indicator);
  }

  get score(): number {
    this.cached ??= this.count();
    return this.cached;
  }

  /** Distinct files with evidence. */
  get files(): number {
    return this.perFile.size;
  }

  /** Times at which files were harmed in content, ascending. */
  harmedAtMs(): number[] {
    const times = new Map<string, number>();
    for (const { path, atMs, indicator } of this.findings.values()) {
      if (path === '' || indicator === 'extension-churn' || indicator === 'ransom-note' || indicator === 'unreadable-copy') continue;
      times.set(path, Math.min(times.get(path) ?? atMs, atMs));
    }
    return [...times.values()].sort((a, b) => a - b);
  }

  /** The weightiest first. */
  list(limit: number): ScoredFinding[] {
    return [...this.findings.values()].sort((a, b) => b.weight - a.weight || a.atMs - b.atMs || (a.path < b.path ? -1 : 1)).slice(0, limit);
  }

  private count(): number {
    const files = new Map<string, number>();
    let churn = 0;
    let notes = 0;
    let other = 0;
    for (const { indicator, path, weight } of this.findings.values()) {
      if (indicator === 'extension-churn') churn += weight;
      else if (indicator === 'ransom-note') notes += weight;
      else if (path === '' || indicator === 'canary') other += weight;
      else files.set(path, Math.min(fileLimit, (files.get(path) ?? 0) + weight));
    }
    let content = 0;
    for (const weight of files.values()) content += weight;
    return content + other + Math.min(extensionChurnAloneLimit, churn) + Math.min(ransomNotesAloneLimit, notes);
  }
}

export interface Group {
  readonly kind: GroupKind;
  readonly key: string;
  readonly tally: Tally;
  readonly members: Map<string, { actor: Actor; readonly tally: Tally }>;
}

/** At the bound the group that has been quiet longest goes. */
const groupLimit = 20_000;
const memberLimit = 1000;

export class Scoreboard {
  private readonly groups = new Map<string, Group>();

  group(kind: GroupKind, key: string): Group {
    const id = `${kind}\0${key}`;
    let group = this.groups.get(id);
    if (group === undefined) {
      if (this.groups.size >= groupLimit) {
        const oldest = this.groups.keys().next();
        if (oldest.done !== true) this.groups.delete(oldest.value);
      }
      group = { kind, key, tally: new Tally(), members: new Map() };
    } else this.groups.delete(id);
    this.groups.set(id, group);
    return group;
  }

  known(kind: GroupKind, key: string): Group | undefined {
    return this.groups.get(`${kind}\0${key}`);
  }

  all(): Iterable<Group> {
    return this.groups.values();
  }

  add(group: Group, actor: Actor, finding: ScoredFinding): void {
    group.tally.add(finding);
    let member = group.members.get(actor.key);
    if (member === undefined) {
      if (group.members.size >= memberLimit) return;
      member = { actor, tally: new Tally() };
      group.members.set(actor.key, member);
    }
    member.tally.add(finding);
  }
}
