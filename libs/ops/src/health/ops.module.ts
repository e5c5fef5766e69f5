import { Controller, type DynamicModule, Get, HttpCode, Inject, Module, Res } from '@nestjs/common';
import type { Registry } from 'prom-client';
import { METRICS } from '../tokens';
import type { ServiceHealth } from './health-details';
import { HealthRegistry } from './health-registry';

/** Injection token of what the service is called. */
const SERVICE_NAME = Symbol('SERVICE_NAME');

/** The part of Express's response that is used. */
interface HttpResponse {
  status(code: number): HttpResponse;
  type(contentType: string): HttpResponse;
  send(body: string): void;
}

@Controller()
class OpsController {
  private readonly startedMs = performance.now();

  constructor(
    @Inject(SERVICE_NAME) private readonly service: string,
    @Inject(HealthRegistry) private readonly health: HealthRegistry,
    @Inject(METRICS) private readonly metrics: Registry,
  ) {}

  /** The process answers: nothing else is asked. */
  @Get('health/live')
  @HttpCode(200)
  live(): { status: 'live'; service: string; pid: number; uptimeS: number } {
    return { status: 'live', ...this.identity() };
  }

  @Get('health/ready')
  async ready(@Res() response: HttpResponse): Promise<void> {
    const { status, reason, details } = await this.health.report();
    const body: ServiceHealth = { status, ...this.identity(), ...(reason === undefined ? {} : { reason }), details: details ?? {} };
    response
      .status(status === 'healthy' || status === 'degraded' ? 200 : 503)
      .type('application/json')
      .send(JSON.stringify(body));
  }

  @Get('metrics')
  async prometheus(@Res() response: HttpResponse): Promise<void> {
    const text = await this.metrics.metrics();
    response.status(200).type(this.metrics.contentType).send(text);
  }

  private identity(): { service: string; pid: number; uptimeS: number } {
    return { service: this.service, pid: process.pid, uptimeS: Math.round((performance.now() - this.startedMs) / 100) / 10 };
  }
}

/** `GET /health/live`, `GET /health/ready`, `GET /metrics` of one service. */
@Module({})
export class OpsModule {
  static forService(service: string, health: HealthRegistry, metrics: Registry): DynamicModule {
    return {
      module: OpsModule,
      controllers: [OpsController],
      providers: [
        { provide: SERVICE_NAME, useValue: service },
        { provide: HealthRegistry, useValue: health },
        { provide: METRICS, useValue: metrics },
      ],
    };
  }
}
