import { type DynamicModule, Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { type ServiceContext, StartError } from '@kuramori/ops';
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
    new Gauge({
      name: `kuramori_watcher_${name.replaceAll(/[A-Z]/gu, (letter) => `_${letter.toLowerCase()}`)}`,
      help: `Watcher: ${name} as in status`,
      registers: [metrics],
      collect() {
        this.set(watcher.figures()[name]);
      },
    });
  }
  return { module: WatcherModule, providers: [{ provide: Watcher, useValue: watcher }] };
}
