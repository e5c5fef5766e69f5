import { setTimeout as delay } from 'node:timers/promises';
import type { Settings } from '@kuramori/config';
import type { ActionStatus, IncidentEvent, ProcessRef, Verdict } from '@kuramori/contracts';
import {
  addAction,
  addActors,
  addContained,
  addVerdict,
  goTo,
  incidentIdOf,
  openCase,
  setContainment,
  verdictHandled,
  wantUndo,
} from '../domain/case-changes';
import { identityKey, refOf } from '../domain/containment';
import type { Containment, IncidentCase } from '../domain/incident-case';
import type { CaseChange, IncidentStore } from '../store/incident-store';
import type { ContainmentRunner, Ended, Frozen } from './containment-runner';
import { processes, sparedList } from './describe';

export interface VerdictHandlerPorts {
  readonly store: Pick<IncidentStore, 'change'>;
  readonly runner: Pick<ContainmentRunner, 'look' | 'freeze' | 'end'>;
  /** Something was written for this incident: go on with it, publish its events. */
  readonly changed: (incidentId: string) => void;
  /** Suspicion: versions of these actors' files must stay. Not waited for. */
  readonly pin: (verdict: Verdict) => void;
  readonly bootId8: string;
  readonly now: () => number;
}

/**
 * Writing is tried this long before the verdict goes back to the bus, which delivers it again: with its 20 deliveries a full disk may last a quarter of
 * an hour. The attacker is stopped before any of it.
 */
const writeTriesMs = 40_000;
const writeRetryMs = 500;
const maxRemembered = 10_000;

interface Step {
  readonly name: string;
  readonly status: ActionStatus;
  readonly detail: string;
}

/** Acts on verdicts: stops first, writes then. A verdict that comes again acts once. */
export class VerdictHandler {
  /** Why incidents can't be written just now; undefined while all is well. */
  failure: string | undefined;
  private readonly handled = new Set<string>();
  private readonly falseAlarms = new Set<string>();

  constructor(
    private readonly ports: VerdictHandlerPorts,
    private readonly mode: Settings['mode'],
    private readonly response: Settings['response'],
  ) {}

  /** What earlier runs of the service did. Called before the first verdict. */
  remember(verdictIds: readonly string[], falseAlarmAttacks: readonly string[]): void {
    for (const id of verdictIds) this.handled.add(id);
    for (const id of falseAlarmAttacks) this.falseAlarms.add(id);
  }

  /** The operator's word about an attack: from now on its verdicts stop nobody, or they do again. */
  setFalseAlarm(attackId: string, falseAlarm: boolean): void {
    if (falseAlarm) this.falseAlarms.add(attackId);
    else this.falseAlarms.delete(attackId);
  }

  /** Resolves when the verdict was acted on and written down. @throws when it could not be written; it is then to be delivered again */
  async handle(verdict: Verdict): Promise<void> {
    if (this.handled.has(verdict.id)) return;
    if (verdict.level === 'suspicion') this.ports.pin(verdict);
    else if (verdict.level === 'warning') await this.warn(verdict);
    else if (this.falseAlarms.has(verdict.attackId)) await this.noteFalseAlarm(verdict);
    else if (this.mode === 'observe') await this.observe(verdict);
    else await this.contain(verdict);
    if (this.handled.size >= maxRemembered) this.handled.clear();
    this.handled.add(verdict.id);
  }

  private async warn(verdict: Verdict): Promise<void> {
    await this.write(verdict, (current) => {
      if (current?.incident.state === 'false_alarm') return undefined;
      const { next, events } = this.entered(current, verdict);
      // Nothing is done by itself; the operator may ask for the undo of what is known by name.
      const named = verdict.members.filter(({ actor }) => actor.kind !== 'unknown');
      return { next: verdictHandled(addActors(next, named, [], verdict), verdict.id), events };
    });
  }

  private async noteFalseAlarm(verdict: Verdict): Promise<void> {
    await this.write(verdict, (current) => {
      if (current === undefined) return undefined;
      const noted = addAction(
        current,
        'contain',
        'skipped',
        'judged again, but the operator called it a false alarm: nothing was done',
        this.ports.now(),
      );
      return { next: verdictHandled(noted, verdict.id), events: noted === current ? [] : ['updated'] };
    });
  }

  private async observe(verdict: Verdict): Promise<void> {
    const { plan, whitelisted, members } = await this.ports.runner.look(verdict);
    const steps: Step[] = [];
    if (whitelisted.size > 0) steps.push(whitelistStep(whitelisted));
    if (plan.suspend.length > 0)
      steps.push(
        { name: 'suspend', status: 'would-do', detail: `would stop ${processes(plan.suspend)}` },
        { name: 'kill', status: 'would-do', detail: `would end ${processes(plan.kill)}` },
      );
    else
      steps.push({
        name: 'contain',
        status: 'would-do',
        detail: plan.ended.length > 0 ? 'its processes had ended already' : 'there is no process that could be stopped',
      });
    if (plan.spare.length > 0) steps.push({ name: 'contain', status: 'would-do', detail: `would leave running ${sparedList(plan.spare)}` });
    if (members.length > 0)
      steps.push({
        name: 'restore',
        status: 'would-do',
        detail: `would undo the changes of ${members.length} actor${members.length === 1 ? '' : 's'} with evidence of its own`,
      });
    await this.write(verdict, (current) => {
      const { next, events } = this.entered(current, whitelisted.size > 0 && members.length === 0 ? quiet(verdict) : verdict);
      // Nothing is done by itself; the operator may ask for the undo.
      const known = addActors({ ...addContained(next, plan), handsOff: 'observe' }, members, this.keysOf(plan.suspend), verdict);
      return { next: verdictHandled(this.audited(known, steps), verdict.id), events };
    });
  }

  private async contain(verdict: Verdict): Promise<void> {
    const startedMs = this.ports.now();
    const frozen = await this.ports.runner.freeze(verdict);
    const stoppedMs = this.ports.now();
    if (frozen.whitelisted.size > 0 && frozen.members.length === 0) {
      await this.spareWhitelisted(verdict, frozen);
      return;
    }
    const opening = (current: IncidentCase | undefined): CaseChange => this.opening(current, verdict, frozen, stoppedMs, stoppedMs - startedMs);
    // One attempt before the kill, so that a crash in between leaves a record; a database that can't be written does not save the attacker.
    const opened = await this.attempt(verdict, opening).then(
      () => true,
      (error: unknown) => {
        this.noteFailure(error);
        return false;
      },
    );
    const ended = this.response.kill ? await this.ports.runner.end(verdict, frozen) : undefined;
    await this.write(verdict, (current) => {
      if (current?.verdictIds.includes(verdict.id) === true) return undefined;
      const begun = opened && current !== undefined ? { next: current, events: [] } : opening(current);
      const { next, event } = this.contained(begun.next, verdict, frozen, ended);
      return { next, events: [...begun.events, event] };
    });
  }

  private async spareWhitelisted(verdict: Verdict, frozen: Frozen): Promise<void> {
    await this.write(verdict, (current) => {
      // A listed program at work for hours is one record, not a new opening with each verdict.
      if (current?.incident.state === 'closed' && current.handsOff === 'whitelist') {
        return { next: verdictHandled(addVerdict(current, quiet(verdict), this.ports.now()), verdict.id), events: [] };
      }
      const { next, events } = this.entered(current, quiet(verdict));
      const handsOff = next.attack ? next.handsOff : 'whitelist';
      return { next: verdictHandled(this.audited({ ...next, handsOff }, [whitelistStep(frozen.whitelisted)]), verdict.id), events };
    });
  }

  /** The incident as it stands with this verdict; opened where there is none, opened again where it was closed. */
  private entered(current: IncidentCase | undefined, verdict: Verdict): CaseChange {
    const nowMs = this.ports.now();
    const known = current ?? openCase(verdict, nowMs);
    const next = addVerdict(known, verdict, nowMs);
    if (current !== undefined && current.incident.state !== 'closed') return { next, events: ['updated'] };
    const { next: opened, event } = goTo(next, 'opened', nowMs);
    return { next: opened, events: event === undefined ? [] : [event] };
  }

  private opening(current: IncidentCase | undefined, verdict: Verdict, frozen: Frozen, stoppedMs: number, tookMs: number): CaseChange {
    const { next, events } = this.entered(current, verdict);
    const steps: Step[] = [];
    if (!this.response.suspend) steps.push({ name: 'suspend', status: 'skipped', detail: 'response.suspend is off' });
    else if (frozen.stopped.length > 0)
      steps.push({
        name: 'suspend',
        status: 'done',
        detail: `stopped ${processes(frozen.stopped)}, ${Math.round(tookMs)} ms after the verdict arrived`,
      });
    if (frozen.denied.length > 0)
      steps.push({
        name: 'suspend',
        status: 'failed',
        detail: `the system refused to stop ${processes(frozen.denied)}; the responder needs root or CAP_KILL`,
      });
    if (frozen.interrupted.length > 0)
      steps.push({ name: 'suspend', status: 'done', detail: `interrupted ${processes(frozen.interrupted)}, started from an interactive shell` });
    if (frozen.shells.length > 0)
      steps.push({
        name: 'interrupt',
        status: 'done',
        detail: `broke off what was typed into ${processes(frozen.shells)}; the shell itself goes on`,
      });
    if (frozen.whitelisted.size > 0) steps.push(whitelistStep(frozen.whitelisted));
    const prepared = this.audited({ ...addContained(next, frozen.plan), handsOff: 'no' }, steps, stoppedMs);
    const running = frozen.plan.kill.length > 0;
    const planned =
      this.response.kill && running ? addAction(prepared, 'kill', 'planned', `to end ${processes(frozen.plan.kill)}`, this.ports.now()) : prepared;
    // A known incident is told of once, with what came of it.
    return { next: planned, events: events.filter((event) => event !== 'updated') };
  }

  private contained(begun: IncidentCase, verdict: Verdict, frozen: Frozen, ended: Ended | undefined): { next: IncidentCase; event: IncidentEvent } {
    const nowMs = this.ports.now();
    const plan = ended?.plan ?? frozen.plan;
    const steps: Step[] = [];
    if (ended !== undefined && ended.killed.length > 0) steps.push({ name: 'kill', status: 'done', detail: `ended ${processes(ended.killed)}` });
    if (ended !== undefined && ended.alive.length > 0)
      steps.push({ name: 'kill', status: 'failed', detail: `still running: ${processes(ended.alive)}; end it by hand or restart the machine` });
    if (!this.response.kill) {
      const kept =
        this.response.suspend && frozen.stopped.length > 0
          ? `; ${processes(frozen.stopped)} stay stopped until they are ended by hand or the incident is called a false alarm`
          : '';
      steps.push({ name: 'kill', status: 'skipped', detail: `response.kill is off${kept}` });
    }
    if (plan.spare.length > 0) steps.push({ name: 'spare', status: 'skipped', detail: `left running ${sparedList(plan.spare)}` });
    const { containment, step } = this.judge(begun, frozen, plan.uncontained, ended);
    steps.push(step);
    let next = verdictHandled(this.audited(addContained(begun, plan), steps, nowMs), verdict.id);
    // Also those that were stopped and had ended by themselves before they could be killed: what they left is the attack's.
    const attackers = new Map([...frozen.stopped, ...(ended?.killed ?? [])].map((process) => [identityKey(process), process]));
    next = addActors(next, frozen.members, this.keysOf([...attackers.values()]), verdict);
    // Once somebody could not be stopped, every later undo of this attack waits until it is quiet.
    next = setContainment(next, next.containment === 'impossible' ? 'impossible' : containment);
    if (frozen.members.length > 0) next = wantUndo(next);
    if (!this.response.restore)
      next = addAction(next, 'restore', 'skipped', 'response.restore is off; `kuramori restore --incident` undoes the changes', nowMs);
    if (!this.response.kill && this.response.suspend) next = { ...next, suspended: [...next.suspended, ...frozen.stopped.map(refOf)].slice(-1000) };
    // New work on an incident whose files were back already: they may not be any more.
    const { next: moved, event } = goTo(next, containment === 'done' ? 'contained' : 'opened', nowMs);
    return { next: moved, event: event ?? 'updated' };
  }

  private judge(
    begun: IncidentCase,
    frozen: Frozen,
    uncontained: Frozen['plan']['uncontained'],
    ended: Ended | undefined,
  ): { containment: Containment; step: Step } {
    const unknown = frozen.members.filter(({ actor }) => actor.kind === 'unknown').length;
    const clients = frozen.members.filter(({ actor }) => actor.kind === 'smb-client').map(({ actor }) => actor.client ?? actor.key);
    const impossible = (detail: string) => ({ containment: 'impossible' as const, step: { name: 'contain', status: 'failed' as const, detail } });
    if (frozen.members.length === 0)
      return {
        containment: 'impossible',
        step: { name: 'contain', status: 'skipped', detail: 'no member of the group has enough evidence of its own: nobody was stopped' },
      };
    if (unknown > 0 && unknown === frozen.members.length && begun.containment === 'done') {
      return {
        containment: 'done',
        step: {
          name: 'contain',
          status: 'skipped',
          detail: 'more of the same attack was found by comparing the disk with the catalogue: who did it was not seen; it is undone too',
        },
      };
    }
    if (unknown > 0) {
      return impossible(
        'containment was not possible: the sensor does not know which process did it. Files are restored when it has been quiet; find and end the program, or use the fanotify sensor',
      );
    }
    if (clients.length > 0)
      return impossible(`containment was not possible: the SMB client ${clients.join(', ')} can't be blocked yet. Disconnect it from the network`);
    if (uncontained.length > 0)
      return impossible(`containment was not possible: ${sparedList(uncontained)}. Files are restored when it has been quiet`);
    if (!this.response.suspend && !this.response.kill)
      return {
        containment: 'not-wanted',
        step: { name: 'contain', status: 'skipped', detail: 'response.suspend and response.kill are off: nobody was stopped' },
      };
    if (frozen.denied.length > 0 && ended === undefined) return impossible('containment was not possible: the system refused it');
    if (ended !== undefined && ended.alive.length > 0) return impossible(`containment is not complete: ${processes(ended.alive)} still running`);
    const gone = frozen.plan.ended.length;
    const stopped = ended === undefined ? frozen.stopped.length : ended.killed.length;
    const detail =
      stopped === 0
        ? `its ${gone === 1 ? 'process' : `${gone} processes`} had ended already`
        : `nothing of it is running any more${gone === 0 ? '' : ` (${gone} had ended already)`}`;
    return {
      containment: 'done',
      step: { name: 'contain', status: 'done', detail: ended === undefined ? `everything of it that ran is stopped` : detail },
    };
  }

  /** Processes as the sensor names them as actors. */
  private keysOf(processes: readonly ProcessRef[]): { readonly key: string }[] {
    return processes.map((process) => ({ key: `process:${this.ports.bootId8}:${identityKey(process)}` }));
  }

  private audited(current: IncidentCase, steps: readonly Step[], atMs = this.ports.now()): IncidentCase {
    return steps.reduce((next, { name, status, detail }) => addAction(next, name, status, detail, atMs), current);
  }

  private async write(verdict: Verdict, change: (current: IncidentCase | undefined) => CaseChange | undefined): Promise<void> {
    const deadlineMs = this.ports.now() + writeTriesMs;
    for (;;) {
      try {
        await this.attempt(verdict, change);
        return;
      } catch (error) {
        this.noteFailure(error);
        if (this.ports.now() >= deadlineMs) throw error;
        await delay(writeRetryMs);
      }
    }
  }

  private async attempt(verdict: Verdict, change: (current: IncidentCase | undefined) => CaseChange | undefined): Promise<void> {
    await this.ports.store.change({ attackId: verdict.attackId }, change);
    this.failure = undefined;
    this.ports.changed(incidentIdOf(verdict.attackId));
  }

  private noteFailure(error: unknown): void {
    this.failure = `incidents can't be written: ${error instanceof Error ? error.message : String(error)}; free space in dataDir`;
  }
}

/** Recorded without weight: neither a mail nor an action. */
function quiet(verdict: Verdict): Verdict {
  return { ...verdict, level: 'warning' };
}

function whitelistStep(whitelisted: ReadonlyMap<string, string>): Step {
  const items = [...whitelisted].slice(0, 12).map(([key, reason]) => `${key} (${reason})`);
  return { name: 'contain', status: 'skipped', detail: `on the whitelist, not acted on: ${items.join(', ')}` };
}
