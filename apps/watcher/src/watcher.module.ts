import { type DynamicModule, Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { registerGauge, type ServiceContext, StartError } from '@kuramori/ops';
import { SensorUnavailableError } from '@kuramori/platform';
import { Watcher, type WatcherOptions } from './watcher';
import { WatcherController } from './watcher.controller';

@Module({ controllers: [WatcherController] })
export class WatcherModule implements OnApplicationShutdown {
  constructor(@Inject(Watcher) private readonly watcher: Watcher) {}

  async onApplicationShutdown(): Promise<void> {
    await this.watcher.stop();
  }
}

/** Starts seeing. @throws StartError when the sensor asked for is not to be had */
export async function watcherModule(
  { settings, bus, log, health, metrics }: Omit<ServiceContext, 'name'>,
  overrides: Partial<WatcherOptions> = {},
): Promise<DynamicModule> {
  const watcher = new Watcher({ settings, bus, log: (line) => void log.warn(line), workers: import.meta.dirname, ...overrides });
  try {
    await watcher.start();
  } catch (error) {
    if (error instanceof SensorUnavailableError) throw new StartError(error.message, { cause: error });
    throw error;
  }
  health.register('watching', () => {
    const problems = watcher.problems();
    const details = { watcher: watcher.figures() };
    return problems.length === 0 ? { status: 'healthy', details } : { status: 'degraded', reason: problems.join('; '), details };
  });
  for (const name of [
    'eventsSeen',
    'overflows',
    'unresolvedActors',
    'factsPublished',
    'queued',
    'lagMs',
    'spooledBytes',
    'losses',
    'rescanDifferences',
  ] as const) {
    const metric = `kuramori_watcher_${name.replaceAll(/[A-Z]/gu, (letter) => `_${letter.toLowerCase()}`)}`;
    registerGauge(metrics, metric, `Watcher: ${name} as in status`, () => watcher.figures()[name]);
  }
  return { module: WatcherModule, providers: [{ provide: Watcher, useValue: watcher }] };
}
