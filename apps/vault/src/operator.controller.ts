import { Controller, Inject } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { CommandError, onCommand } from '@kuramori/bus';
import {
  type CataloguePage,
  CatalogueQuery,
  parseMessage,
  PinCommand,
  type QuarantineEntry,
  QuarantineFileCommand,
  type QuarantinePage,
  QuarantineQuery,
  ReleaseCommand,
  ReportQuery,
  RestoreCommand,
  type RestoreItem,
  type RestoreReport,
  UndoCommand,
  type VersionInfo,
  VersionsQuery,
} from '@kuramori/contracts';
import { cataloguePage } from './catalogue/catalogue';
import { Vault } from './vault';

/** Below the time for which the watcher waits for an answer. */
const catchUpMs = 20_000;

/** What the other services and operators ask of the vault; answered during the baseline as well. */
@Controller()
export class OperatorController {
  constructor(@Inject(Vault) private readonly vault: Vault) {}

  /** Whether every file below the roots has had its turn. */
  @onCommand('vault', 'baseline')
  async baseline(): Promise<{ done: boolean; filesDone: number; filesTotal: number }> {
    const { done, filesDone, filesTotal } = this.vault.baseline.figures();
    return { done, filesDone, filesTotal };
  }

  @onCommand('vault', 'catalogue')
  async catalogue(@Payload() body: unknown): Promise<CataloguePage> {
    const query = parseMessage(CatalogueQuery, body);
    if (query.position !== undefined && !(await this.vault.batches.reached(query.position, catchUpMs)))
      throw new CommandError(
        'failed',
        `the journal has not reached batch ${query.position.sequence} of watcher run ${query.position.watcherId} yet: ask again`,
      );
    return { entries: await cataloguePage(this.vault.core.database, query) };
  }

  @onCommand('vault', 'undo')
  async undo(@Payload() body: unknown): Promise<RestoreReport> {
    return this.vault.undo.undo(parseMessage(UndoCommand, body));
  }

  @onCommand('vault', 'report')
  async report(@Payload() body: unknown): Promise<{ items: RestoreItem[]; total: number }> {
    const { incidentId, offset, limit } = parseMessage(ReportQuery, body);
    return this.vault.undo.report(incidentId, offset, limit);
  }

  @onCommand('vault', 'restore')
  async restore(@Payload() body: unknown): Promise<RestoreReport> {
    return this.vault.restore.restore(parseMessage(RestoreCommand, body));
  }

  @onCommand('vault', 'versions')
  async versions(@Payload() body: unknown): Promise<{ versions: VersionInfo[] }> {
    return { versions: await this.vault.restore.versions(parseMessage(VersionsQuery, body).path) };
  }

  @onCommand('vault', 'pin')
  async pin(@Payload() body: unknown): Promise<{ pinned: number }> {
    return { pinned: await this.vault.suspicion.pin(parseMessage(PinCommand, body)) };
  }

  @onCommand('vault', 'quarantine')
  async quarantine(@Payload() body: unknown): Promise<QuarantinePage> {
    return this.vault.quarantine.list(parseMessage(QuarantineQuery, body));
  }

  @onCommand('vault', 'release')
  async release(@Payload() body: unknown): Promise<{ path: string }> {
    const { id, to } = parseMessage(ReleaseCommand, body);
    return this.vault.quarantine.release(id, to);
  }

  @onCommand('vault', 'quarantine-file')
  async quarantineFile(@Payload() body: unknown): Promise<{ entry: QuarantineEntry }> {
    return { entry: await this.vault.quarantine.quarantineFile(parseMessage(QuarantineFileCommand, body)) };
  }
}
