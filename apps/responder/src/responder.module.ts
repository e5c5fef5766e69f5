import { type DynamicModule, Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { DatabaseError } from '@kuramori/database';
import { HealthRegistry, registerGauge, type ResponderHealthDetails, type ServiceContext, StartError } from '@kuramori/ops';
import { LinuxPackageRegistry, LinuxProcessControl, OwnProcesses } from '@kuramori/platform';
import type { Registry } from 'prom-client';
import { OperatorController } from './operator.controller';
import { Responder, type ResponderOptions } from './responder';
import { databaseFile } from './store/database';
import { VerdictController } from './verdict.controller';

/** The responder and what it hears. */
@Module({ controllers: [VerdictController, OperatorController] })
export class ResponderModule implements OnApplicationShutdown {
  constructor(@Inject(Responder) private readonly responder: Responder) {}

  /** After the bus has let go of the handlers: a verdict in hand still needs the database. */
  async onApplicationShutdown(): Promise<void> {
    await this.responder.stop();
  }
}

/** Opens the database, goes on with what is unfinished, and tells of itself. @throws StartError when the database can't be used */
export async function responderModule(context: Omit<ServiceContext, 'name'>, overrides: Partial<ResponderOptions> = {}): Promise<DynamicModule> {
  const { settings, bus, log } = context;
  const own = new OwnProcesses(settings.dataDir);
  const responder = await Responder.start({
    settings,
    bus,
    control: new LinuxProcessControl(),
    packages: new LinuxPackageRegistry(),
    own: () => own.list(),
    databaseFile: databaseFile(settings.dataDir),
    log: (line) => void log.log(line),
    ...overrides,
  }).catch((error: unknown) => {
    throw error instanceof DatabaseError ? new StartError(error.message, { cause: error }) : error;
  });
  registerHealth(context.health, responder, settings.mode);
  registerMetrics(context.metrics, responder);
  return { module: ResponderModule, providers: [{ provide: Responder, useValue: responder }] };
}

function registerHealth(health: HealthRegistry, responder: Responder, mode: 'enforce' | 'observe'): void {
  health.register('incidents', async () => {
    const details: ResponderHealthDetails = { incidents: { open: await responder.countOpen() }, mode };
    const problems = responder.problems();
    return problems.length === 0 ? { status: 'healthy', details } : { status: 'degraded', reason: problems.join('; '), details };
  });
}

function registerMetrics(registry: Registry, responder: Responder): void {
  const gauge = (name: string, help: string, read: () => number | Promise<number>) => registerGauge(registry, name, help, read);
  gauge('kuramori_incidents_open', 'Incidents that are not closed', () => responder.countOpen());
  for (const level of ['suspicion', 'warning', 'attack'] as const) {
    gauge(`kuramori_verdicts_${level}_total`, `Verdicts of the level ${level} taken since the start`, () => responder.verdictCounts()[level]);
  }
  gauge(
    'kuramori_last_attack_handled_milliseconds',
    'From the arrival of the last attack verdict to its attacker ended and the incident written',
    () => responder.lastAttackMs(),
  );
  gauge('kuramori_responder_problems', 'Things that keep the responder from its work, each named in the health', () => responder.problems().length);
}
