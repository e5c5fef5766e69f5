/** Whom to stop: a pure function from a verdict and the process table to the processes that are stopped, ended and spared. */
import type { Actor, ProcessRef, Verdict } from '@kuramori/contracts';
import type { LiveProcess, OwnProcess } from '@kuramori/platform';
import { drivesItsSession, isSubshell, isInteractiveShell, isLoginShell, protectedProgram } from './protected-programs';

export interface SparedProcess {
  readonly process: ProcessRef;
  readonly why: string;
}

export interface ContainmentPlan {
  /** Alive now, in the order to stop them: what starts others first. */
  readonly suspend: readonly LiveProcess[];
  /** The same processes; kept apart because settings may allow one and not the other. */
  readonly kill: readonly LiveProcess[];
  /** Those of them that an interactive shell started: it is not stopped itself, but gives a typed loop up when a command of it is interrupted. */
  readonly interrupt: readonly LiveProcess[];
  /**
   * Interactive shells that started several members one after the other, login shells that did it themselves (`printf … > file`), and what runs in the
   * foreground there: a loop that is typed. Both get what Ctrl-C would give them; the shell stays.
   */
  readonly typedLoops: readonly { readonly shell: LiveProcess; readonly foreground: readonly LiveProcess[] }[];
  readonly spare: readonly SparedProcess[];
  /** Members with evidence and the ancestors that were climbed to, alive or not: whose programs are looked at. */
  readonly attackers: readonly LiveProcess[];
  /** Topmost processes of the attack that are alive. */
  readonly roots: readonly LiveProcess[];
  /** Actionable members that are not running any more. */
  readonly ended: readonly Actor[];
  /** Actionable members that are running and must not be stopped: the attack may go on. */
  readonly uncontained: readonly SparedProcess[];
}

export interface ContainmentOptions {
  /** Boot of this machine; actors of another boot have ended whatever runs under their pid. Absent: not checked. */
  readonly bootId8?: string;
  /** Keys (`pid:startTime`) of processes whose program is on the whitelist, with the reason. */
  readonly whitelisted?: ReadonlyMap<string, string>;
}

/** Chains longer than the sensor's 32 ancestors are cut there; this bounds loops in a table that changed while it was read. */
const maxChain = 64;

export const identityKey = (process: Pick<ProcessRef, 'pid' | 'startTime'>): string => `${process.pid}:${process.startTime}`;

interface Chain {
  readonly member: Actor & ProcessIdentityOfActor;
  /** The member first, then its ancestors, nearest first. */
  readonly links: readonly Pick<ProcessRef, 'pid' | 'startTime'>[];
}
interface ProcessIdentityOfActor {
  readonly pid: number;
  readonly startTime: number;
}

/** Everything looked up about the table once. */
class Table {
  readonly byIdentity = new Map<string, LiveProcess>();
  readonly byPid = new Map<number, LiveProcess>();
  private readonly childrenOf = new Map<number, LiveProcess[]>();
  private readonly own = new Map<string, string>();
  private readonly aboveOwn = new Set<string>();

  constructor(
    live: readonly LiveProcess[],
    own: readonly OwnProcess[],
    private readonly whitelisted: ReadonlyMap<string, string>,
  ) {
    for (const process of live) {
      this.byIdentity.set(identityKey(process), process);
      this.byPid.set(process.pid, process);
      const siblings = this.childrenOf.get(process.parentPid);
      if (siblings === undefined) this.childrenOf.set(process.parentPid, [process]);
      else siblings.push(process);
    }
    for (const process of own) {
      this.own.set(identityKey(process), process.name);
      for (const ancestor of this.ancestors(process.pid)) this.aboveOwn.add(identityKey(ancestor));
    }
  }

  /** What the terminal of a shell listens to just now; nobody who must not be stopped. */
  foregroundOf(shell: LiveProcess): LiveProcess[] {
    return [...this.byPid.values()].filter(
      (process) =>
        process.sessionId === shell.sessionId &&
        process.groupId === shell.foregroundGroupId &&
        process.pid !== shell.pid &&
        this.protection(process) === undefined,
    );
  }

  children(pid: number): readonly LiveProcess[] {
    return this.childrenOf.get(pid) ?? [];
  }

  /** Live parents, nearest first. */
  ancestors(pid: number): LiveProcess[] {
    const line: LiveProcess[] = [];
    let current = this.byPid.get(pid);
    while (current !== undefined && line.length < maxChain) {
      const parent = this.byPid.get(current.parentPid);
      // A parent is never younger than its child; a younger one took over the pid while the table was read.
      if (parent === undefined || parent.pid === current.pid || parent.startTime > current.startTime) break;
      line.push(parent);
      current = parent;
    }
    return line;
  }

  /** Why this process must not be stopped, or undefined. */
  protection(process: LiveProcess): string | undefined {
    if (process.pid === 1) return 'the first process of the system';
    const key = identityKey(process);
    const ownName = this.own.get(key);
    if (ownName !== undefined) return `Kuramori itself (${ownName})`;
    if (this.aboveOwn.has(key)) return 'Kuramori runs below it';
    const reason = this.whitelisted.get(key);
    if (reason !== undefined) return `on the whitelist: ${reason}`;
    return protectedProgram(process);
  }

  /** The same for one with evidence of its own: a shell that wrote by itself is spared only where a person logged in, and what he typed can be broken off. */
  protectionOfMember(process: LiveProcess): string | undefined {
    const why = this.protection(process);
    const isOnlyAShell = why !== undefined && why === protectedProgram(process) && isInteractiveShell(process);
    return isOnlyAShell && !isLoginShell(process, this.ancestors(process.pid)) ? undefined : why;
  }
}

/**
 * Members with evidence of their own, the ancestors that exist for the attack, and everything that runs below them.
 * An ancestor exists for the attack when it lies on the way up to the root that the verdict's process tree names, when at least two of its
 * branches are attack members, or when one of those already found is its sub-shell (a loop in a pipe, parentheses): that is the same script. Never beyond the leader of the session, and that leader only when it is a script or driver of the attack.
 */
export function containmentTargets(
  verdict: Verdict,
  live: readonly LiveProcess[],
  own: readonly Pick<OwnProcess, 'pid' | 'startTime' | 'name'>[],
  options: ContainmentOptions = {},
): ContainmentPlan {
  const table = new Table(live, own, options.whitelisted ?? new Map());
  const spared = new Map<string, SparedProcess>();
  const ended: Actor[] = [];
  const uncontained: SparedProcess[] = [];
  const members = new Map<string, LiveProcess>();
  const typing = new Map<string, LiveProcess>();
  const chains: Chain[] = [];
  const spare = (process: LiveProcess, why: string) => {
    // A member is stopped for what it did, whatever it is to others.
    if (!members.has(identityKey(process))) spared.set(identityKey(process), { process: refOf(process), why });
  };

  for (const { actor, actionable } of verdict.members) {
    if (!actionable || !isProcessActor(actor)) continue;
    if (options.bootId8 !== undefined && !actor.key.startsWith(`process:${options.bootId8}:`)) {
      ended.push(actor);
      continue;
    }
    const process = table.byIdentity.get(identityKey(actor));
    const why = actor.own === true ? 'Kuramori itself' : process === undefined ? undefined : table.protectionOfMember(process);
    if (why !== undefined) {
      const refused = { process: process === undefined ? refOfActor(actor) : refOf(process), why };
      spared.set(identityKey(actor), refused);
      uncontained.push(refused);
      if (process !== undefined && isInteractiveShell(process)) typing.set(identityKey(process), process);
      continue; // what started a spared program is not an attacker for it
    }
    if (process === undefined) ended.push(actor);
    else members.set(identityKey(process), process);
    chains.push({
      member: actor,
      links: [actor, ...(actor.ancestors ?? (process === undefined ? [] : table.ancestors(process.pid)))].slice(0, maxChain),
    });
  }

  const branches = countBranches(chains);
  // Of a member it was decided above.
  const protection = (process: LiveProcess) => (members.has(identityKey(process)) ? undefined : table.protection(process));
  const climbed = climb(verdict, chains, branches, table, protection, spare);
  const attackers = new Map([...climbed, ...members]);
  const targets = new Map<string, LiveProcess>();
  const takeTree = (process: LiveProcess, depth: number) => {
    const key = identityKey(process);
    if (targets.has(key) || depth > maxChain) return;
    const why = protection(process);
    if (why !== undefined) {
      spare(process, why);
      return;
    }
    targets.set(key, process);
    for (const child of table.children(process.pid)) takeTree(child, depth + 1);
  };
  for (const process of attackers.values()) takeTree(process, 0);

  const isSparedShell = (process: LiveProcess | undefined): process is LiveProcess =>
    process !== undefined && isInteractiveShell(process) && !targets.has(identityKey(process));
  for (const process of table.byPid.values()) {
    const key = identityKey(process);
    if ((branches.get(key)?.size ?? 0) >= 2 && isSparedShell(process)) typing.set(key, process);
  }
  const roots = [...targets.values()].filter((process) => !targets.has(parentKey(process, table)));
  return {
    suspend: [...targets.values()],
    kill: [...targets.values()],
    interrupt: [...targets.values()].filter((process) => isSparedShell(table.byPid.get(process.parentPid))),
    typedLoops: [...typing.values()].map((shell) => ({ shell, foreground: table.foregroundOf(shell) })),
    spare: [...spared.values()],
    attackers: [...attackers.values()],
    roots,
    ended,
    uncontained,
  };
}

/** The ancestors to stop, topmost first. */
function climb(
  verdict: Verdict,
  chains: readonly Chain[],
  branches: ReadonlyMap<string, ReadonlySet<string>>,
  table: Table,
  protection: (process: LiveProcess) => string | undefined,
  spare: (process: LiveProcess, why: string) => void,
): Map<string, LiveProcess> {
  const found: LiveProcess[] = [];
  for (const { links } of chains) {
    const rootAt = verdict.groupKind === 'process-tree' ? links.findIndex((link) => verdict.groupKey.endsWith(`:${identityKey(link)}`)) : -1;
    let below: LiveProcess | undefined = table.byIdentity.get(identityKey(links[0] ?? { pid: 0, startTime: 0 }));
    let session = below?.sessionId;
    /** The nearest living link below, when it is one of the attack. */
    let attacking = below;
    for (const [at, link] of links.entries()) {
      if (at === 0) continue;
      const process = table.byIdentity.get(identityKey(link));
      if (process === undefined) continue; // it has ended; who is above it may still be there
      const exists = at <= rootAt || (branches.get(identityKey(link))?.size ?? 0) >= 2 || (attacking !== undefined && isSubshell(attacking, process));
      const newSession = session !== undefined && process.sessionId !== session;
      // A member that made a session for itself (setsid) does not hide the script that starts it over and over; a session of others ends the climb.
      const memberLeft = at === 1 || links.slice(1, at).every((lower) => !table.byIdentity.has(identityKey(lower)));
      if (newSession && !(memberLeft && below?.pid === session && drivesItsSession(process))) break;
      if (!exists) {
        attacking = undefined;
        below = process;
        session = process.sessionId;
        if (process.pid === process.sessionId) break;
        continue;
      }
      const why = protection(process);
      if (why !== undefined) {
        spare(process, why);
        break;
      }
      if (process.pid === process.sessionId && !drivesItsSession(process)) {
        spare(process, 'the leader of a login or a service, not a script of the attack');
        break;
      }
      found.push(process);
      attacking = process;
      if (process.pid === process.sessionId) break;
      below = process;
      session = process.sessionId;
    }
  }
  found.sort((left, right) => left.startTime - right.startTime || left.pid - right.pid);
  return new Map(found.map((process) => [identityKey(process), process]));
}

/** For each ancestor its distinct children that are, or lead to, members. */
function countBranches(chains: readonly Chain[]): Map<string, Set<string>> {
  const branches = new Map<string, Set<string>>();
  for (const { links } of chains) {
    for (let at = 1; at < links.length; at += 1) {
      const ancestor = links[at];
      const child = links[at - 1];
      if (ancestor === undefined || child === undefined) continue;
      const key = identityKey(ancestor);
      const known = branches.get(key) ?? new Set<string>();
      known.add(identityKey(child));
      branches.set(key, known);
    }
  }
  return branches;
}

function parentKey(process: LiveProcess, table: Table): string {
  const parent = table.byPid.get(process.parentPid);
  return parent === undefined ? '' : identityKey(parent);
}

export function isProcessActor(actor: Actor): actor is Actor & { pid: number; startTime: number } {
  return actor.kind === 'process' && actor.pid !== undefined && actor.startTime !== undefined;
}

export function refOf(process: ProcessRef): ProcessRef {
  return { pid: process.pid, startTime: process.startTime, exe: process.exe, comm: process.comm };
}

function refOfActor(actor: Actor & ProcessIdentityOfActor): ProcessRef {
  const exe = actor.exe ?? '';
  return { pid: actor.pid, startTime: actor.startTime, exe, comm: exe.slice(exe.lastIndexOf('/') + 1, exe.lastIndexOf('/') + 16) };
}
