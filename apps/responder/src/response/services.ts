import { type Bus, callCommand } from '@kuramori/bus';
import {
  type CommandReply,
  JournalPosition,
  type PinCommand,
  type QuarantineEntry,
  type QuarantineFileCommand,
  type QuarantinePage,
  type QuarantineQuery,
  type ReleaseCommand,
  RestoreReport,
  type ServiceName,
  type UndoCommand,
  parseMessage,
} from '@kuramori/contracts';

/** The other service answered, and said no. `failed` may go away by itself, `invalid` and `not-found` don't. */
export class CommandRefusedError extends Error {
  override readonly name = 'CommandRefusedError';
  constructor(
    command: string,
    readonly code: NonNullable<CommandReply['code']>,
    reason: string,
  ) {
    super(`${command}: ${reason}`);
  }
}

/** A reply that is neither a result nor a refusal; asking again brings the same. */
const quickTimeoutMs = 5000;
/** An undo of 100,000 files takes minutes; the vault answers when it is done, and a second request joins the first or finds all intact. */
const undoTimeoutMs = 180_000;

/** What the responder asks of the vault and the watcher. @throws CommandRefusedError | BusUnavailableError */
export class Services {
  constructor(
    private readonly bus: Pick<Bus, 'request'>,
    private readonly host: string,
  ) {}

  async pin(command: PinCommand): Promise<void> {
    await this.call('vault', 'pin', command, quickTimeoutMs);
  }

  /** Has everything seen up to now published; the place in the stream up to which the journal must come. */
  async flush(): Promise<JournalPosition> {
    return parseMessage(JournalPosition, await this.call('watcher', 'flush', {}, quickTimeoutMs));
  }

  async undo(command: UndoCommand): Promise<RestoreReport> {
    return parseMessage(RestoreReport, await this.call('vault', 'undo', command, undoTimeoutMs));
  }

  async quarantined(incidentId: string): Promise<readonly QuarantineEntry[]> {
    const found: QuarantineEntry[] = [];
    for (let after: number | undefined; ;) {
      const query: QuarantineQuery = { incidentId, ...(after === undefined ? {} : { after }) };
      const { entries = [], next } = (await this.call('vault', 'quarantine', query, quickTimeoutMs)) as Partial<QuarantinePage>;
      found.push(...entries);
      if (next === undefined) return found;
      after = next;
    }
  }

  async quarantineFile(command: QuarantineFileCommand): Promise<void> {
    await this.call('vault', 'quarantine-file', command, undoTimeoutMs);
  }

  async release(command: ReleaseCommand): Promise<void> {
    await this.call('vault', 'release', command, undoTimeoutMs);
  }

  private async call(service: ServiceName, name: string, command: object, timeoutMs: number): Promise<unknown> {
    const reply = await callCommand(this.bus, this.host, service, name, command, { timeoutMs });
    if (reply.ok) return reply.result ?? {};
    throw new CommandRefusedError(`${service} ${name}`, reply.code ?? 'failed', reply.error ?? 'the answer holds no result');
  }
}
