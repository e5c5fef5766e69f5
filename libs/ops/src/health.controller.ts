import { Controller, Get, Header, Inject, Res } from '@nestjs/common';
import { register } from 'prom-client';
import { HealthRegistry, type HealthReport } from './health';

interface StatusSetter {
  status(code: number): unknown;
}

/** What operators and monitors ask; see README. */
@Controller()
export class HealthController {
  constructor(@Inject(HealthRegistry) private readonly health: HealthRegistry) {}

  /** The process answers: that is all. */
  @Get('health/live')
  live(): { status: 'alive'; pid: number } {
    return { status: 'alive', pid: process.pid };
  }

  /** 200 when healthy, else 503; the body says why. */
  @Get('health/ready')
  async ready(@Res({ passthrough: true }) response: StatusSetter): Promise<HealthReport> {
    const report = await this.health.report();
    response.status(report.status === 'healthy' ? 200 : 503);
    return report;
  }

  @Get('metrics')
  @Header('Content-Type', register.contentType)
  async metrics(): Promise<string> {
    return register.metrics();
  }
}
