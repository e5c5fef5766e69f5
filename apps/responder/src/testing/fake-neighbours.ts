/** A bus with a vault and a watcher that answer as the contracts say, for tests of the responder alone. */
import { type Bus, BusUnavailableError } from '@kuramori/bus';
import {
  type CommandReply,
  IncidentCloudEvent,
  parseMessage,
  type QuarantineEntry,
  type QuarantinePage,
  type QuarantineQuery,
  type RestoreReport,
  type UndoCommand,
} from '@kuramori/contracts';

export const emptyReport: RestoreReport = {
  touched: 0,
  restored: 0,
  alreadyIntact: 0,
  quarantined: 0,
  unrecoverable: 0,
  conflicts: 0,
  dryRun: false,
  items: [],
};

export class FakeNeighbours implements Pick<Bus, 'publish' | 'request'> {
  readonly published: { readonly subject: string; readonly event: IncidentCloudEvent; readonly messageId: string }[] = [];
  readonly requests: { readonly name: string; readonly payload: unknown }[] = [];
  readonly entries: QuarantineEntry[] = [];
  /** Commands (`vault.undo`) that nobody answers just now. */
  readonly down = new Set<string>();
  busDown = false;
  report: RestoreReport = { ...emptyReport, touched: 3, restored: 3, quarantined: 1 };
  /** Called before an undo is answered. */
  onUndo: (command: UndoCommand) => void | Promise<void> = () => undefined;

  async publish(subject: string, message: object, options: { messageId: string }): Promise<{ streamSequence: number; duplicate: boolean }> {
    if (this.busDown) throw new BusUnavailableError('no connection');
    const known = this.published.some(({ messageId }) => messageId === options.messageId);
    if (!known)
      this.published.push({ subject, event: parseMessage(IncidentCloudEvent, JSON.parse(JSON.stringify(message))), messageId: options.messageId });
    return { streamSequence: this.published.length, duplicate: known };
  }

  async request(subject: string, payload: object): Promise<unknown> {
    const name = subject.split('.').slice(4).join('.');
    if (this.busDown || this.down.has(name)) throw new BusUnavailableError(`nobody answers ${name}`);
    this.requests.push({ name, payload });
    return this.answer(name, payload);
  }

  /** Last tokens of the subjects published, in order. */
  events(): string[] {
    return this.published.map(({ subject }) => subject.slice(subject.lastIndexOf('.') + 1));
  }

  asked(name: string): unknown[] {
    return this.requests.filter((request) => request.name === name).map(({ payload }) => payload);
  }

  latest(): IncidentCloudEvent['data'] {
    const last = this.published.at(-1);
    if (last === undefined) throw new Error('no event yet');
    return last.event.data;
  }

  private async answer(name: string, payload: object): Promise<CommandReply> {
    switch (name) {
      case 'watcher.flush':
        return { ok: true, result: { watcherId: '0123abcd', sequence: 9 } };
      case 'vault.pin':
        return { ok: true, result: { pinned: 1 } };
      case 'vault.undo':
        await this.onUndo(payload as UndoCommand);
        return { ok: true, result: this.report };
      case 'vault.quarantine':
        return { ok: true, result: this.quarantinePage(payload) };
      case 'vault.quarantine-file':
      case 'vault.release':
        return { ok: true, result: {} };
      default:
        return { ok: false, code: 'not-found', error: name };
    }
  }

  /** In pages of two, so that readers have to ask for the next. */
  private quarantinePage({ after = this.entries.length }: QuarantineQuery): QuarantinePage {
    const from = this.entries.length - after;
    return { entries: this.entries.slice(from, from + 2), ...(after > 2 ? { next: after - 2 } : {}) };
  }
}
