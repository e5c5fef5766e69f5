import { createHash } from 'node:crypto';
import type { Actor, FileBatch, GroupKind, VaultStored, Verdict, VerdictMember } from '@kuramori/contracts';
import { BoundedMap } from './bounded-map';
import { attackQuietMs, type Episode, Episodes, groupId, isUnseen, rank } from './episodes';
import type { FileCase } from './file-case';
import { type Doer, FileLedger } from './file-ledger';
import { churnWeights } from './indicators/extension-churn';
import type { FindingKind } from './observation';
import { actorOfKey, treesOf } from './process-tree';
import { type Group, type GroupRef, Scoreboard } from './scoreboard';
import { groupKeyOf, type MemberEvidence, VerdictWriter } from './verdict-writer';

export interface DetectionOptions {
  readonly host: string;
  readonly sensitivity: 'low' | 'normal' | 'high';
  /** Protected roots: groups of unknown actors are formed below them. */
  readonly roots: readonly string[];
  /** Decoy files; changing one is evidence by itself. */
  readonly canaries?: readonly string[];
}

/** Three to five files clearly destroyed (20–30 points each, times the rate). */
const attackLine = 100;
const warningLine = 60;
const suspicionLine = 25;
const sensitivityFactor: Readonly<Record<DetectionOptions['sensitivity'], number>> = { low: 1.5, normal: 1, high: 0.75 };
/** Groups wider than one job need more: many people share a user, a program or a root. */
const wideFactor: Readonly<Partial<Record<GroupKind, number>>> = { user: 2, executable: 3, subtree: 3 };
/** Evidence of its own that makes a member one to be contained and undone; inside one job's tree any does. */
const ownEvidenceLine = 20;
/** Evidence beside the tree that was named, at which the tree is named wider. */
const widenLine = 60;
/** A warning waits: most that deserve one cross the attack line within this time. */
const warningDelayMs = 5000;
/** The first updates go out at once: the undo needs every actor. After that an attack nobody stops is told of now and then. */
const promptUpdates = 32;
const updateEveryMs = 250;
/** Quiet for this long, an attack has come to rest for now: what was seen since the last word is told, so that nothing of it stays undone. */
const restMs = 1000;
/** Whoever began before the first files were put back, or this soon after, is taken for one of those who were answered. */
const answerGraceMs = 1000;
/** Descriptions of actors, at most some KiB each. */
const rememberedActors = 20_000;
const rememberedWatchers = 64;
/** Comparisons that came before their batch. */
const heldAtMost = 256;
/** Members that an update about more files lists at most; they were all named before. */
const listedAgainAtMost = 1000;

interface KnownActor {
  readonly actor: Actor;
  readonly doer: Doer;
  /** Itself first, outermost last. */
  readonly trees: readonly GroupRef[];
  readonly wide: readonly GroupRef[];
  /** User and program, to find workers of one attack that share no parent. */
  readonly program: string;
}

/**
 * Facts and comparisons go in, verdicts come out. Pure: time is the events', and the same stream gives the same verdicts. A batch or comparison that comes
 * again changes nothing. Not safe for concurrent calls; never throws on valid messages.
 */
export class DetectionEngine {
  private readonly ledger: FileLedger;
  private readonly board = new Scoreboard();
  private readonly episodes: Episodes;
  private readonly writer: VerdictWriter;
  private readonly actors = new BoundedMap<string, KnownActor>(rememberedActors);
  private readonly own = new BoundedMap<string, true>(1000);
  private readonly positions = new BoundedMap<string, number>(rememberedWatchers);
  private held: VaultStored[] = [];
  private readonly touched = new Set<string>();
  /** Episodes about which something remains to be said when time has passed. */
  private readonly due = new Set<Episode>();
  private position = { watcherId: '00000000', sequence: 0 };
  private nowMs = 0;

  constructor(private readonly options: DetectionOptions) {
    const hash = (...parts: readonly string[]) =>
      createHash('sha256')
        .update([options.host, ...parts].join('\0'))
        .digest('hex')
        .slice(0, 32);
    this.episodes = new Episodes(hash);
    this.writer = new VerdictWriter(options.host, hash);
    this.ledger = new FileLedger(
      new Set(options.canaries ?? []),
      (file) => this.onCase(file),
      (file, atMs) => this.onRestored(file, atMs),
    );
  }

  /** In order; a batch that came before is passed over. */
  onFileBatch(batch: FileBatch): Verdict[] {
    if (batch.sequence <= (this.positions.get(batch.watcherId) ?? 0)) return [];
    this.positions.set(batch.watcherId, batch.sequence);
    this.position = { watcherId: batch.watcherId, sequence: batch.sequence };
    this.nowMs = Math.max(this.nowMs, batch.completeUntilMs);
    for (const actor of batch.actors) this.learn(actor);
    for (const fact of batch.facts) {
      // Kuramori's own processes are scored like others for what they didn't announce (rules.md 17).
      if (fact.origin === 'kuramori') this.ledger.onOwnFact(fact);
      else this.ledger.onFact(fact, this.known(fact.actor, fact.path).doer);
    }
    this.releaseHeld();
    return this.judge();
  }

  /** Joined to the facts by their ids; one that overtook its batch waits for it. */
  onVaultStored(stored: VaultStored): Verdict[] {
    const position = this.positions.get(stored.watcherId);
    if (stored.changes.length > 0 && (position === undefined || stored.sequence > position)) {
      this.held.push(stored);
      if (this.held.length <= heldAtMost) return [];
      const [oldest] = this.held.splice(0, 1);
      if (oldest !== undefined) this.compare(oldest);
    } else this.compare(stored);
    return this.judge();
  }

  /** Verdicts published before a restart, oldest first; call before anything else. Their attacks go on under the same ids, and they are not spoken again. */
  recall(verdicts: Iterable<Verdict>): void {
    for (const verdict of verdicts) {
      if (verdict.host !== this.options.host) continue;
      for (const { actor } of verdict.members) if (actor.kind !== 'unknown') this.learn(actor);
      const job = this.jobOfVerdict(verdict);
      const episode = this.episodes.recall(verdict, job);
      if (episode.level === 'attack') this.due.add(episode);
      for (const { actor } of verdict.members) {
        if (actor.kind === 'unknown') continue;
        const { doer, program } = this.known(actor.key, '');
        if (doer.job !== job) this.episodes.join(doer.job, episode);
        if (verdict.level === 'attack') this.episodes.noteProgram(program, episode);
      }
      for (const member of verdict.members) this.recallEvidence(member, verdict.groupKey);
    }
    this.touched.clear();
  }

  /** Sizes of everything remembered: for health, and for the tests that prove that it stays bounded. */
  sizes(): Readonly<Record<string, number>> {
    return { ...this.ledger.sizes(), actors: this.actors.size, groups: this.board.size, held: this.held.length };
  }

  /** A slow attack's first files may have left the window of facts that is read again. */
  private recallEvidence({ actor, evidence }: VerdictMember, groupKey: string): void {
    for (const { indicator, summary, weight, path, at } of evidence) {
      if (path === undefined) continue;
      const { doer } = actor.kind === 'unknown' ? this.known('unknown', groupKey) : this.known(actor.key, path);
      const atMs = Date.parse(at);
      const technique = indicator === 'wipe' ? 'T1485' : 'T1486';
      const finding = { indicator, kind: kindOf(indicator, weight), weight, summary: summary.replace(/\.$/u, ''), technique } as const;
      this.ledger.recall(path, { ...finding, actors: [doer.key], atMs, sinceMs: atMs });
    }
  }

  private compare(stored: VaultStored): void {
    this.nowMs = Math.max(this.nowMs, stored.completeUntilMs);
    for (const change of stored.changes) this.ledger.onComparison(change, this.known(change.actor, change.path).doer);
  }

  private releaseHeld(): void {
    const ready = this.held.filter(({ watcherId, sequence }) => sequence <= (this.positions.get(watcherId) ?? 0));
    if (ready.length === 0) return;
    this.held = this.held.filter((stored) => !ready.includes(stored));
    for (const stored of ready) this.compare(stored);
  }

  private learn(actor: Actor): void {
    if (actor.own === true) this.own.set(actor.key, true);
    if (actor.kind === 'unknown') return;
    const known = this.actors.get(actor.key);
    const same =
      known !== undefined &&
      known.actor.exe === actor.exe &&
      known.actor.user === actor.user &&
      known.actor.commandLine === actor.commandLine &&
      known.actor.ancestors?.length === actor.ancestors?.length;
    this.actors.set(actor.key, same ? known : this.describe(actor));
  }

  /** Unknown actors are one per protected root: grouped by subtree and time (rules.md 7). */
  private known(key: string, path: string): KnownActor {
    const known = this.actors.get(key);
    if (known !== undefined) return known;
    const actor = actorOfKey(key);
    const id = actor.kind === 'unknown' ? `unknown:${this.rootOf(path)}` : key;
    const remembered = this.actors.get(id);
    if (remembered !== undefined) return remembered;
    const described = actor.kind === 'unknown' ? nobody(id, this.rootOf(path)) : this.describe(actor);
    this.actors.set(id, described);
    return described;
  }

  private describe(actor: Actor): KnownActor {
    const user = actor.user ?? (actor.uid === undefined ? '' : String(actor.uid));
    const exe = actor.exe ?? '';
    const [root] = this.options.roots;
    const wide: GroupRef[] = [
      ...(user === '' ? [] : [{ id: groupId('user', user), kind: 'user', key: user } as const]),
      ...(exe === '' ? [] : [{ id: groupId('executable', exe), kind: 'executable', key: exe } as const]),
      ...(root === undefined ? [] : [{ id: groupId('subtree', root), kind: 'subtree', key: root } as const]),
    ];
    const trees = treesOf(actor, (key) => this.own.get(key) === true).map(({ key, sessionShell }, index): GroupRef => ({
      id: groupId('process-tree', key),
      kind: index === 0 ? 'actor' : 'process-tree',
      key,
      short: sessionShell,
    }));
    if (trees.length === 0) trees.push({ id: groupId('client', actor.key), kind: actor.kind === 'smb-client' ? 'client' : 'actor', key: actor.key });
    const job = trees.at(-1)?.key ?? actor.key;
    return { actor, doer: { key: actor.key, job, user }, trees, wide, program: user === '' || exe === '' ? '' : `${user}\0${exe}` };
  }

  private rootOf(path: string): string {
    const { roots } = this.options;
    return roots.find((root) => path === root || path.startsWith(root.endsWith('/') ? root : `${root}/`)) ?? roots[0] ?? '/';
  }

  /** Adds up what is known against a file now, for everyone it concerns. */
  private onCase(file: FileCase): void {
    for (const { actors } of file.findings) for (const actor of actors) this.touched.add(actor);
    const groupsOf = (key: string) => {
      const { trees, wide } = this.knownDoer(key);
      return [...trees, ...wide];
    };
    file.groups = this.board.settle(file.id, file.path, file.findings, groupsOf, file.groups);
  }

  /**
   * Kuramori put a file back: the attack it belonged to is answered. What was answered no longer speaks against those around it: a login, a user or a runner of jobs
   * from which another attack comes later is not the attacker for that.
   */
  private onRestored(file: FileCase, atMs: number): void {
    const counted = new Set(file.groups.map(({ id }) => id));
    const kept = new Set<string>();
    for (const key of new Set(file.findings.flatMap(({ actors }) => actors))) {
      const { doer, trees, wide } = this.knownDoer(key);
      const partOf = ({ level, group, announced }: Episode) => level === 'attack' && (counted.has(group.id) || announced.has(key));
      const attack = this.episodes.running(doer.job, atMs, partOf);
      if (attack === undefined) continue;
      attack.answeredAtMs = Math.max(attack.answeredAtMs ?? 0, atMs);
      const isNamed = ({ id }: GroupRef) => id === attack.group.id;
      const upToNamed = wide.some(isNamed) ? trees : trees.slice(0, 1 + Math.max(0, trees.findIndex(isNamed)));
      for (const { id } of [...upToNamed, ...wide.filter(isNamed)]) kept.add(id);
    }
    if (kept.size === 0) return;
    for (const group of file.groups) if (!kept.has(group.id)) group.take(file.id);
    file.groups = file.groups.filter(({ id }) => kept.has(id));
  }

  /** By the key of a doer: an actor's, or `unknown:<root>`. */
  private knownDoer(key: string): KnownActor {
    return key.startsWith('unknown:') ? this.known('unknown', key.slice('unknown:'.length)) : this.known(key, '');
  }

  private judge(): Verdict[] {
    const concerned = new Set<Episode>();
    for (const key of this.touched) {
      const episode = this.place(this.knownDoer(key));
      if (episode !== undefined) concerned.add(episode);
    }
    this.touched.clear();
    for (const episode of this.due) concerned.add(episode);
    return [...concerned].flatMap((episode) => this.speak(episode));
  }

  /** Finds the attack that an actor with new evidence belongs to, or begins one. */
  private place(known: KnownActor): Episode | undefined {
    const own = this.ownGroup(known);
    if (own === undefined || own.fileCount === 0) return undefined;
    const atMs = own.lastAtMs;
    const kin = this.kinOf(known, own, atMs);
    // While an attack is under way, whatever speaks against changes that nobody was seen making is enough to undo them with it.
    const crossing = this.nearest(known, (group, ref) => group.crosses(this.line(ref))) ?? (kin !== undefined && isNobody(known) ? own : undefined);
    const running = this.episodes.running(known.doer.job, atMs, (episode) => this.belongs(episode, known, own)) ?? this.joinable(known, own, atMs);
    if (crossing !== undefined) {
      const episode =
        running?.level === 'attack' || kin === undefined
          ? (running ?? this.episodes.begin(known.doer.job, this.position.watcherId, atMs))
          : this.episodes.beginWithin(kin, known.doer.job, atMs);
      this.raise(episode, crossing);
      this.enlist(episode, known, own);
      return episode;
    }
    if (running?.level === 'attack') {
      this.enlist(running, known, own);
      return running;
    }
    return this.placeInWideGroup(known, atMs) ?? this.suspect(known, running, atMs);
  }

  /** Whether evidence against an actor is part of an episode, or of another one that began after this one had been answered. */
  private belongs({ level, group, announced, waiting, answeredAtMs }: Episode, { doer, trees, wide }: KnownActor, own: Group): boolean {
    if (level !== 'attack' || answeredAtMs === undefined || own.firstAtMs <= answeredAtMs + answerGraceMs) return true;
    return announced.has(doer.key) || waiting.has(doer.key) || [...trees, ...wide].some(({ id }) => id === group.id);
  }

  private placeInWideGroup(known: KnownActor, atMs: number): Episode | undefined {
    const wide = this.crossesWide(known);
    if (wide === undefined) return undefined;
    const job = wideJob(wide.kind, wide.key);
    const episode = this.episodes.running(job, atMs) ?? this.episodes.begin(job, this.position.watcherId, atMs);
    this.raise(episode, wide);
    for (const member of this.uncovered(wide, episode)) {
      this.episodes.join(member.doer.job, episode);
      const group = this.ownGroup(member);
      if (group !== undefined) this.enlist(episode, member, group);
    }
    return episode;
  }

  private suspect(known: KnownActor, running: Episode | undefined, atMs: number): Episode | undefined {
    const suspicious = this.nearest(known, (group) => group.score >= suspicionLine * this.factor);
    if (suspicious === undefined) return undefined;
    const worrying = this.nearest(known, (group) => group.score >= warningLine * this.factor);
    const episode = running ?? this.episodes.begin(known.doer.job, this.position.watcherId, atMs);
    episode.lastAtMs = Math.max(episode.lastAtMs, atMs);
    if (rank(episode.level) < rank('warning')) {
      episode.group = pick(worrying ?? suspicious);
      if (worrying !== undefined) episode.warningSinceMs ??= atMs;
    }
    return episode;
  }

  private raise(episode: Episode, group: Group): void {
    if (episode.level !== 'attack') {
      episode.level = 'attack';
      // What a rescan found before belongs to it now.
      if (!isUnseen(episode)) this.touched.add(`unknown:${this.rootOf(group.directory)}`);
      episode.warningSinceMs = undefined;
      episode.group = pick(group);
      for (const key of group.members.keys()) {
        const member = this.knownDoer(key);
        if (this.ownGroup(member) !== undefined) episode.waiting.add(key);
        this.episodes.noteProgram(member.program, episode);
      }
    }
    episode.lastAtMs = Math.max(episode.lastAtMs, group.lastAtMs);
  }

  /** A member of a running attack; outside its tree it must have evidence enough of its own. */
  private enlist(episode: Episode, known: KnownActor, own: Group): void {
    episode.lastAtMs = Math.max(episode.lastAtMs, own.lastAtMs);
    const inside = known.trees.some(({ id }) => id === episode.group.id);
    if (!inside && own.score < ownEvidenceLine) return;
    if (!episode.announced.has(known.doer.key)) episode.waiting.add(known.doer.key);
    this.episodes.noteProgram(known.program, episode);
    const otherJob = known.doer.job !== episode.job && this.episodes.running(known.doer.job, own.lastAtMs) === undefined;
    if (otherJob) this.episodes.join(known.doer.job, episode);
    if (!inside) this.widen(episode, known);
  }

  /** The wider tree is named once it holds enough that the narrower one has not. */
  private widen(episode: Episode, known: KnownActor): void {
    const current = this.board.known(episode.group.id);
    if (current === undefined || (episode.group.kind !== 'actor' && episode.group.kind !== 'process-tree')) return;
    for (const { id } of known.trees) {
      const wider = this.board.known(id);
      if (wider === undefined || wider.id === current.id || ![...current.members.keys()].every((key) => wider.members.has(key))) continue;
      if (wider.score - current.score >= widenLine * this.factor) episode.group = pick(wider);
      return;
    }
  }

  /** An attack under way that this actor takes part in although they share no tree: same user and program, or the group that was named. */
  private joinable(known: KnownActor, own: Group, atMs: number): Episode | undefined {
    if (own.score < ownEvidenceLine) return undefined;
    const sibling = this.episodes.attackOfProgram(known.program, atMs);
    if (sibling !== undefined && this.belongs(sibling, known, own)) return sibling;
    for (const { id, kind, key } of known.wide) {
      const episode = this.episodes.running(wideJob(kind, key), atMs);
      if (episode?.level === 'attack' && episode.group.id === id) return episode;
    }
    return undefined;
  }

  /**
   * The same attack seen twice: by name, and by what a rescan found of the time when nobody watched. Both are undone, but by different means: the first by
   * its actors, the second by its directory.
   */
  private kinOf(known: KnownActor, own: Group, atMs: number): Episode | undefined {
    const root = this.rootOf(own.directory);
    if (!isNobody(known)) return attackOnly(this.episodes.running(`unknown:${root}`, atMs));
    return this.episodes.runningAttacks(atMs).find(({ group }) => {
      const { directory } = this.board.known(group.id) ?? {};
      return directory !== undefined && directory !== '' && this.rootOf(directory) === root;
    });
  }

  /** A group wider than a job, by what is not already part of an attack. */
  private crossesWide(known: KnownActor): Group | undefined {
    for (const { id, kind } of known.wide) {
      const group = this.board.known(id);
      const line = attackLine * this.factor * (wideFactor[kind] ?? 1);
      if (group?.crosses(line) !== true) continue;
      const members = this.uncovered(group, undefined);
      const points = members.reduce((sum, member) => sum + (this.ownGroup(member)?.score ?? 0), 0);
      // One member alone has its own line; a group is more than one.
      if (members.length >= 2 && points >= line) return group;
    }
    return undefined;
  }

  private uncovered(group: Group, episode: Episode | undefined): KnownActor[] {
    return [...group.members.keys()]
      .map((key) => this.knownDoer(key))
      .filter(({ doer }) => {
        const attack = this.episodes.running(doer.job, group.lastAtMs);
        return attack === undefined || attack === episode || attack.level !== 'attack';
      });
  }

  private nearest(known: KnownActor, wanted: (group: Group, ref: GroupRef) => boolean): Group | undefined {
    for (const ref of known.trees) {
      const group = this.board.known(ref.id);
      if (group !== undefined && wanted(group, ref)) return group;
    }
    return undefined;
  }

  private ownGroup(known: KnownActor): Group | undefined {
    const [self] = known.trees;
    return self === undefined ? undefined : this.board.known(self.id);
  }

  private line({ kind }: GroupRef): number {
    // All unknown actors below a root are one: a little more must have happened.
    return attackLine * this.factor * (kind === 'subtree' ? 1.2 : 1);
  }

  private get factor(): number {
    return sensitivityFactor[this.options.sensitivity];
  }

  private jobOfVerdict({ groupKind, groupKey, members: [main] }: Verdict): string {
    if (main === undefined || main.actor.kind === 'unknown') return `unknown:${this.rootOf(groupKey)}`;
    return wideFactor[groupKind] === undefined ? this.known(main.actor.key, '').doer.job : wideJob(groupKind, groupKey);
  }

  /** What there is to say about an episode now. */
  private speak(episode: Episode): Verdict[] {
    this.due.delete(episode);
    const group = this.board.known(episode.group.id);
    if (group === undefined) return [];
    if (episode.level === 'attack') return this.speakOfAttack(episode, group);
    // What it stood on may have turned out to be harmless meanwhile.
    if (group.score < suspicionLine * this.factor) return [];
    if (group.score < warningLine * this.factor) episode.warningSinceMs = undefined;
    const isWarning = episode.warningSinceMs !== undefined && this.nowMs - episode.warningSinceMs >= warningDelayMs;
    if (episode.warningSinceMs !== undefined && !isWarning && rank(episode.level) < rank('warning')) this.due.add(episode);
    const level = isWarning ? 'warning' : 'suspicion';
    if (rank(episode.level) >= rank(level)) return [];
    episode.level = level;
    const members = [...group.members.keys()].map((key) => this.evidenceOf(key, false));
    return [this.writer.write({ episode, group, level, part: level, members, position: this.position })];
  }

  private speakOfAttack(episode: Episode, group: Group): Verdict[] {
    const quietMs = this.nowMs - group.lastAtMs;
    if (quietMs <= attackQuietMs && (episode.waiting.size > 0 || quietMs <= restMs || group.fileCount > episode.announcedFiles))
      this.due.add(episode);
    const isFirst = episode.announced.size === 0;
    const mayWait = !isFirst && episode.updates >= promptUpdates && episode.waiting.size < episode.announced.size;
    if (mayWait && episode.waiting.size > 0 && this.nowMs - episode.lastUpdateAtMs < updateEveryMs) return [];
    const verdicts = this.nameWaiting(episode, group);
    const exponent = Math.floor(Math.log2(Math.max(1, group.fileCount)));
    // The undo of what nobody was seen doing is bounded by the directory.
    const wider = groupKeyOf(group) !== episode.directory;
    const atRest = quietMs > restMs && group.fileCount > episode.announcedFiles;
    if (verdicts.length === 0 && (exponent > episode.filesExponent || wider || atRest)) {
      const members = [...group.members.keys()].slice(0, listedAgainAtMost).map((key) => this.evidenceOf(key, this.actsWithin(key, episode)));
      const part = atRest ? `rest:${group.fileCount}` : `files:${exponent}:${groupKeyOf(group)}`;
      verdicts.push(this.writer.write({ episode, group, level: 'attack', part, members, position: this.position }));
    }
    if (verdicts.length === 0) return [];
    episode.directory = groupKeyOf(group);
    episode.filesExponent = Math.max(episode.filesExponent, exponent);
    episode.announcedFiles = group.fileCount;
    episode.lastUpdateAtMs = this.nowMs;
    return verdicts;
  }

  /** Names everyone who has not been named, in as many messages as that takes. */
  private nameWaiting(episode: Episode, group: Group): Verdict[] {
    const verdicts: Verdict[] = [];
    while (episode.waiting.size > 0) {
      const members = [...episode.waiting].map((key) => this.evidenceOf(key, this.actsWithin(key, episode)));
      const { verdict, named } = this.writer.writeNaming({ episode, group, members, position: this.position, first: episode.announced.size === 0 });
      for (const key of named) {
        episode.waiting.delete(key);
        episode.announced.add(key);
      }
      verdicts.push(verdict);
      episode.updates += 1;
    }
    return verdicts;
  }

  /** Whether a member of an attack may be contained and undone (rules.md 6). An unknown one can't be stopped, but what was done can be undone (rules.md 7). */
  private actsWithin(key: string, episode: Episode): boolean {
    const known = this.knownDoer(key);
    return known.trees.some(({ id }) => id === episode.group.id) || (this.ownGroup(known)?.score ?? 0) >= ownEvidenceLine;
  }

  private evidenceOf(key: string, actionable: boolean): MemberEvidence {
    const known = this.knownDoer(key);
    const group = this.ownGroup(known);
    // The newest: those of the beginning stand in the verdicts before.
    const files = group === undefined ? [] : [...group.fileIds()].slice(-200).flatMap((id) => this.ledger.caseOf(id) ?? []);
    const findings = files.flatMap(({ path, findings: all }) =>
      all.filter(({ actors }) => actors.includes(key)).map((finding) => ({ path, finding })),
    );
    const { score = 0, fileCount = 0, firstAtMs = this.nowMs } = group ?? {};
    return { key, actor: known.actor, actionable, score, files: fileCount, firstAtMs, findings };
  }
}

function isNobody({ actor }: KnownActor): boolean {
  return actor.kind === 'unknown';
}

function attackOnly(episode: Episode | undefined): Episode | undefined {
  return episode?.level === 'attack' ? episode : undefined;
}

function wideJob(kind: GroupKind, key: string): string {
  return `${kind}:${key}`;
}

function nobody(id: string, root: string): KnownActor {
  const doer = { key: id, job: id, user: '' };
  return { actor: { key: 'unknown', kind: 'unknown' }, doer, trees: [{ id: `tree\0${id}`, kind: 'subtree', key: root }], wide: [], program: '' };
}

function kindOf(indicator: string, weight: number): FindingKind {
  if (indicator === 'ciphertext-copy' || weight === 0) return 'half';
  if (indicator === 'ransom-note') return 'note';
  return indicator === 'extension-churn' && weight < churnWeights.family ? 'name' : 'harm';
}

function pick({ id, kind, key }: Group): Episode['group'] {
  return { id, kind, key };
}
