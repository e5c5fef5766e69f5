import { setTimeout as delay } from 'node:timers/promises';
import type { ActionStatus, JournalPosition } from '@kuramori/contracts';
import type { ProcessControl } from '@kuramori/platform';
import { addAction, addReport, goTo, undoStarted } from '../domain/case-changes';
import type { IncidentCase } from '../domain/incident-case';
import { leftByUndo, undoneSinceMs, undoOf } from '../domain/undo-of-case';
import { nextStep, type StepSettings, type StepTimes } from '../domain/next-step';
import type { CaseChange, IncidentStore } from '../store/incident-store';
import { describeReport, maxDetailedItems } from './describe';
import type { ProgramQuarantine } from './program-quarantine';
import { CommandRefusedError, type Services } from './services';

export interface CaseWorkerPorts {
  readonly store: Pick<IncidentStore, 'change' | 'get'>;
  readonly services: Services;
  readonly programs: Pick<ProgramQuarantine, 'handle'>;
  readonly control: Pick<ProcessControl, 'resume'>;
  /** Events were written. */
  readonly written: () => void;
  readonly now: () => number;
}

const firstRetryMs = 250;
/** While a service is being started again by its supervisor, seconds matter; after a minute they don't. */
const lastRetryMs = 5000;
/** The watcher is asked for its position this long; then the undo goes on with what the journal has, which a rescan makes complete later. */
const flushTriesMs = 20_000;

/** Moves each case on, one step at a time, from what is recorded of it. Steps may run twice (a crash in between); each is made for that. */
export class CaseWorker {
  private readonly running = new Map<string, { again: boolean; interrupt: AbortController; done: Promise<void> }>();
  private readonly failures = new Map<string, string>();
  private stopped = false;

  constructor(
    private readonly ports: CaseWorkerPorts,
    private readonly settings: StepSettings,
    private readonly times: StepTimes,
  ) {}

  /** What can't be done just now, and is tried again. */
  problems(): string[] {
    return [...new Set(this.failures.values())];
  }

  /** Something changed about this incident. Returns at once. */
  wake(incidentId: string): void {
    if (this.stopped) return;
    const known = this.running.get(incidentId);
    if (known !== undefined) {
      known.again = true;
      known.interrupt.abort();
      return;
    }
    const entry = { again: false, interrupt: new AbortController(), done: Promise.resolve() };
    this.running.set(incidentId, entry);
    entry.done = this.drive(incidentId, entry).finally(() => {
      this.running.delete(incidentId);
      this.failures.delete(incidentId);
      if (entry.again) this.wake(incidentId);
    });
  }

  /** Resolves when nothing is left to do for this incident, or after the time. */
  async idle(incidentId: string, timeoutMs: number): Promise<void> {
    const entry = this.running.get(incidentId);
    if (entry === undefined) return;
    const timer = new AbortController();
    await Promise.race([entry.done, delay(timeoutMs, undefined, { signal: timer.signal }).catch(() => undefined)]);
    timer.abort();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    for (const { interrupt } of this.running.values()) interrupt.abort();
    await Promise.all([...this.running.values()].map(({ done }) => done));
  }

  private async drive(incidentId: string, entry: { again: boolean; interrupt: AbortController }): Promise<void> {
    let retryMs = firstRetryMs;
    while (!this.stopped) {
      entry.again = false;
      entry.interrupt = new AbortController();
      try {
        const current = await this.ports.store.get(incidentId);
        if (current === undefined) return;
        const step = nextStep(current, this.settings, this.times, this.ports.now());
        if (step.kind === 'none') return;
        if (step.kind === 'wait') {
          this.failures.delete(incidentId);
          await this.pause(Math.max(1, step.untilMs - this.ports.now()), entry);
          continue;
        }
        await this.take(step.kind, current);
        this.failures.delete(incidentId);
        retryMs = firstRetryMs;
      } catch (error) {
        this.failures.set(incidentId, `incident ${incidentId.slice(0, 8)} waits: ${error instanceof Error ? error.message : String(error)}`);
        await this.pause(retryMs, entry);
        retryMs = Math.min(lastRetryMs, retryMs * 2);
      }
    }
  }

  private async pause(ms: number, entry: { again: boolean; interrupt: AbortController }): Promise<void> {
    if (entry.again || this.stopped) return;
    // Node's timers hold 31 bits of milliseconds.
    await delay(Math.min(ms, 0x7fff_ffff), undefined, { signal: entry.interrupt.signal }).catch(() => undefined);
  }

  private async take(step: 'pin' | 'undo' | 'programs' | 'restored' | 'close' | 'release', current: IncidentCase): Promise<void> {
    switch (step) {
      case 'pin':
        return this.pin(current);
      case 'undo':
        return this.undo(current);
      case 'programs':
        return this.handleProgram(current);
      case 'release':
        return this.release(current);
      case 'restored':
        return this.change(current, (now) => this.moved(now, 'restored'));
      case 'close':
        return this.change(current, (now) => {
          // A verdict may have come in since the step was chosen.
          const still = nextStep(now, this.settings, this.times, this.ports.now());
          return still.kind === 'close' ? this.moved(now, 'closed') : undefined;
        });
    }
  }

  private async pin(current: IncidentCase): Promise<void> {
    const keys = current.actors.map(({ key }) => key);
    const refused = await this.permanently(
      this.ports.services.pin({ reason: `incident ${current.incident.id}`, level: 'attack', actors: keys, sinceMs: undoneSinceMs(current) }),
    );
    await this.change(current, (now) => ({
      next: {
        ...this.noted(now, 'pin', refused === undefined ? 'done' : 'failed', refused ?? 'the last clean versions of the files concerned are kept'),
        pinned: true,
      },
      events: [],
    }));
  }

  private async undo(current: IncidentCase): Promise<void> {
    const round = current.undo.wanted;
    // The last run may have ended between the vault's answer and its being written down.
    const interrupted = current.undo.started === round && current.undo.done < round;
    await this.note(current, 'restore', 'running', 'waiting until the journal has caught up, then undoing what the attacker did');
    const position = await this.position();
    await this.change(current, (now) => ({ next: undoStarted(now, round, position), events: [] }));
    const command = undoOf(current, { dryRun: false, position });
    const report = await this.ports.services.undo(command).catch((error: unknown) => {
      if (error instanceof CommandRefusedError && error.code !== 'failed') return error;
      throw error;
    });
    if (report instanceof CommandRefusedError) {
      await this.change(current, (now) => ({
        next: {
          ...this.noted(now, 'restore', 'failed', `${report.message}; use \`kuramori restore --incident ${now.incident.id}\` when that is mended`),
          undo: { ...now.undo, wanted: round - 1 },
        },
        events: ['updated'],
      }));
      return;
    }
    const { counts, problems, hasFailed } = describeReport(report);
    const left = leftByUndo(current);
    const detail = [
      interrupted ? `${counts} (second run after an interruption: what the first restored counts as intact)` : counts,
      ...(position === undefined ? ['the watcher did not say how far the journal must come; a rescan makes it complete'] : []),
      ...problems,
      ...(left === undefined ? [] : [left]),
    ].join('; ');
    await this.change(current, (now) => {
      const next = this.noted(addReport(now, report, round), 'restore', hasFailed ? 'failed' : 'done', detail);
      // From `contained` the state moves on by itself; a further round on a restored incident is news.
      return {
        next: report.quarantined > 0 ? this.noted(next, 'clean-up', 'done', `${report.quarantined} notes and leftovers are in quarantine`) : next,
        events: now.incident.state === 'restored' ? ['updated'] : [],
      };
    });
  }

  /** Where the watcher is now; undefined when it does not answer for a while. */
  private async position(): Promise<JournalPosition | undefined> {
    const deadlineMs = this.ports.now() + flushTriesMs;
    for (let retryMs = firstRetryMs; !this.stopped; retryMs = Math.min(2000, retryMs * 2)) {
      try {
        return await this.ports.services.flush();
      } catch (error) {
        if (this.ports.now() >= deadlineMs) return undefined;
        if (error instanceof CommandRefusedError && error.code !== 'failed') return undefined;
        await delay(retryMs);
      }
    }
    throw new Error('the responder is stopping');
  }

  private async handleProgram(current: IncidentCase): Promise<void> {
    const candidate = current.programs.waiting[0];
    if (candidate === undefined) return;
    const outcome = await this.ports.programs.handle(candidate, current.incident.id).catch((error: unknown) => {
      if (error instanceof CommandRefusedError)
        return { status: 'failed' as const, detail: `${candidate.path} could not be moved to quarantine: ${error.message}; end its use by hand` };
      throw error;
    });
    await this.change(current, (now) => {
      const noted = this.noted(now, 'quarantine-program', outcome.status, outcome.detail);
      const sha256 = 'sha256' in outcome ? outcome.sha256 : undefined;
      const actor =
        now.incident.actor.exe === candidate.path && sha256 !== undefined ? { ...now.incident.actor, exeSha256: sha256 } : now.incident.actor;
      const waiting = now.programs.waiting.filter(({ path }) => path !== candidate.path);
      const last = waiting.length === 0 && now.incident.state === 'restored';
      return { next: { ...noted, incident: { ...noted.incident, actor }, programs: { ...now.programs, waiting } }, events: last ? ['updated'] : [] };
    });
  }

  /** Puts back what the response to a false alarm changed: quarantined entries to their places, stopped processes to work. */
  private async release(current: IncidentCase): Promise<void> {
    const entries = await this.ports.services.quarantined(current.incident.id);
    const failed: string[] = [];
    let released = 0;
    for (const { id, path, reason } of entries) {
      const problem =
        (await this.permanently(this.ports.services.release({ id }))) === undefined
          ? undefined
          : // Its place is taken by what the undo put there: nothing is overwritten, so it goes beside it.
            reason === 'replaced'
            ? await this.permanently(this.ports.services.release({ id, to: `${path}.before-undo` }))
            : `${path} stays in quarantine (${id})`;
      if (problem === undefined) released += 1;
      else failed.push(problem);
    }
    const resumed = current.suspended.filter((process) => this.ports.control.resume(process) === 'done').length;
    const detail = `${released} of ${entries.length} quarantined entries put back, ${resumed} stopped processes resumed${failed.length === 0 ? '' : `; ${failed.slice(0, maxDetailedItems).join('; ')}`}`;
    await this.change(current, (now) =>
      now.release === 'wanted'
        ? {
            next: { ...this.noted(now, 'release', failed.length === 0 ? 'done' : 'failed', detail), release: 'done', suspended: [] },
            events: ['updated'],
          }
        : undefined,
    );
  }

  /** The reason when the other service says no for good; other failures are thrown and tried again. */
  private async permanently(call: Promise<unknown>): Promise<string | undefined> {
    try {
      await call;
      return undefined;
    } catch (error) {
      if (error instanceof CommandRefusedError) return error.message;
      throw error;
    }
  }

  private moved(current: IncidentCase, state: 'restored' | 'closed'): CaseChange {
    const { next, event } = goTo(current, state, this.ports.now());
    return { next, events: event === undefined ? [] : [event] };
  }

  private noted(current: IncidentCase, name: string, status: ActionStatus, detail: string): IncidentCase {
    return addAction(current, name, status, detail, this.ports.now());
  }

  private async note(current: IncidentCase, name: string, status: ActionStatus, detail: string): Promise<void> {
    await this.change(current, (now) => ({ next: this.noted(now, name, status, detail), events: [] }));
  }

  private async change(current: IncidentCase, change: (now: IncidentCase) => CaseChange | undefined): Promise<void> {
    await this.ports.store.change({ id: current.incident.id }, (now) => (now === undefined ? undefined : change(now)));
    this.ports.written();
  }
}
