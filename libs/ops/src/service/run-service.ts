import 'reflect-metadata';
import { type DynamicModule, type INestApplication, type INestMicroservice, Logger, type LoggerService, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { setTimeout as delay } from 'node:timers/promises';
import type { Registry } from 'prom-client';
import { BUS, type Bus, BusExceptionFilter, connectBus, JetStreamStrategy, permissionsOf } from '@kuramori/bus';
import { loadSettings, servicePort, type Settings, SettingsError } from '@kuramori/config';
import { deadLetters, type ServiceName, streams } from '@kuramori/contracts';
import { readStat, registerAlone } from '@kuramori/platform';
import type { BusHealthDetails } from '../health/health-details';
import { HealthRegistry, type HealthReport } from '../health/health-registry';
import { OpsModule } from '../health/ops.module';
import { ServiceLogger } from '../log/service-logger';
import { METRICS, SETTINGS } from '../tokens';
import { registerBusMetrics, serviceMetrics } from './service-metrics';
import { StartError } from './start-error';

/** What a service gets to build itself from; the same things are injectable in its module by SETTINGS, BUS, METRICS and HealthRegistry. */
export interface ServiceContext {
  readonly name: ServiceName;
  readonly settings: Settings;
  /** Connected; the streams of this service exist. */
  readonly bus: Bus;
  readonly health: HealthRegistry;
  readonly metrics: Registry;
  readonly log: LoggerService;
}

export interface ServiceDefinition {
  readonly name: ServiceName;
  /**
   * Makes the service's module, once the bus is connected. Its `onStream`/`onCommand` controllers are bound to the bus after it resolved; its
   * `onModuleDestroy` hooks run at shutdown, after the last message in hand was handled.
   * @throws StartError for what an operator must put right (its message alone is shown)
   */
  readonly module: (context: ServiceContext) => Promise<Type | DynamicModule> | Type | DynamicModule;
  /** Called when handlers are bound and the service is at work, e.g. to begin what runs by itself. */
  readonly started?: (context: ServiceContext) => Promise<void> | void;
}

/** A drain that hangs must not hold up the shutdown: `up` sends SIGKILL after 10 s. */
const drainTimeoutMs = 9000;
const streamRetryMs = { first: 100, most: 2000 } as const;

/** What the service's module finds in the container. */
@Module({})
class ServiceRoot {
  static of(context: ServiceContext, serviceModule: Type | DynamicModule): DynamicModule {
    const providers = [
      { provide: SETTINGS, useValue: context.settings },
      { provide: BUS, useValue: context.bus },
      { provide: METRICS, useValue: context.metrics },
      { provide: HealthRegistry, useValue: context.health },
    ];
    return { module: ServiceRoot, global: true, providers, exports: providers, imports: [serviceModule] };
  }
}

/**
 * Runs one service until it is told to stop. Order: settings, health port (so that a port in use is known before anything is touched, and `status` can say
 * what a service waits for), bus, streams, module, handlers. Ends the process: 0 after SIGTERM, SIGINT or the end of the supervisor; 1 when it can't start or an
 * error escaped; 2 for wrong settings.
 */
export async function runService(definition: ServiceDefinition): Promise<void> {
  const log = new ServiceLogger(definition.name);
  Logger.overrideLogger(log);
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      log.fatal(error instanceof Error ? error : String(error), `${event}: the service ends and is started again`);
      process.exit(1);
    });
  }
  try {
    await new RunningService(definition, log).start();
  } catch (error) {
    if (error instanceof SettingsError) {
      for (const problem of error.problems) log.fatal(problem);
      process.exit(2);
    }
    log.fatal(error instanceof StartError ? error.message : error);
    process.exit(1);
  }
}

class RunningService {
  private readonly health = new HealthRegistry();
  private readonly metrics: Registry;
  private http: INestApplication | undefined;
  private microservice: INestMicroservice | undefined;
  private bus: Bus | undefined;
  private stopping = false;
  private startReport: HealthReport = { status: 'starting', reason: 'reading the settings' };

  constructor(
    private readonly definition: ServiceDefinition,
    private readonly log: ServiceLogger,
  ) {
    this.metrics = serviceMetrics(definition.name);
    this.health.register('start', () => this.startReport);
  }

  async start(): Promise<void> {
    const { name } = this.definition;
    const settings = loadSettings();
    this.stopOnSignals();
    const startTime = readStat(process.pid)?.startTime;
    if (!isSupervised() && startTime !== undefined) registerAlone(settings.dataDir, { name, pid: process.pid, startTime });
    await this.listen(settings);
    this.startReport = { status: 'starting', reason: 'waiting for the bus: is nats-server running?' };
    const bus = await connectBus(settings.bus.credentials, name, settings.bus.url);
    this.bus = bus;
    registerBusMetrics(this.metrics, bus);
    await this.makeStreams(bus);
    this.startReport = { status: 'starting', reason: 'opening its data' };
    const context: ServiceContext = { name, settings, bus, health: this.health, metrics: this.metrics, log: this.log };
    const serviceModule = await this.definition.module(context);
    const microservice = await NestFactory.createMicroservice(ServiceRoot.of(context, serviceModule), {
      strategy: new JetStreamStrategy(bus, settings.host, this.log),
      logger: this.log,
      abortOnError: false,
    });
    this.microservice = microservice;
    microservice.useGlobalFilters(new BusExceptionFilter());
    await microservice.listen();
    await this.definition.started?.(context);
    this.startReport = { status: 'healthy' };
    this.health.register('bus', () => busHealth(bus));
    this.log.log(`ready`);
  }

  private async listen({ http }: Settings): Promise<void> {
    const port = servicePort({ http }, this.definition.name);
    this.http = await NestFactory.create(OpsModule.forService(this.definition.name, this.health, this.metrics), {
      logger: this.log,
      abortOnError: false,
    });
    try {
      await this.http.listen(port, http.bind);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'EADDRINUSE')
        throw new StartError(
          `port ${port} on ${http.bind} is in use by another program. Set http.port so that it and the 5 ports after it are free.`,
          { cause: error },
        );
      if (code === 'EADDRNOTAVAIL') throw new StartError(`http.bind ${http.bind} is not an address of this machine`, { cause: error });
      if (code === 'EACCES')
        throw new StartError(`not allowed to listen on port ${port}: choose an http.port of 1024 or more, or run as root`, { cause: error });
      throw error;
    }
  }

  /** Tries for ever: JetStream answers some time after the server does, and a full disk may be given room. */
  private async makeStreams(bus: Bus): Promise<void> {
    const allowed = permissionsOf(this.definition.name).publish;
    const wanted = [...Object.values(streams), deadLetters].filter(({ name }) => allowed.includes(`$JS.API.STREAM.CREATE.${name}`));
    for (let waitMs: number = streamRetryMs.first; ; waitMs = Math.min(waitMs * 2, streamRetryMs.most)) {
      try {
        await bus.ensureStreams(wanted);
        return;
      } catch (error) {
        const reason = `the bus does not give its streams yet: ${error instanceof Error ? error.message : String(error)}`;
        if (this.startReport.reason !== reason) this.log.warn(reason);
        this.startReport = { status: 'starting', reason };
        await delay(waitMs);
      }
    }
  }

  private stopOnSignals(): void {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void this.stop(signal));
    if (!isSupervised()) return;
    // `up` holds the other end of this pipe: the kernel closes it also when `up` is killed with -9.
    process.stdin.on('end', () => void this.stop('the end of the supervisor'));
    process.stdin.on('error', () => void this.stop('the end of the supervisor'));
    process.stdin.resume();
  }

  private async stop(why: string): Promise<void> {
    if (this.stopping) return;
    this.stopping = true;
    this.startReport = { status: 'down', reason: 'it is stopping' };
    this.log.log(`stopping because of ${why}`);
    const timer = setTimeout(() => {
      this.log.error(`did not finish what it had in hand within ${drainTimeoutMs / 1000} s: it ends now, and goes on with it after the next start`);
      process.exit(0);
    }, drainTimeoutMs);
    try {
      await this.microservice?.close();
      await this.bus?.drain();
      await this.http?.close();
      clearTimeout(timer);
      process.exit(0);
    } catch (error) {
      this.log.error(error instanceof Error ? error : String(error));
      process.exit(1);
    }
  }
}

function isSupervised(): boolean {
  return process.env.KURAMORI_SUPERVISED === '1';
}

function busHealth(bus: Bus): HealthReport {
  const { connected, consumers, stuckMs } = bus.figures();
  const deadLetterCount = consumers.reduce((sum, consumer) => sum + consumer.deadLetters, 0);
  if (!connected) return { status: 'down', reason: 'no connection to the bus: is nats-server running?' };
  if (deadLetterCount > 0)
    return {
      status: 'degraded',
      reason: `${deadLetterCount} messages could not be handled and were set aside (stream ${deadLetters.name}); see the log`,
    };
  const stuck = consumers.filter(({ problem }) => problem !== undefined);
  if (stuck.length > 0)
    return { status: 'degraded', reason: stuck.map(({ durable, problem }) => `${durable} takes no messages: ${problem ?? ''}`).join('; ') };
  if (stuckMs > 0)
    return {
      status: 'degraded',
      reason: 'nats-server takes no messages: is its disk full?',
      details: { busStuckMs: Math.round(stuckMs) } satisfies BusHealthDetails,
    };
  return { status: 'healthy' };
}
