import { setTimeout as delay } from 'node:timers/promises';
import type { Settings } from '@kuramori/config';
import type { Verdict, VerdictMember } from '@kuramori/contracts';
import type { LiveProcess, OwnProcess, ProcessControl } from '@kuramori/platform';
import { type ContainmentPlan, containmentTargets, identityKey, isProcessActor } from '../domain/containment';
import type { Whitelist } from './whitelist';

/** A tree that still grows after ten looks with everything known of it stopped is not forking but being started from elsewhere. */
const maxRounds = 10;
/** A stopped process shows as T within microseconds; one that waits for a disk or in vfork shows D until then, and is not waited for longer. */
const settleMs = 40;
/** After SIGKILL; only a process that hangs in the kernel needs longer. */
const endMs = 3000;
/** For a program that handles the interrupt: it may go on with its work meanwhile. */
const interruptGraceMs = 20;
/** For one that can't but end: only a busy machine needs longer than a millisecond. */
const certainEndMs = 1000;

export interface Frozen {
  readonly plan: ContainmentPlan;
  /** The verdict's actionable members whose program is on the whitelist, by actor key, with the reason. */
  readonly whitelisted: ReadonlyMap<string, string>;
  /** Actionable members that remain to be acted on. */
  readonly members: readonly VerdictMember[];
  readonly stopped: readonly LiveProcess[];
  readonly denied: readonly LiveProcess[];
  readonly interrupted: readonly LiveProcess[];
  /** Interactive shells whose typed loop was broken off; what they had in the foreground just then need not belong to the attack. */
  readonly shells: readonly LiveProcess[];
}

export interface Ended {
  readonly plan: ContainmentPlan;
  readonly killed: readonly LiveProcess[];
  /** Still running: refused, or hanging in the kernel. */
  readonly alive: readonly LiveProcess[];
}

/** Carries a containment plan out, and looks again until nothing of the tree is left running. Repeating it is harmless. */
export class ContainmentRunner {
  constructor(
    private readonly control: ProcessControl,
    private readonly own: () => readonly OwnProcess[],
    private readonly whitelist: Whitelist,
    private readonly response: Pick<Settings['response'], 'suspend' | 'kill'>,
  ) {}

  /** Whom it would concern, without touching anybody. */
  async look(verdict: Verdict): Promise<Frozen> {
    const judged = await this.withoutWhitelisted(verdict, await this.control.list());
    return { ...judged, plan: await this.plan(judged.verdict), stopped: [], denied: [], interrupted: [], shells: [] };
  }

  /** Stops members, their drivers and all below them. What was forked between the look and the stop is found by looking again. */
  async freeze(verdict: Verdict): Promise<Frozen> {
    const first = await this.control.list();
    const judged = await this.withoutWhitelisted(verdict, first);
    const stopped = new Map<string, LiveProcess>();
    const denied = new Map<string, LiveProcess>();
    const interrupted = new Map<string, LiveProcess>();
    const shells = new Map<string, LiveProcess>();
    let plan = await this.plan(judged.verdict, first);
    let merged = plan;
    for (let round = 0; round < maxRounds; round += 1) {
      const fresh = plan.suspend.filter((process) => !stopped.has(identityKey(process)) && !denied.has(identityKey(process)));
      if (round > 0 && fresh.length === 0) break;
      if (this.response.suspend) {
        for (const process of fresh) {
          if (await this.interrupted(process, plan)) interrupted.set(identityKey(process), process);
          else (this.control.suspend(process) === 'denied' ? denied : stopped).set(identityKey(process), process);
        }
        await this.settled([...stopped.values()]);
      } else {
        for (const process of fresh) stopped.set(identityKey(process), process);
      }
      if (this.response.kill) for (const shell of this.breakLoops(plan)) shells.set(identityKey(shell), shell);
      plan = await this.plan(judged.verdict);
      merged = mergePlans(merged, plan);
    }
    return {
      ...judged,
      plan: merged,
      stopped: this.response.suspend ? [...stopped.values()] : [],
      denied: [...denied.values()],
      interrupted: [...interrupted.values()],
      shells: [...shells.values()],
    };
  }

  /** Ends what was stopped, and whatever of the tree is found after that. */
  async end(verdict: Verdict, frozen: Frozen): Promise<Ended> {
    const judged = {
      ...verdict,
      members: verdict.members.map((member) => (frozen.whitelisted.has(member.actor.key) ? { ...member, actionable: false } : member)),
    };
    const killed = new Map<string, LiveProcess>(frozen.interrupted.map((process) => [identityKey(process), process]));
    let plan = frozen.plan;
    let waiting: readonly LiveProcess[] = plan.kill;
    for (let round = 0; round < maxRounds && waiting.length > 0; round += 1) {
      const done = waiting.filter((process) => this.control.kill(process) === 'done');
      await Promise.all(done.map((process) => this.control.waitForEnd(process, endMs)));
      for (const process of done) killed.set(identityKey(process), process);
      const next = await this.plan(judged);
      // Once more for those that hang: not for ever, the list says that they are alive.
      waiting = next.kill.filter((process) => round < 2 || !killed.has(identityKey(process)));
      plan = mergePlans(plan, next);
    }
    const alive = plan.kill.filter((process) => this.control.isAlive(process));
    return { plan, killed: [...killed.values()].filter((process) => !this.control.isAlive(process)), alive };
  }

  private async plan(verdict: Verdict, known?: readonly LiveProcess[]): Promise<ContainmentPlan> {
    const live = known ?? (await this.control.list());
    return containmentTargets(verdict, live, this.own(), { bootId8: this.control.bootId8, whitelisted: await this.whitelist.ofProcesses(live) });
  }

  private async withoutWhitelisted(verdict: Verdict, live: readonly LiveProcess[]) {
    const listed = await this.whitelist.ofProcesses(live);
    const running = new Set(live.map(identityKey));
    const whitelisted = new Map<string, string>();
    for (const { actor, actionable } of verdict.members) {
      if (!actionable || !isProcessActor(actor)) continue;
      const reason = running.has(identityKey(actor)) ? listed.get(identityKey(actor)) : await this.whitelist.ofEndedActor(actor);
      if (reason !== undefined) whitelisted.set(actor.key, reason);
    }
    const members = verdict.members.map((member) => (whitelisted.has(member.actor.key) ? { ...member, actionable: false } : member));
    return { whitelisted, verdict: { ...verdict, members }, members: members.filter(({ actionable }) => actionable) };
  }

  /**
   * A loop typed into an interactive shell, which is never stopped itself: its shell goes on with the next file when a command is killed or stopped,
   * but gives the loop up when a command ends by an interrupt, as with Ctrl-C.
   */
  private async interrupted(process: LiveProcess, plan: ContainmentPlan): Promise<boolean> {
    if (!this.response.kill || !plan.interrupt.includes(process)) return false;
    // Not stopped first: to its shell it would be a job put aside, and the loop would go on.
    const isCertain = this.control.endsByInterrupt(process);
    if (this.control.interrupt(process) !== 'done') return false;
    return this.control.waitForEnd(process, isCertain ? certainEndMs : interruptGraceMs);
  }

  /** As a person would at that terminal: what runs in the foreground is interrupted, and the shell, which may be between two commands. Returns the shells. */
  private breakLoops({ typedLoops }: ContainmentPlan): LiveProcess[] {
    return typedLoops
      .filter(({ shell, foreground }) => {
        for (const process of foreground) this.control.interrupt(process);
        return this.control.interrupt(shell) === 'done';
      })
      .map(({ shell }) => shell);
  }

  private async settled(stopped: readonly LiveProcess[]): Promise<void> {
    const deadline = performance.now() + settleMs;
    const waitedFor = new Set(stopped.map(identityKey));
    while (performance.now() < deadline) {
      const running = (await this.control.list()).some(
        (process) => waitedFor.has(identityKey(process)) && process.state !== 'T' && process.state !== 't',
      );
      if (!running) return;
      await delay(1);
    }
  }
}

/** What was seen in either look: a process that ended in between is still one of the attackers. */
function mergePlans(earlier: ContainmentPlan, later: ContainmentPlan): ContainmentPlan {
  const union = (left: readonly LiveProcess[], right: readonly LiveProcess[]) => [
    ...new Map([...left, ...right].map((process) => [identityKey(process), process])).values(),
  ];
  const known = new Set(earlier.spare.map(({ process }) => identityKey(process)));
  const running = new Set([...earlier.suspend, ...later.suspend].map(identityKey));
  return {
    suspend: union(earlier.suspend, later.suspend),
    kill: union(earlier.kill, later.kill),
    interrupt: union(earlier.interrupt, later.interrupt),
    typedLoops: later.typedLoops,
    attackers: union(earlier.attackers, later.attackers),
    roots: earlier.roots.length > 0 ? earlier.roots : later.roots,
    spare: [...earlier.spare, ...later.spare.filter(({ process }) => !known.has(identityKey(process)))],
    ended: later.ended.filter((actor) => !isProcessActor(actor) || !running.has(identityKey(actor))),
    uncontained: later.uncontained,
  };
}
