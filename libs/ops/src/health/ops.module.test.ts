import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import request from 'supertest';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { registerGauge, serviceMetrics } from '../service/service-metrics';
import { HealthRegistry, serviceStatuses } from './health-registry';
import { OpsModule } from './ops.module';

let health: HealthRegistry;
let http: INestApplication;
const metrics = serviceMetrics('vault');

beforeEach(async () => {
  health = new HealthRegistry();
  http = await NestFactory.create(OpsModule.forService('vault', health, metrics), { logger: false });
  await http.listen(0, '127.0.0.1');
});
afterEach(() => http.close());
const ask = async (path: string) => request(await http.getUrl()).get(path);

describe('the health of a service over HTTP', () => {
  it.each([
    ['healthy', 200],
    ['degraded', 200],
    ['starting', 503],
    ['down', 503],
  ] as const)('%s: ready answers %i with the reason, live 200', async (status, code) => {
    health.register('disk', () => ({ status, reason: 'because', details: { free: 1 } }));
    const ready = await ask('/health/ready');
    expect([ready.status, ready.body]).toMatchObject([code, { status, service: 'vault', pid: process.pid, reason: 'because', details: { free: 1 } }]);
    const live = await ask('/health/live');
    expect([live.status, live.body]).toMatchObject([200, { status: 'live', service: 'vault' }]);
  });

  it('is as bad as the worst check, and tells what each says', async () => {
    expect(serviceStatuses).toHaveLength(4);
    expect((await ask('/health/ready')).body).toMatchObject({ status: 'healthy', details: {} });
    health.register('a', () => ({ status: 'degraded', reason: 'slow', details: { a: 1, both: 'a' } }));
    health.register('b', async () => ({ status: 'down', reason: 'no room', details: { both: 'b' } }));
    health.register('c', () => ({ status: 'starting', reason: '' }));
    expect((await ask('/health/ready')).body).toMatchObject({ status: 'down', reason: 'slow; no room', details: { a: 1, both: 'b' } });
    health.register('b', () => ({ status: 'healthy' }));
    expect((await ask('/health/ready')).body).toMatchObject({ status: 'starting', reason: 'slow' });
  });

  it('is down when a check throws or does not answer, which neither ends nor hangs the probe', async () => {
    health.register('disk', () => {
      throw new Error('EIO');
    });
    expect(await health.report()).toMatchObject({ status: 'down', reason: 'disk: EIO' });
    health.register('disk', () => new Promise(() => undefined));
    const ready = await ask('/health/ready');
    expect([ready.status, ready.body]).toMatchObject([503, { status: 'down', reason: 'disk: no answer within 2000 ms' }]);
  });
});

describe('the figures of a service', () => {
  it('carry its name and are read when somebody asks', async () => {
    let value = 1;
    registerGauge(metrics, 'kuramori_test', 'A figure', async () => value);
    value = 7;
    const { status, text } = await ask('/metrics');
    expect(status).toBe(200);
    expect(text).toMatch(/^kuramori_test\{service="vault"\} 7$/mu);
    expect(text).toMatch(/^process_cpu_user_seconds_total\{service="vault"\} /mu);
  });
});
