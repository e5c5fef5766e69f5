import { type Incident, IncidentCloudEvent, type IncidentEvent, subjects } from '@kuramori/contracts';
import { type DataSource, type EntityManager, LessThan, Like, MoreThanOrEqual } from 'typeorm';
import { countEvent } from '../domain/case-changes';
import type { IncidentCase } from '../domain/incident-case';
import { IncidentRow, OutboxRow, SettingRow } from './rows';

export interface OutgoingEvent {
  readonly sequence: number;
  readonly messageId: string;
  readonly subject: string;
  readonly body: object;
}

/** A case's next form, and the events that tell of it in their order. */
export interface CaseChange {
  readonly next: IncidentCase;
  readonly events: readonly IncidentEvent[];
}

/** The incidents and the outbox. All access runs one after the other: TypeORM has one SQLite connection, and transactions on it must not mingle. */
export class IncidentStore {
  private queue: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly source: DataSource,
    private readonly now: () => number = Date.now,
  ) {}

  /**
   * Reads a case, lets `change` make the next form of it, and writes that together with its events, or nothing at all. `change` may return undefined
   * for "nothing to do". Returns the case as it stands then.
   */
  async change(
    where: { readonly id: string } | { readonly attackId: string },
    change: (current: IncidentCase | undefined) => CaseChange | undefined,
  ): Promise<IncidentCase | undefined> {
    return this.inTurn(() =>
      this.source.transaction(async (manager) => {
        const row = await manager.findOneBy(IncidentRow, where);
        const current = row === null ? undefined : readCase(row);
        const result = change(current);
        if (result === undefined) return current;
        let next = result.next;
        for (const event of result.events) {
          next = countEvent(next);
          await manager.insert(OutboxRow, this.outgoing(next, event));
        }
        await this.write(manager, next);
        return next;
      }),
    );
  }

  async get(id: string): Promise<IncidentCase | undefined> {
    return this.inTurn(async () => {
      const row = await this.source.manager.findOneBy(IncidentRow, { id });
      return row === null ? undefined : readCase(row);
    });
  }

  /** All incidents whose id begins so; at most `limit`. The prefix is a part of a UUID: other characters match nothing. */
  async withPrefix(prefix: string, limit: number): Promise<Incident[]> {
    if (!/^[0-9a-f-]+$/u.test(prefix)) return [];
    return this.inTurn(async () =>
      (await this.source.manager.find(IncidentRow, { where: { id: Like(`${prefix}%`) }, take: limit })).map((row) => readCase(row).incident),
    );
  }

  /** Newest first. */
  async list(sinceMs: number, limit: number): Promise<Incident[]> {
    return this.inTurn(async () =>
      (
        await this.source.manager.find(IncidentRow, {
          where: { openedAtMs: MoreThanOrEqual(sinceMs) },
          order: { openedAtMs: 'DESC', id: 'ASC' },
          take: limit,
        })
      ).map((row) => readCase(row).incident),
    );
  }

  /** Ids of the incidents that the responder has not finished with. */
  async activeIds(): Promise<string[]> {
    return this.inTurn(async () => (await this.source.manager.find(IncidentRow, { select: { id: true }, where: { active: 1 } })).map(({ id }) => id));
  }

  /** What earlier runs acted on, and which attacks the operator called false alarms: of the newest 1,000 incidents, older verdicts left the stream. */
  async remembered(): Promise<{ verdictIds: string[]; falseAlarmAttacks: string[] }> {
    return this.inTurn(async () => {
      const cases = (await this.source.manager.find(IncidentRow, { order: { openedAtMs: 'DESC' }, take: 1000 })).map(readCase);
      return {
        verdictIds: cases.flatMap(({ verdictIds }) => verdictIds),
        falseAlarmAttacks: cases.filter(({ incident }) => incident.state === 'false_alarm').map(({ attackId }) => attackId),
      };
    });
  }

  async countOpen(): Promise<number> {
    return this.inTurn(() => this.source.manager.countBy(IncidentRow, [{ state: 'opened' }, { state: 'contained' }, { state: 'restored' }]));
  }

  /** The oldest events not yet published. */
  async outgoingEvents(limit: number): Promise<OutgoingEvent[]> {
    return this.inTurn(async () =>
      (await this.source.manager.find(OutboxRow, { order: { sequence: 'ASC' }, take: limit })).map(({ sequence, messageId, subject, body }) => ({
        sequence,
        messageId,
        subject,
        body: JSON.parse(body) as object,
      })),
    );
  }

  /** The bus has every event up to this one. */
  async published(sequence: number): Promise<void> {
    await this.inTurn(() => this.source.manager.delete(OutboxRow, { sequence: LessThan(sequence + 1) }));
  }

  /** A value that is written once and kept: the one given where none is stored yet. */
  async keepFirst(name: string, value: string): Promise<string> {
    return this.inTurn(async () => {
      const known = await this.source.manager.findOneBy(SettingRow, { name });
      if (known !== null) return known.value;
      await this.source.manager.insert(SettingRow, { name, value });
      return value;
    });
  }

  /** Waits for the work in hand and closes the database. May be called twice. */
  async close(): Promise<void> {
    await this.inTurn(async () => {
      if (this.source.isInitialized) await this.source.destroy();
    });
  }

  private async write(manager: EntityManager, next: IncidentCase): Promise<void> {
    const { incident } = next;
    const finished = (incident.state === 'closed' || incident.state === 'false_alarm') && next.release !== 'wanted';
    await manager.upsert(
      IncidentRow,
      {
        id: incident.id,
        attackId: next.attackId,
        openedAtMs: Date.parse(incident.openedAt),
        state: incident.state,
        active: finished ? 0 : 1,
        body: JSON.stringify(next),
      },
      ['id'],
    );
  }

  private outgoing(current: IncidentCase, event: IncidentEvent): Omit<OutboxRow, 'sequence'> {
    const { incident } = current;
    const cloudEvent: IncidentCloudEvent = Object.assign(new IncidentCloudEvent(), {
      specversion: '1.0',
      id: `${incident.id}-${current.eventCount}`,
      source: `/kuramori/${incident.host}/responder`,
      type: `jp.kuramori.incident.${event}.v1`,
      subject: incident.id,
      time: new Date(this.now()).toISOString(),
      datacontenttype: 'application/json',
      data: incident,
    } as const);
    return { messageId: cloudEvent.id, subject: subjects.incident(incident.host, event), body: JSON.stringify(cloudEvent) };
  }

  private async inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.queue.then(work);
    this.queue = result.catch(() => undefined);
    return result;
  }
}

function readCase(row: IncidentRow): IncidentCase {
  return JSON.parse(row.body) as IncidentCase;
}
