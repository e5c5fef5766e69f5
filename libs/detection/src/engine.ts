import { createHash } from 'node:crypto';
import type {
  Actor,
  ContentFeatures,
  Evidence,
  FileBatch,
  FileFact,
  GroupKind,
  ObservedChange,
  Severity,
  VaultStored,
  Verdict,
  VerdictLevel,
  VerdictMember,
} from '@kuramori/contracts';
import { type Made, FileMemory, type Removed } from './file-memory';
import { familyOf } from './families';
import { contentIndicators } from './indicators';
import { canary } from './indicators/canary';
import { extensionChurn } from './indicators/extension-churn';
import { ransomNote } from './indicators/ransom-note';
import { rate } from './indicators/rate';
import { unreadableCopy } from './indicators/write-new-delete-old';
import { baseName, directoryOf, type Finding, isCiphertext, isReadable, type Replacement } from './observation';
import { treesOf } from './process-tree';
import { type Group, Scoreboard } from './scoreboard';

export interface DetectionOptions {
  readonly host: string;
  readonly sensitivity: 'low' | 'normal' | 'high';
  /** Protected roots: groups of unknown actors are formed below them. */
  readonly roots: readonly string[];
  /** Decoy files; changing one is evidence by itself. */
  readonly canaries?: readonly string[];
}

/** Four files clearly destroyed (25–30 each), or five broken without looking random. */
const attackLine: Readonly<Record<DetectionOptions['sensitivity'], number>> = { low: 150, normal: 100, high: 75 };
const warningLine = 60;
const suspicionLine = 25;
/** Groups wider than one job need more: many people share a user, a directory or a program. */
const groupFactor: Readonly<Record<GroupKind, number>> = { actor: 1, 'process-tree': 1, subtree: 1.2, user: 2, client: 1, share: 3, executable: 3 };
/** A file harmed counts for a job as long as the job lives; for a user or directory as long as this. */
const ownEvidenceLine = 20;
const fewestFiles = 3;
/** Without new evidence for this long an attack is over; what comes later is another one. */
const attackQuietMs = 10 * 60 * 1000;
/** A warning waits: most cross the attack line within this time. */
const warningDelayMs = 5000;
/** Quiet for this long, an attack has come to rest for now. */
const settledMs = 1000;
const evidencePerVerdict = 50;
const membersPerVerdict = 256;
const rememberedActors = 50_000;
const rememberedFacts = 50_000;

interface Attack {
  readonly id: string;
  kind: GroupKind;
  key: string;
  level: VerdictLevel;
  lastAtMs: number;
  announcedFiles: number;
  readonly announcedMembers: Set<string>;
  readonly trees: Set<string>;
}

/** Facts and comparisons go in, verdicts come out. Pure: time is the events', and the same stream gives the same verdicts. */
export class DetectionEngine {
  private readonly memory = new FileMemory();
  private readonly board = new Scoreboard();
  private readonly actors = new Map<string, Actor>();
  private readonly facts = new Map<string, FileFact>();
  private readonly notes = new Map<string, Set<string>>();
  private readonly attacks = new Map<string, Attack>();
  private readonly suspected = new Set<string>();
  private readonly waitingWarnings = new Map<string, { readonly group: Group; readonly sinceMs: number }>();
  private readonly canaries: ReadonlySet<string>;
  private readonly changed = new Set<Group>();
  private position = { watcherId: '00000000', sequence: 0 };

  constructor(private readonly options: DetectionOptions) {
    this.canaries = new Set(options.canaries ?? []);
  }

  onFileBatch(batch: FileBatch): Verdict[] {
    for (const actor of batch.actors) bounded(this.actors, actor.key, actor, rememberedActors);
    this.position = { watcherId: batch.watcherId, sequence: batch.sequence };
    for (const fact of batch.facts) {
      bounded(this.facts, fact.id, fact, rememberedFacts);
      if (fact.origin === 'kuramori') {
        this.memory.forget(fact.path);
        continue;
      }
      this.onFact(fact);
    }
    return this.verdicts(batch.completeUntilMs);
  }

  /** Joined to the fact by its id; a change whose fact is not known (any more) is judged by what it says itself. */
  onVaultStored(stored: VaultStored): Verdict[] {
    for (const change of stored.changes) {
      const actor = this.actors.get(change.actor);
      if (actor === undefined || this.facts.get(change.factId)?.origin === 'kuramori') continue;
      this.onChange(change, actor);
    }
    return this.verdicts(stored.completeUntilMs);
  }

  private onFact(fact: FileFact): void {
    const actor = this.actors.get(fact.actor);
    if (actor === undefined || fact.kind === 'directory') return;
    if (this.canaries.has(fact.oldPath ?? fact.path)) {
      const what = fact.operation === 'renamed' ? 'renamed' : fact.operation === 'deleted' ? 'deleted' : 'changed';
      this.found(canary(fact.oldPath ?? fact.path, what), [actor], fact.atMs);
    }
    if (fact.operation === 'renamed' && fact.oldPath !== undefined) this.onRename(fact, fact.oldPath, actor);
    else if (fact.operation === 'deleted') this.onRemoval(fact.path, this.memory.featuresOf(fact.path), actor, fact.atMs);
    else if (fact.content !== undefined) this.onContent(fact, fact.content, actor);
  }

  private onContent(fact: FileFact, content: ContentFeatures, actor: Actor): void {
    const before = this.memory.featuresOf(fact.path);
    if (fact.operation === 'modified') {
      this.replaced({ path: fact.path, before, after: content, newPath: undefined, blocks: undefined, how: 'in-place' }, [actor], fact.atMs);
    } else {
      this.onNew({ path: fact.path, actor, atMs: fact.atMs, content });
      this.onNote(fact, content, actor);
      const copy = unreadableCopy(fact.path, content);
      if (copy !== undefined) this.found(copy, [actor], fact.atMs);
    }
    this.memory.remember(fact.path, content);
  }

  private onNew(made: Made): void {
    this.memory.addMade(made);
    // The name is in use again: renaming the old file away was part of saving.
    this.retractChurn(made.path, made.content);
    const removed = isCiphertext(made.content) ? this.memory.predecessorOf(made, this.related) : undefined;
    if (removed !== undefined) this.pair(removed, made);
  }

  private onNote(fact: FileFact, content: ContentFeatures, actor: Actor): void {
    if (content.textHead === undefined) return;
    const key = content.sha256 ?? baseName(fact.path);
    const folders = this.notes.get(key) ?? new Set<string>();
    folders.add(directoryOf(fact.path));
    bounded(this.notes, key, folders, 10_000);
    const finding = ransomNote(fact.path, content, folders.size);
    if (finding !== undefined) this.found(finding, [actor], fact.atMs);
  }

  private onRename(fact: FileFact, oldPath: string, actor: Actor): void {
    const moved = fact.content ?? this.memory.featuresOf(oldPath);
    const replaced = this.memory.featuresOf(fact.path);
    if (moved !== undefined && replaced !== undefined) {
      this.replaced(
        { path: fact.path, before: replaced, after: moved, newPath: undefined, blocks: undefined, how: 'renamed-over' },
        [actor],
        fact.atMs,
      );
    }
    this.memory.rename(oldPath, fact.path);
    if (fact.content !== undefined) this.memory.remember(fact.path, fact.content);
    if (moved !== undefined) {
      this.retractChurn(fact.path, moved);
      // A temporary file that became the new one: whose predecessor may go next.
      if (isCiphertext(moved)) this.onNew({ path: fact.path, actor, atMs: fact.atMs, content: moved });
    }
    const churn = extensionChurn(oldPath, fact.path, moved);
    if (churn !== undefined) this.found(churn, [actor], fact.atMs);
  }

  private retractChurn(path: string, content: ContentFeatures): void {
    if (!isReadable(content)) return;
    for (const group of this.board.all()) group.tally.retract('extension-churn', path);
  }

  private onRemoval(path: string, before: ContentFeatures | undefined, actor: Actor, atMs: number): void {
    this.memory.forget(path);
    if (before !== undefined && !isReadable(before)) return;
    const removed: Removed = { path, actor, atMs, before };
    this.memory.addRemoved(removed);
    const made = this.memory.successorOf(removed, this.related);
    if (made !== undefined && isCiphertext(made.content)) this.pair(removed, made);
  }

  private pair(removed: Removed, made: Made): void {
    this.replaced(
      { path: removed.path, before: removed.before, after: made.content, newPath: made.path, blocks: undefined, how: 'new-and-deleted' },
      [made.actor, removed.actor],
      Math.max(removed.atMs, made.atMs),
    );
  }

  private onChange(change: ObservedChange, actor: Actor): void {
    if (change.change === 'removed') {
      const fact = this.facts.get(change.factId);
      if (fact?.operation === 'renamed') {
        const after = this.memory.featuresOf(change.path);
        if (after !== undefined && change.before !== undefined) {
          this.replaced(
            { path: change.path, before: change.before, after, newPath: undefined, blocks: undefined, how: 'renamed-over' },
            [actor],
            change.atMs,
          );
        }
      } else this.onRemoval(change.path, change.before, actor, change.atMs);
      return;
    }
    if (change.after === undefined || change.before === undefined) return;
    this.replaced(
      { path: change.path, before: change.before, after: change.after, newPath: undefined, blocks: change.blocks, how: 'in-place' },
      [actor],
      change.atMs,
    );
  }

  private replaced(replacement: Replacement, actors: readonly Actor[], atMs: number): void {
    for (const indicator of contentIndicators) {
      const finding = indicator(replacement);
      // The pair has an indicator of its own; the content says the same once more.
      if (finding !== undefined && !(replacement.how === 'new-and-deleted' && finding.indicator !== 'write-new-delete-old'))
        this.found(finding, actors, atMs);
    }
  }

  /** Adds a finding to everyone it concerns: the actors, their trees, user and directory. */
  private found(finding: Finding, actors: readonly Actor[], atMs: number): void {
    const scored = { ...finding, atMs };
    for (const actor of new Map(actors.map((each) => [each.key, each])).values()) {
      for (const group of this.groupsOf(actor, finding.path)) {
        this.board.add(group, actor, scored);
        const quick = rate(group.tally.harmedAtMs());
        if (quick !== undefined) group.tally.add({ ...quick, atMs });
        this.changed.add(group);
      }
    }
  }

  private groupsOf(actor: Actor, path: string): Group[] {
    if (actor.kind === 'unknown') return [this.board.group('subtree', this.rootOf(path))];
    const groups = treesOf(actor).map(({ key }, index) => this.board.group(index === 0 ? 'actor' : 'process-tree', key));
    if (actor.user !== undefined) groups.push(this.board.group('user', actor.user));
    return groups;
  }

  private rootOf(path: string): string {
    return this.options.roots.find((root) => path.startsWith(`${root}/`)) ?? directoryOf(path);
  }

  /** The same job, or the same user: whoever makes the new file and whoever removes the old one need not be one process. */
  private readonly related = (a: Actor, b: Actor): boolean => {
    if (a.key === b.key || a.kind === 'unknown' || b.kind === 'unknown') return true;
    const trees = new Set(treesOf(a).map(({ key }) => key));
    return treesOf(b).some(({ key }) => trees.has(key)) || (a.user !== undefined && a.user === b.user && a.sessionId === b.sessionId);
  };

  private verdicts(nowMs: number): Verdict[] {
    const verdicts: Verdict[] = [];
    // The narrowest group first: the actor, then its parents, then users and directories.
    const order: readonly GroupKind[] = ['actor', 'process-tree', 'client', 'subtree', 'user', 'share', 'executable'];
    const changed = [...this.changed].sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
    this.changed.clear();
    for (const group of changed) {
      const verdict = this.judge(group);
      if (verdict !== undefined) verdicts.push(verdict);
    }
    for (const attack of this.attacks.values()) {
      const source = this.board.known(attack.kind, attack.key);
      // It has come to rest: what was seen since the last word is told, so that nothing of it stays undone.
      if (
        attack.level === 'attack' &&
        source !== undefined &&
        source.tally.files > attack.announcedFiles &&
        nowMs - source.tally.lastAtMs > settledMs
      ) {
        attack.announcedFiles = source.tally.files;
        verdicts.push(this.makeVerdict(source, 'attack', attack));
      }
    }
    for (const [id, { group, sinceMs }] of this.waitingWarnings) {
      if (nowMs - sinceMs < warningDelayMs) continue;
      this.waitingWarnings.delete(id);
      if (this.attackOf(group) === undefined) verdicts.push(this.makeVerdict(group, 'warning', this.newAttack(group, 'warning')));
    }
    return verdicts;
  }

  private judge(group: Group): Verdict | undefined {
    const { score, files } = group.tally;
    const line = attackLine[this.options.sensitivity] * groupFactor[group.kind];
    const id = `${group.kind}\0${group.key}`;
    const known = this.attackOf(group);
    const hasCanary = group.tally.list(5).some(({ indicator }) => indicator === 'canary');
    if (score >= line && (files >= fewestFiles || hasCanary)) {
      this.waitingWarnings.delete(id);
      const attack = known ?? this.newAttack(group, 'attack');
      return this.update(group, attack);
    }
    if (known?.level === 'attack') return this.update(this.board.known(known.kind, known.key) ?? group, known);
    if (group.kind === 'user' || group.kind === 'executable') return undefined;
    if (score >= warningLine && known === undefined && !this.waitingWarnings.has(id) && !this.coveredByNarrower(group)) {
      this.waitingWarnings.set(id, { group, sinceMs: group.tally.lastAtMs });
    }
    if (score >= suspicionLine && known === undefined && group.kind !== 'process-tree' && !this.suspected.has(id)) {
      this.suspected.add(id);
      return this.makeVerdict(group, 'suspicion', { id: this.hash('attack', id, String(group.tally.firstAtMs)) });
    }
    return undefined;
  }

  /** A tree's warning is that of the one process in it that did everything. */
  private coveredByNarrower(group: Group): boolean {
    return (
      group.members.size === 1 && group.kind === 'process-tree' && [...group.members.keys()].some((key) => this.waitingWarnings.has(`actor\0${key}`))
    );
  }

  /** The running attack this group belongs to: its own, or one that shares a tree with it. */
  private attackOf(group: Group): Attack | undefined {
    for (const attack of this.attacks.values()) {
      if (group.tally.lastAtMs - attack.lastAtMs > attackQuietMs) {
        this.attacks.delete(attack.id);
        continue;
      }
      if (attack.kind === group.kind && attack.key === group.key) return attack;
      for (const { actor } of group.members.values()) if (treesOf(actor).some(({ key }) => attack.trees.has(key))) return attack;
    }
    return undefined;
  }

  private newAttack(group: Group, level: VerdictLevel): Attack {
    const attack: Attack = {
      id: this.hash('attack', group.kind, group.key, String(group.tally.firstAtMs)),
      kind: group.kind,
      key: group.key,
      level,
      lastAtMs: group.tally.lastAtMs,
      announcedFiles: 0,
      announcedMembers: new Set(),
      trees: new Set(),
    };
    this.attacks.set(attack.id, attack);
    return attack;
  }

  private update(group: Group, attack: Attack): Verdict | undefined {
    // The wider tree takes over once it holds members that the narrower one has not.
    if (
      group.kind === 'process-tree' &&
      (attack.kind === 'actor' || attack.kind === 'process-tree') &&
      group.members.size > (this.board.known(attack.kind, attack.key)?.members.size ?? 0)
    ) {
      attack.kind = group.kind;
      attack.key = group.key;
    }
    const upgraded = attack.level !== 'attack';
    attack.level = 'attack';
    attack.lastAtMs = Math.max(attack.lastAtMs, group.tally.lastAtMs);
    const source = this.board.known(attack.kind, attack.key) ?? group;
    for (const { actor } of source.members.values()) for (const { key } of treesOf(actor)) attack.trees.add(key);
    const actionable = this.membersOf(source).filter((member) => member.actionable);
    const fresh = actionable.filter(({ actor }) => !attack.announcedMembers.has(actor.key));
    const doubled = source.tally.files >= Math.max(1, attack.announcedFiles) * 2;
    if (!upgraded && fresh.length === 0 && !doubled && attack.announcedFiles > 0) return undefined;
    attack.announcedFiles = source.tally.files;
    for (const { actor } of actionable) attack.announcedMembers.add(actor.key);
    return this.makeVerdict(source, 'attack', attack);
  }

  private membersOf(group: Group): VerdictMember[] {
    return [...group.members.values()]
      .sort((a, b) => b.tally.score - a.tally.score)
      .slice(0, membersPerVerdict)
      .map(({ actor, tally }) => ({
        actor,
        score: tally.score,
        // Nobody can be stopped who is not known, but what was done can be undone (rules.md 7).
        actionable: tally.score >= ownEvidenceLine || (group.kind === 'process-tree' && tally.has('unreadable-copy')),
        firstActivityAtMs: tally.firstAtMs,
        files: tally.files,
        evidence: tally.list(evidencePerVerdict).map(toEvidence),
      }));
  }

  private makeVerdict(group: Group, level: VerdictLevel, attack: { readonly id: string }): Verdict {
    const { tally } = group;
    const members = this.membersOf(group);
    const findings = tally.list(1000);
    const [main] = members;
    const family = findings
      .map(({ summary, path }) =>
        familyOf(
          summary
            .split(' ')
            .find((word) => word.includes('.') && familyOf(word.replace(/[:,]$/u, '')) !== undefined)
            ?.replace(/[:,]$/u, '') ?? path,
        ),
      )
      .find((name) => name !== undefined);
    const techniques = [...new Set(findings.map(({ technique }) => technique))].map((id) => ({ id, name: techniqueNames[id] }));
    const sinceMs = findings.reduce((first, { atMs }) => Math.min(first, atMs), tally.firstAtMs);
    return {
      id: this.hash(
        'verdict',
        attack.id,
        level,
        String(tally.files),
        members
          .map(({ actor, actionable }) => `${actor.key}${actionable ? '!' : ''}`)
          .sort()
          .join(','),
      ),
      attackId: attack.id,
      host: this.options.host,
      atMs: tally.lastAtMs,
      level,
      score: tally.score,
      severity: level === 'attack' ? severityOf(tally.score) : 'low',
      confidence: level === 'attack' ? Math.min(99, 80 + Math.floor(tally.score / 25)) : Math.min(75, Math.floor(tally.score * 0.6)),
      title: titleOf(level, main?.actor, findings[0]?.technique === 'T1485'),
      groupKind: group.kind,
      groupKey: group.key,
      members,
      techniques,
      ...(family === undefined ? {} : { family }),
      firstActivityAtMs: sinceMs,
      watcherId: this.position.watcherId,
      sequence: this.position.sequence,
    };
  }

  private hash(...parts: readonly string[]): string {
    return createHash('sha256')
      .update([this.options.host, ...parts].join('\0'))
      .digest('hex')
      .slice(0, 32);
  }
}

const techniqueNames = {
  T1486: 'Data Encrypted for Impact',
  T1485: 'Data Destruction',
  T1490: 'Inhibit System Recovery',
  T1491: 'Defacement',
} as const;

function severityOf(score: number): Severity {
  return score >= 200 ? 'critical' : 'high';
}

function titleOf(level: VerdictLevel, actor: Actor | undefined, destroyed: boolean): string {
  const who =
    actor === undefined || actor.kind === 'unknown'
      ? 'an unknown program'
      : `${baseName(actor.exe ?? '') || 'a process'} (user ${actor.user ?? '?'})`;
  if (level !== 'attack') return `Some files were made unreadable by ${who}`;
  return `Files are being ${destroyed ? 'destroyed' : 'encrypted'} by ${who}`;
}

function toEvidence({ indicator, summary, weight, path, atMs }: Finding & { readonly atMs: number }): Evidence {
  return { indicator, summary, weight, ...(path === '' ? {} : { path }), at: new Date(atMs).toISOString() };
}

/** Sets a key as the newest; at the bound the oldest goes. */
function bounded<K, V>(map: Map<K, V>, key: K, value: V, limit: number): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > limit) {
    const oldest = map.keys().next();
    if (oldest.done !== true) map.delete(oldest.value);
  }
}
