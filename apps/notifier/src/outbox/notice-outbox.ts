import { Incident, parseMessage } from '@kuramori/contracts';
import { type DataSource, LessThan, MoreThan, Not } from 'typeorm';
import { type KnownNotices, type Notice, noticeChanges, noticeKinds, type NoticeKind, type NoticeState } from '../notice';
import { NoticeRow } from './notice-row';

export interface WaitingNotice {
  readonly channel: string;
  readonly notice: Notice;
  readonly createdAtMs: number;
  readonly dueAtMs: number;
  readonly tries: number;
}

/** How long a notice waits for news that it should tell as well: containment follows an opening within a second, more rounds follow a first restore. */
export interface SettleTimes {
  readonly openedMs: number;
  readonly overMs: number;
}

/** Sent notices are remembered a little longer than the stream keeps incidents (365 days), so that a replay tells nobody again. */
const keptMs = 400 * 24 * 60 * 60 * 1000;

/** Notices that must reach people, kept until they did. All access runs one after the other: TypeORM has one SQLite connection. */
export class NoticeOutbox {
  private queue: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly source: DataSource,
    private readonly settle: SettleTimes,
    private readonly now: () => number = Date.now,
  ) {}

  /** Takes the news of an incident in; the same news twice changes nothing. */
  async take(channel: string, incident: Incident): Promise<void> {
    await this.inTurn(() =>
      this.source.transaction(async (manager) => {
        const rows = await manager.findBy(NoticeRow, { channel, incidentId: incident.id });
        const known: KnownNotices = Object.fromEntries(rows.map((row) => [row.kind, row.state]));
        const nowMs = this.now();
        for (const { change, kind } of noticeChanges(incident, known)) {
          const where = { channel, incidentId: incident.id, kind };
          if (change === 'withdraw') await manager.delete(NoticeRow, where);
          else if (change === 'refresh') await manager.update(NoticeRow, where, { incident: JSON.stringify(incident) });
          else {
            const dueAtMs = nowMs + (kind === 'opened' ? this.settle.openedMs : this.settle.overMs);
            await manager.insert(NoticeRow, {
              ...where,
              state: 'waiting',
              createdAtMs: nowMs,
              dueAtMs,
              tries: 0,
              problem: '',
              incident: JSON.stringify(incident),
            });
          }
        }
      }),
    );
  }

  /** The notice that is due first; an `over` never passes its `opened`. */
  async next(channel: string): Promise<WaitingNotice | undefined> {
    return this.inTurn(async () => {
      const rows = await this.source.manager.find(NoticeRow, {
        where: { channel, state: 'waiting' },
        order: { dueAtMs: 'ASC', createdAtMs: 'ASC' },
        take: 1000,
      });
      const first = rows.find(
        (row) => row.kind === 'opened' || !rows.some((other) => other.kind === 'opened' && other.incidentId === row.incidentId),
      );
      if (first === undefined) return undefined;
      const incident = parseMessage(Incident, JSON.parse(first.incident));
      return { channel, notice: { kind: kindOf(first.kind), incident }, createdAtMs: first.createdAtMs, dueAtMs: first.dueAtMs, tries: first.tries };
    });
  }

  /** `waiting` with a later moment, `sent`, or `refused`. */
  async mark(waiting: WaitingNotice, state: NoticeState, problem: string, dueAtMs: number): Promise<void> {
    await this.inTurn(() =>
      this.source.manager.update(
        NoticeRow,
        { channel: waiting.channel, incidentId: waiting.notice.incident.id, kind: waiting.notice.kind },
        { state, problem: problem.slice(0, 1000), dueAtMs, tries: waiting.tries + 1 },
      ),
    );
  }

  /** At start: what was refused lately is tried once more (the settings may have been mended), and what is very old is forgotten. */
  async retryRefusedSince(sinceMs: number): Promise<void> {
    await this.inTurn(async () => {
      await this.source.manager.update(
        NoticeRow,
        { state: 'refused', createdAtMs: MoreThan(sinceMs) },
        { state: 'waiting', dueAtMs: this.now(), tries: 0 },
      );
      await this.source.manager.delete(NoticeRow, { state: Not('waiting'), createdAtMs: LessThan(this.now() - keptMs) });
    });
  }

  async figures(): Promise<Record<NoticeState, number> & { problems: string[] }> {
    return this.inTurn(async () => {
      const count = (state: NoticeState) => this.source.manager.countBy(NoticeRow, { state });
      const failing = await this.source.manager.find(NoticeRow, {
        where: { problem: Not(''), state: Not('sent') },
        order: { createdAtMs: 'DESC' },
        take: 5,
      });
      const problems = failing.map(
        (row) =>
          `${row.channel} about incident ${row.incidentId.slice(0, 8)} ${row.state === 'refused' ? 'was refused' : `waits (tried ${row.tries} times)`}: ${row.problem}`,
      );
      return { waiting: await count('waiting'), sent: await count('sent'), refused: await count('refused'), problems };
    });
  }

  /** May be called twice. */
  async close(): Promise<void> {
    await this.inTurn(async () => {
      if (this.source.isInitialized) await this.source.destroy();
    });
  }

  private async inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.queue.then(work);
    this.queue = result.catch(() => undefined);
    return result;
  }
}

function kindOf(text: string): NoticeKind {
  const kind = noticeKinds.find((known) => known === text);
  if (kind === undefined) throw new Error(`the outbox holds a notice of the unknown kind ${text}`);
  return kind;
}
