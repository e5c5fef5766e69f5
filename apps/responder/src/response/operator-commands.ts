import { CommandError } from '@kuramori/bus';
import {
  DecideCommand,
  type Incident,
  IncidentQuery,
  IncidentsQuery,
  parseMessage,
  type RestoreReport,
  UndoIncidentCommand,
} from '@kuramori/contracts';
import { addAction, addReport, decide } from '../domain/case-changes';
import { leftByUndo, undoOf } from '../domain/undo-of-case';
import type { IncidentStore } from '../store/incident-store';
import { describeReport } from './describe';
import { CommandRefusedError, type Services } from './services';

/** Incidents in one answer: with evidence and actions each has up to some 100 KiB, and a site's own NATS takes 1 MiB. */
const maxListed = 200;
const maxReplyBytes = 900 * 1024;
/** A false alarm is usually put back within this time; the answer then tells what came of it. */
const releaseWaitMs = 8000;

export interface OperatorPorts {
  readonly store: Pick<IncidentStore, 'change' | 'get' | 'list' | 'withPrefix'>;
  readonly services: Pick<Services, 'flush' | 'undo'>;
  readonly changed: (incidentId: string) => void;
  readonly falseAlarm: (attackId: string, falseAlarm: boolean) => void;
  readonly idle: (incidentId: string, timeoutMs: number) => Promise<void>;
  readonly now: () => number;
}

/** The commands that people and other systems may send to the responder. @throws InvalidMessageError | CommandError for what can't be done as asked */
export class OperatorCommands {
  constructor(private readonly ports: OperatorPorts) {}

  async incidents(payload: unknown): Promise<{ incidents: Incident[] }> {
    const query = parseMessage(IncidentsQuery, payload);
    return { incidents: shortened(await this.ports.store.list(query.sinceMs ?? 0, Math.min(query.limit ?? 50, maxListed))) };
  }

  async incident(payload: unknown): Promise<{ incident: Incident }> {
    return { incident: await this.one(parseMessage(IncidentQuery, payload).id) };
  }

  async decide(payload: unknown): Promise<{ incident: Incident }> {
    const command = parseMessage(DecideCommand, payload);
    const { id } = await this.one(command.id);
    const before = await this.ports.store.get(id);
    if (before === undefined) throw notFound(id);
    // Before the write: a verdict that comes in meanwhile must not stop what was just called harmless.
    if (command.decision === 'false-alarm') this.ports.falseAlarm(before.attackId, true);
    const refused: string[] = [];
    const changed = await this.ports.store
      .change({ id }, (current) => {
        if (current === undefined) return undefined;
        const outcome = decide(current, command.decision, this.ports.now());
        if (!outcome.ok) {
          refused.push(outcome.error);
          return undefined;
        }
        const { next, event } = outcome.changed;
        return { next, events: event === undefined ? [] : [event] };
      })
      .catch((error: unknown) => {
        this.ports.falseAlarm(before.attackId, before.incident.state === 'false_alarm');
        throw error;
      });
    this.ports.falseAlarm(before.attackId, changed?.incident.state === 'false_alarm');
    if (changed === undefined) throw notFound(id);
    const [refusal] = refused;
    if (refusal !== undefined) throw new CommandError('failed', refusal);
    this.ports.changed(id);
    if (command.decision === 'false-alarm') await this.ports.idle(id, releaseWaitMs);
    return { incident: (await this.ports.store.get(id))?.incident ?? changed.incident };
  }

  /** As the responder does it by itself, whatever the settings say; written into the incident when it was done. */
  async undo(payload: unknown): Promise<RestoreReport> {
    const { id: prefix, dryRun } = parseMessage(UndoIncidentCommand, payload);
    const { id } = await this.one(prefix);
    const current = await this.ports.store.get(id);
    if (current === undefined) throw notFound(id);
    // Where the watcher is away, the journal as it is will do: a later round finds the rest.
    const position = await this.ports.services.flush().catch(() => undefined);
    const report = await this.ports.services.undo(undoOf(current, { dryRun, position })).catch((error: unknown) => {
      throw error instanceof CommandRefusedError ? new CommandError(error.code, error.message) : error;
    });
    if (dryRun) return report;
    const { counts, problems, hasFailed } = describeReport(report);
    await this.ports.store.change({ id }, (now) => {
      if (now === undefined) return undefined;
      const left = leftByUndo(now);
      const detail = [`asked for by the operator: ${counts}`, ...problems, ...(left === undefined ? [] : [left])].join('; ');
      const next = addAction(addReport(now, report, now.undo.wanted), 'restore', hasFailed ? 'failed' : 'done', detail, this.ports.now());
      return { next, events: ['updated'] };
    });
    this.ports.changed(id);
    return report;
  }

  private async one(prefix: string): Promise<Incident> {
    const [incident, another] = await this.ports.store.withPrefix(prefix.toLowerCase(), 2);
    if (incident === undefined) throw notFound(prefix);
    if (another !== undefined) throw new CommandError('invalid', `id: more than one incident begins with ${prefix}; give more characters`);
    return incident;
  }
}

function notFound(id: string): CommandError {
  return new CommandError('not-found', `id: there is no incident ${id}; \`kuramori incidents\` lists them`);
}

/** Cuts evidence and actions of a long list until the answer fits; one incident alone is always asked for in full. */
function shortened(incidents: readonly Incident[]): Incident[] {
  let keep = 100;
  let answer = [...incidents];
  while (keep > 0 && Buffer.byteLength(JSON.stringify(answer)) > maxReplyBytes) {
    keep = Math.floor(keep / 2);
    answer = incidents.map((incident) => ({
      ...incident,
      evidence: incident.evidence.slice(0, keep),
      actions: incident.actions.slice(0, keep),
      actor: { ...incident.actor, processTree: incident.actor.processTree.slice(0, keep) },
    }));
  }
  return answer;
}
