import 'reflect-metadata';
import type { DynamicModule, INestApplication, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type Bus, BUS, BusExceptionFilter, connectBus, JetStreamStrategy } from '@kuramori/bus';
import { loadSettings, type Settings, SettingsError } from '@kuramori/config';
import { type ServiceName, serviceNames, streams } from '@kuramori/contracts';
import { HealthController } from './health.controller';
import { HealthRegistry } from './health';
import { PinoLogger } from './logger';
import { busMetrics, collectProcessMetrics } from './metrics';

/** Injection token of the {@link Settings}. */
export const SETTINGS = Symbol('SETTINGS');
/** Injection token of the service's {@link PinoLogger}. */
export const LOGGER = Symbol('LOGGER');

export interface ServiceOptions {
  readonly name: ServiceName;
  /** Imports nothing of Nest's defaults: SETTINGS, BUS, LOGGER and HealthRegistry are global. */
  readonly module: Type<unknown>;
  /** Streams the service publishes to or consumes. */
  readonly streams: readonly (keyof typeof streams)[];
}

/** An error the administrator can mend: printed as one line, exit status 1, no stack. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

class CoreModule {}

/** Base port + 1 … 5 in the order of the chain (contracts). */
export function servicePort(settings: Pick<Settings, 'http'>, service: ServiceName): number {
  return settings.http.port + 1 + serviceNames.indexOf(service);
}

/** The module every service stands on: settings, bus, log, health and metrics. */
export function coreModule(options: { readonly name: ServiceName; readonly settings: Settings; readonly bus: Bus; readonly logger: PinoLogger }): DynamicModule {
  const health = new HealthRegistry(options.name);
  health.register('bus', () => {
    const { connected } = options.bus.figures();
    return connected ? { status: 'healthy' } : { status: 'degraded', reason: 'the bus (nats-server) is away; facts wait on the disk, messages are tried again' };
  });
  collectProcessMetrics();
  busMetrics(() => options.bus.figures());
  const providers = [
    { provide: SETTINGS, useValue: options.settings },
    { provide: BUS, useValue: options.bus },
    { provide: LOGGER, useValue: options.logger },
    { provide: HealthRegistry, useValue: health },
  ];
  return { module: CoreModule, global: true, providers, exports: providers, controllers: [HealthController] };
}

const shutdownMs = 8000;

function readSettings(): Settings {
  try {
    return loadSettings();
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(2);
  }
}

/** Starts a service and stays until it is told to stop (SIGTERM, SIGINT, or the end of the supervisor that started it). */
export async function runService(options: ServiceOptions): Promise<void> {
  const { name } = options;
  const settings = readSettings();
  const logger = new PinoLogger(name);
  const fail = (error: unknown): never => {
    if (error instanceof Error && /Database|Start|SensorUnavailable|Settings/u.test(error.name)) process.stderr.write(`${name}: ${error.message}\n`);
    else logger.fatal(error instanceof Error ? (error.stack ?? error.message) : String(error));
    process.exit(1);
  };
  process.on('uncaughtException', fail);
  process.on('unhandledRejection', fail);

  let app: INestApplication | undefined;
  let stopping = false;
  const stop = () => {
    if (stopping) return;
    stopping = true;
    setTimeout(() => process.exit(1), shutdownMs).unref();
    void (async () => {
      await app?.close();
      await bus?.drain();
      process.exit(0);
    })();
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  // Started by `up`: without it nobody would restart us or end us.
  if (process.send !== undefined) process.on('disconnect', stop);

  let bus: Bus | undefined;
  try {
    bus = await connectBus(settings.bus.credentials, name, settings.bus.url);
    await bus.ensureStreams(options.streams.map((stream) => streams[stream]));
    const strategy = new JetStreamStrategy(bus, settings.host, logger);
    app = await NestFactory.create({ module: class ServiceRoot {}, imports: [coreModule({ name, settings, bus, logger }), options.module] }, { logger, abortOnError: false });
    app.useGlobalFilters(new BusExceptionFilter());
    app.connectMicroservice({ strategy }, { inheritAppConfig: true });
    await app.startAllMicroservices();
    const port = servicePort(settings, name);
    try {
      await app.listen(port, settings.http.bind);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
        throw new StartError(`port ${port} on ${settings.http.bind} is in use by another program; end it or change http.port (services take http.port + 1 to + 5)`);
      }
      throw error;
    }
    logger.log(`ready on http://${settings.http.bind}:${port}`);
  } catch (error) {
    fail(error);
  }
}
