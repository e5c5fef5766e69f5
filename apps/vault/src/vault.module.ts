import { type DynamicModule, Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { DatabaseError } from '@kuramori/database';
import { registerGauge, type ServiceContext, StartError } from '@kuramori/ops';
import { FactsController } from './facts.controller';
import { OperatorController } from './operator.controller';
import { Vault, type VaultOptions } from './vault';

/** The vault and what it hears. */
@Module({ controllers: [FactsController, OperatorController] })
export class VaultModule implements OnApplicationShutdown {
  constructor(@Inject(Vault) private readonly vault: Vault) {}

  /** After the bus has let go of the handlers: a batch in hand still needs the database. */
  async onApplicationShutdown(): Promise<void> {
    await this.vault.stop();
  }
}

/** Opens the vault, begins the baseline, and tells of itself. @throws StartError when the database can't be used */
export async function vaultModule(
  { settings, bus, log, health, metrics }: Omit<ServiceContext, 'name'>,
  overrides: Partial<VaultOptions> = {},
): Promise<DynamicModule> {
  const vault = await Vault.open({ settings, bus, log: (line) => void log.log(line), workers: import.meta.dirname, ...overrides }).catch(
    (error: unknown) => {
      throw error instanceof DatabaseError ? new StartError(error.message, { cause: error }) : error;
    },
  );
  await vault.begin();
  health.register('vault', async () => {
    const problems = vault.problems();
    const details = await vault.details();
    return problems.length === 0 ? { status: 'healthy', details } : { status: 'degraded', reason: problems.join('; '), details };
  });
  registerMetrics(metrics, vault);
  return { module: VaultModule, providers: [{ provide: Vault, useValue: vault }] };
}

function registerMetrics(registry: ServiceContext['metrics'], vault: Vault): void {
  const gauge = (name: string, help: string, read: () => number | Promise<number>) => registerGauge(registry, name, help, read);
  gauge('kuramori_vault_files', 'Files with at least one stored version', async () => (await vault.details()).protection.files);
  gauge('kuramori_vault_versions', 'Stored versions', async () => (await vault.details()).vault.versions);
  gauge('kuramori_vault_stored_bytes', 'Bytes that content takes on the disk', async () => (await vault.details()).vault.storedBytes);
  gauge('kuramori_vault_free_bytes', 'Free bytes on the disk of dataDir', () => vault.core.reserve.freeBytes);
  gauge('kuramori_vault_pending', 'Changes seen but not yet stored', async () => (await vault.details()).protection.pending);
  gauge('kuramori_vault_oldest_pending_milliseconds', 'Age of the oldest of them', async () => (await vault.details()).protection.oldestPendingMs);
  gauge('kuramori_vault_facts_total', 'Facts entered into the journal since the start', () => vault.batches.handledFacts);
  gauge('kuramori_vault_unreadable_files', 'Files that could not be read and are not protected', () => vault.late.problems.count);
}
