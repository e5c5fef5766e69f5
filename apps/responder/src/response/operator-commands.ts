import { CommandError } from '@kuramori/bus';
import { DecideCommand, type Incident, IncidentQuery, IncidentsQuery, parseMessage } from '@kuramori/contracts';
import { decide } from '../domain/case-changes';
import type { IncidentStore } from '../store/incident-store';

/** Incidents in one answer: with evidence and actions each has up to some 100 KiB, and the bus carries 1 MiB. */
const maxListed = 200;
const maxReplyBytes = 900 * 1024;
/** A false alarm is usually put back within this time; the answer then tells what came of it. */
const releaseWaitMs = 8000;

export interface OperatorPorts {
  readonly store: Pick<IncidentStore, 'change' | 'get' | 'list' | 'withPrefix'>;
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
