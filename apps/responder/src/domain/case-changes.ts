/** Every way in which a case changes: pure functions from a case and what happened to the next case and the event to publish, if any. */
import { createHash } from 'node:crypto';
import type {
  ActionStatus,
  Actor,
  Evidence,
  Incident,
  IncidentAction,
  IncidentActor,
  IncidentDecision,
  IncidentEvent,
  IncidentState,
  JournalPosition,
  ProcessRef,
  RestoreReport,
  Severity,
  Verdict,
  VerdictMember,
} from '@kuramori/contracts';
import { severities } from '@kuramori/contracts';
import type { ContainmentPlan } from './containment';
import { caseFormat, type Containment, type IncidentCase } from './incident-case';
import { programCandidates } from './programs';
import { leftByUndo } from './undo-of-case';

/** Bounds of what one incident holds; the contract's own limits where it names some. */
const maxEvidence = 500;
const maxActions = 1000;
const maxProcessTree = 256;
const maxVerdictIds = 500;
/** So many keys of 50 characters are 0.75 MiB in one undo command, and a site's own NATS takes 1 MiB. An attack with a process per file reaches some thousands. */
const maxActors = 15_000;
const maxBelow = 256;

export interface Changed {
  readonly next: IncidentCase;
  readonly event?: IncidentEvent;
}

/** Which state may follow which. `updated` is an event, not a state. */
const transitions: Readonly<Record<IncidentState, readonly IncidentState[]>> = {
  opened: ['contained', 'restored', 'closed', 'false_alarm'],
  contained: ['opened', 'restored', 'closed', 'false_alarm'],
  restored: ['opened', 'contained', 'closed', 'false_alarm'],
  closed: ['opened', 'contained', 'false_alarm'],
  false_alarm: ['opened'],
};

export class IllegalTransitionError extends Error {
  override readonly name = 'IllegalTransitionError';
}

export function mayFollow(from: IncidentState, to: IncidentState): boolean {
  return from === to || transitions[from].includes(to);
}

const iso = (atMs: number): string => new Date(atMs).toISOString();

/** The incident's id: the same attack has the same id, also after the database was lost (RFC 9562, version 8: made from a hash). */
export function incidentIdOf(attackId: string): string {
  const hex = createHash('sha256').update(`kuramori-incident:${attackId}`).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

export function openCase(verdict: Verdict, nowMs: number): IncidentCase {
  return {
    format: caseFormat,
    attackId: verdict.attackId,
    incident: {
      id: incidentIdOf(verdict.attackId),
      host: verdict.host,
      state: 'opened',
      severity: 'low',
      confidence: verdict.confidence,
      title: verdict.title,
      openedAt: iso(nowMs),
      firstActivityAt: iso(verdict.firstActivityAtMs),
      actor: { kind: 'unknown', processTree: [] },
      techniques: [],
      evidence: [],
      actions: [],
      files: { touched: 0, restored: 0, alreadyIntact: 0, quarantined: 0, unrecoverable: 0 },
    },
    eventCount: 0,
    verdictIds: [],
    attack: false,
    handsOff: 'no',
    actors: [],
    below: [],
    containment: 'pending',
    suspended: [],
    lastVerdictAtMs: nowMs,
    pinned: false,
    undo: { wanted: 0, done: 0, started: 0 },
    programs: { waiting: [], seen: [] },
    release: 'no',
    heldOpen: false,
  };
}

/** What a verdict brings, without any decision about containment. */
export function addVerdict(before: IncidentCase, verdict: Verdict, nowMs: number): IncidentCase {
  const { incident } = before;
  const main = mainMember(verdict);
  const evidence = mergeEvidence(incident.evidence, verdict.members);
  const attack = verdict.level === 'attack';
  // A warning never raises an incident above low, an attack is never below what was said before.
  const severity = attack ? higher(incident.severity, verdict.severity) : incident.severity;
  const takesOver = attack || !before.attack;
  const next: Incident = {
    ...incident,
    severity,
    confidence: Math.max(incident.confidence, verdict.confidence),
    title: takesOver ? verdict.title : incident.title,
    firstActivityAt: iso(Math.min(Date.parse(incident.firstActivityAt), verdict.firstActivityAtMs)),
    actor: takesOver && main !== undefined ? mergeActor(incident.actor, main.actor) : incident.actor,
    techniques: uniqueBy([...incident.techniques, ...verdict.techniques], (technique) => technique.id),
    evidence,
    files: {
      ...incident.files,
      touched: Math.max(
        incident.files.touched,
        new Set(evidence.flatMap(({ path }) => path ?? [])).size,
        ...verdict.members.map(({ files }) => files),
      ),
    },
    ...(verdict.family === undefined ? {} : { family: verdict.family }),
  };
  return {
    ...before,
    incident: next,
    attack: before.attack || attack,
    lastVerdictAtMs: nowMs,
  };
}

/** Remembers that everything this verdict asked for was done and written down. */
export function verdictHandled(before: IncidentCase, verdictId: string): IncidentCase {
  return before.verdictIds.includes(verdictId) ? before : { ...before, verdictIds: [...before.verdictIds, verdictId].slice(-maxVerdictIds) };
}

/** Adds the actors whose changes are to be undone; counts those that find no room. */
export function addActors(
  before: IncidentCase,
  members: readonly VerdictMember[],
  contained: readonly { readonly key: string }[],
  verdict: Verdict,
): IncidentCase {
  const known = new Map(before.actors.map((actor) => [actor.key, actor]));
  // The detector names each actor of an attack once, and again only the first of them.
  const notListed = new Set<string>();
  const add = (key: string, firstActivityAtMs: number) => {
    const earlier = known.get(key);
    if (earlier === undefined && known.size >= maxActors) notListed.add(key);
    else if (earlier === undefined || firstActivityAtMs < earlier.firstActivityAtMs) known.set(key, { key, firstActivityAtMs });
  };
  for (const member of members) add(member.actor.key, member.firstActivityAtMs);
  for (const { key } of contained) add(key, verdict.firstActivityAtMs);
  const unknown = members.some(({ actor }) => actor.kind === 'unknown');
  const below = unknown ? [...new Set([...before.below, ...directoriesOf(verdict)])].slice(0, maxBelow) : before.below;
  const next = { ...before, actors: [...known.values()], below };
  return notListed.size === 0 ? next : noteNotListed({ ...next, actorsNotListed: (before.actorsNotListed ?? 0) + notListed.size }, verdict.atMs);
}

/** One line with the whole number, however often it grows. */
function noteNotListed(before: IncidentCase, nowMs: number): IncidentCase {
  const actions = before.incident.actions.filter(({ name }) => name !== 'list-actors');
  return addAction({ ...before, incident: { ...before.incident, actions } }, 'list-actors', 'failed', leftByUndo(before) ?? '', nowMs);
}

export function wantUndo(before: IncidentCase): IncidentCase {
  return { ...before, undo: { ...before.undo, wanted: before.undo.wanted + 1 } };
}

/** Directories in which an unknown actor worked: the group's own directory, else those of the evidence. */
function directoriesOf(verdict: Verdict): string[] {
  if (verdict.groupKind === 'subtree' && verdict.groupKey.startsWith('/')) return [verdict.groupKey];
  const paths = verdict.members.flatMap(({ evidence }) => evidence.flatMap(({ path }) => path ?? []));
  return [...new Set(paths.map((path) => path.slice(0, Math.max(1, path.lastIndexOf('/')))))];
}

/** The processes of the attack as the incident shows them, and whose programs are to be looked at. */
export function addContained(before: IncidentCase, plan: ContainmentPlan): IncidentCase {
  const { incident } = before;
  const root = plan.roots[0];
  const tree = uniqueBy(
    [...incident.actor.processTree, ...plan.suspend, ...plan.ended.map(endedRef)],
    (process) => `${process.pid}:${process.startTime}`,
  ).map(({ pid, startTime, exe, comm }): ProcessRef => ({ pid, startTime, exe, comm }));
  const main: Partial<IncidentActor> =
    root === undefined || incident.actor.processTree.length > 0
      ? {}
      : { pid: root.pid, exe: root.exe, commandLine: root.commandLine.join(' ').slice(0, 4096) };
  const seen = new Set(before.programs.seen);
  const fresh = programCandidates(plan.attackers).filter(({ path }) => !seen.has(path));
  return {
    ...before,
    incident: {
      ...incident,
      actor: { ...incident.actor, ...main, ...(tree.length > 0 ? { kind: 'process' } : {}), processTree: tree.slice(0, maxProcessTree) },
    },
    programs: {
      waiting: [...before.programs.waiting, ...fresh].slice(0, 256),
      seen: [...before.programs.seen, ...fresh.map(({ path }) => path)].slice(-256),
    },
  };
}

function endedRef(actor: Actor): ProcessRef {
  const exe = actor.exe ?? '';
  return { pid: actor.pid ?? 1, startTime: actor.startTime ?? 0, exe, comm: exe.slice(exe.lastIndexOf('/') + 1).slice(0, 15) };
}

/**
 * Writes one step into the audit. A step that is under way is replaced by its result, in its place; the same result again is not listed twice.
 * When the list is full the oldest repeated steps give way: the first 100 tell how it began.
 */
export function addAction(before: IncidentCase, name: string, status: ActionStatus, detail: string, nowMs: number): IncidentCase {
  const action: IncidentAction = { name, status, at: iso(nowMs), detail: detail.slice(0, 2000) };
  const { actions } = before.incident;
  const underWay = actions.findLastIndex((known) => known.name === name && (known.status === 'planned' || known.status === 'running'));
  const repeated = actions.some((known) => known.name === name && known.status === status && known.detail === action.detail);
  if (repeated && underWay < 0) return before;
  const next = repeated ? actions.filter((_known, at) => at !== underWay) : underWay < 0 ? [...actions, action] : actions.with(underWay, action);
  const bounded = next.length <= maxActions ? next : [...next.slice(0, 100), ...next.slice(101)];
  return { ...before, incident: { ...before.incident, actions: bounded } };
}

/** Goes to a state and says which event announces it. @throws IllegalTransitionError: a bug of the caller */
export function goTo(before: IncidentCase, state: IncidentState, nowMs: number): Changed {
  const { incident } = before;
  if (!mayFollow(incident.state, state)) throw new IllegalTransitionError(`an incident that is ${incident.state} can't become ${state}`);
  if (incident.state === state && before.eventCount > 0) return { next: before, event: 'updated' };
  const times: Partial<Incident> =
    state === 'contained'
      ? { containedAt: iso(nowMs) }
      : state === 'restored'
        ? { restoredAt: iso(nowMs) }
        : state === 'closed' || state === 'false_alarm'
          ? { closedAt: iso(nowMs) }
          : {};
  // Going back to `opened` while it is still being worked on is news, not a second opening; only a finished one is opened again.
  const event: IncidentEvent = state === 'opened' && (incident.state === 'contained' || incident.state === 'restored') ? 'updated' : state;
  return {
    next: { ...before, incident: { ...(state === 'opened' || state === 'contained' ? withoutEnd(incident) : incident), ...times, state } },
    event,
  };
}

function withoutEnd(incident: Incident): Incident {
  const open = { ...incident };
  delete open.closedAt;
  return open;
}

export function setContainment(before: IncidentCase, containment: Containment): IncidentCase {
  return { ...before, containment };
}

/** The round of undo that is about to be asked for, with the position up to which the journal must have come. */
export function undoStarted(before: IncidentCase, round: number, position: JournalPosition | undefined): IncidentCase {
  return { ...before, undo: { ...before.undo, started: round, ...(position === undefined ? {} : { position }) } };
}

/**
 * Counts of a further round are added to those before: what the first round restored shows as intact in the second. `touched` never falls, and no
 * file is counted twice in what became of it.
 */
export function addReport(before: IncidentCase, report: RestoreReport, round: number): IncidentCase {
  const old = before.incident.files;
  const first = before.undo.done === 0;
  // The first report replaces the estimate that came from the evidence.
  const touched = first ? report.touched : Math.max(old.touched, report.touched);
  const unrecoverable = Math.min(touched, report.unrecoverable);
  const restored = Math.min(touched - unrecoverable, first ? report.restored : old.restored + report.restored);
  const alreadyIntact = Math.max(0, Math.min(touched - unrecoverable - restored, report.alreadyIntact));
  return {
    ...before,
    incident: { ...before.incident, files: { touched, restored, alreadyIntact, quarantined: old.quarantined + report.quarantined, unrecoverable } },
    undo: { ...before.undo, done: Math.max(before.undo.done, round) },
  };
}

export type DecisionOutcome = { readonly ok: true; readonly changed: Changed } | { readonly ok: false; readonly error: string };

/** The operator's word. */
export function decide(before: IncidentCase, decision: IncidentDecision, nowMs: number): DecisionOutcome {
  const { state } = before.incident;
  if (decision === 'reopen') {
    if (state !== 'closed' && state !== 'false_alarm') return { ok: false, error: `the incident is ${state}: only a closed one can be reopened` };
    const noted = addAction(before, 'reopen', 'done', 'reopened by the operator; it stays open until it is closed by hand', nowMs);
    return { ok: true, changed: goTo({ ...noted, heldOpen: true, release: 'no' }, 'opened', nowMs) };
  }
  if (decision === 'close') {
    if (state === 'closed' || state === 'false_alarm')
      return { ok: false, error: `the incident is already ${state === 'closed' ? 'closed' : 'marked as a false alarm'}` };
    const undoOpen = before.handsOff === 'no' && before.undo.done < before.undo.wanted && before.actors.length > 0;
    const detail = undoOpen
      ? 'closed by the operator before its files were restored; `kuramori restore --incident` still does that'
      : 'closed by the operator';
    return { ok: true, changed: goTo({ ...addAction(before, 'close', 'done', detail, nowMs), heldOpen: false }, 'closed', nowMs) };
  }
  if (state === 'false_alarm') return { ok: false, error: 'the incident is already marked as a false alarm' };
  const noted = addAction(before, 'release', 'running', 'putting back what the response changed', nowMs);
  return { ok: true, changed: goTo({ ...noted, release: 'wanted', heldOpen: false }, 'false_alarm', nowMs) };
}

/** Counts the event that is about to be published. */
export function countEvent(before: IncidentCase): IncidentCase {
  return { ...before, eventCount: before.eventCount + 1 };
}

function mainMember(verdict: Verdict): VerdictMember | undefined {
  return [...verdict.members].sort((left, right) => Number(right.actionable) - Number(left.actionable) || right.score - left.score)[0];
}

function mergeActor(known: IncidentActor, actor: Actor): IncidentActor {
  // Who was contained first stays the main actor: later members are listed in the tree.
  if (known.processTree.length > 0 || (known.kind !== 'unknown' && actor.kind === 'unknown')) return known;
  return {
    kind: actor.kind,
    processTree: [],
    ...(actor.pid === undefined ? {} : { pid: actor.pid }),
    ...(actor.exe === undefined ? {} : { exe: actor.exe }),
    ...(actor.commandLine === undefined ? {} : { commandLine: actor.commandLine }),
    ...(actor.user === undefined ? {} : { user: actor.user }),
    ...(actor.client === undefined ? {} : { client: actor.client }),
  };
}

function mergeEvidence(known: readonly Evidence[], members: readonly VerdictMember[]): Evidence[] {
  return uniqueBy(
    [...known, ...members.flatMap(({ evidence }) => evidence)],
    ({ indicator, path, at }) => `${indicator}\n${path ?? ''}\n${at}`,
  ).slice(0, maxEvidence);
}

function uniqueBy<T>(items: readonly T[], keyOf: (item: T) => string): T[] {
  const seen = new Map<string, T>();
  for (const item of items) if (!seen.has(keyOf(item))) seen.set(keyOf(item), item);
  return [...seen.values()];
}

function higher(left: Severity, right: Severity): Severity {
  return severities.indexOf(left) >= severities.indexOf(right) ? left : right;
}
