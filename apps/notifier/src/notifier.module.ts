import { type DynamicModule, Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { DatabaseError } from '@kuramori/database';
import { type ServiceContext, StartError } from '@kuramori/ops';
import { Gauge } from 'prom-client';
import { IncidentController } from './incident.controller';
import { Notifier, type NotifierOptions } from './notifier';
import { databaseFile } from './outbox/database';

/** The notifier and what it hears. */
@Module({ controllers: [IncidentController] })
export class NotifierModule implements OnApplicationShutdown {
  constructor(@Inject(Notifier) private readonly notifier: Notifier) {}

  /** After the bus has let go of the handlers: an event in hand still needs the database. */
  async onApplicationShutdown(): Promise<void> {
    await this.notifier.stop();
  }
}

/** Opens the outbox, sends what waits in it, and tells of itself. @throws StartError when the database can't be used */
export async function notifierModule(
  { settings, health, metrics }: Pick<ServiceContext, 'settings' | 'health' | 'metrics'>,
  overrides: Partial<NotifierOptions> = {},
): Promise<DynamicModule> {
  const notifier = await Notifier.start({ settings, databaseFile: databaseFile(settings.dataDir), ...overrides }).catch((error: unknown) => {
    throw error instanceof DatabaseError ? new StartError(error.message, { cause: error }) : error;
  });
  health.register('notices', async () => {
    const { problems, ...notices } = await notifier.figures();
    const details = { notices, channels: settings.notify.mail === null ? [] : ['mail'] };
    return problems.length === 0 ? { status: 'healthy', details } : { status: 'degraded', reason: problems.join('; '), details };
  });
  new Gauge({
    name: 'kuramori_notices',
    help: 'Notices to people, by what became of them',
    labelNames: ['state'],
    registers: [metrics],
    async collect() {
      const { waiting, sent, refused } = await notifier.figures();
      for (const [state, count] of Object.entries({ waiting, sent, refused })) this.set({ state }, count);
    },
  });
  return { module: NotifierModule, providers: [{ provide: Notifier, useValue: notifier }] };
}
