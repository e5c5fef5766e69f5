import { tmpdir } from 'node:os';
import path from 'node:path';
import { NestFactory } from '@nestjs/core';
import { BusExceptionFilter, JetStreamStrategy, MemoryBus } from '@kuramori/bus';
import { parseSettings } from '@kuramori/config';
import { type FileBatch, streams, subjects } from '@kuramori/contracts';
import { HealthRegistry, OpsModule, serviceMetrics } from '@kuramori/ops';
import request from 'supertest';
import { expect, it } from 'vitest';
import { detectorModule } from './detector.module';

const silent = { log: () => undefined, warn: () => undefined, error: () => undefined };

it('tells of its health and figures over HTTP while it judges what is on the bus', async () => {
  const settings = parseSettings(JSON.stringify({ host: 'fs01', dataDir: '/var/lib/kuramori', protect: { roots: [tmpdir()] } }), 'test');
  const bus = new MemoryBus({ firstBackoffMs: 5 });
  await bus.ensureStreams(Object.values(streams));
  const batch = (sequence: number): FileBatch => {
    const atMs = Date.now();
    const fact = {
      id: `1a2b3c4d-${sequence}`,
      atMs,
      path: path.join(tmpdir(), `${sequence}.txt`),
      actor: 'unknown',
      kind: 'file',
      origin: 'external',
    } as const;
    return {
      ...{ host: 'fs01', watcherId: '1a2b3c4d', sequence, completeUntilMs: atMs, sensor: 'memory' },
      actors: [{ key: 'unknown', kind: 'unknown' }],
      facts: [{ ...fact, operation: 'deleted', written: false }],
    };
  };
  // Said before it started: read again, which counts too.
  await bus.publish(subjects.fileBatch('fs01'), batch(1), { messageId: '1' });
  const health = new HealthRegistry();
  const metrics = serviceMetrics('detector');
  const module = await detectorModule({ name: 'detector', settings, bus, health, metrics, log: silent });
  const app = await NestFactory.createMicroservice(module, { strategy: new JetStreamStrategy(bus, 'fs01', silent), logger: false });
  app.useGlobalFilters(new BusExceptionFilter());
  await app.listen();
  const http = await NestFactory.create(OpsModule.forService('detector', health, metrics), { logger: false });
  await http.listen(0, '127.0.0.1');
  try {
    const ask = async (what: string) => request(await http.getUrl()).get(what);
    const live = await ask('/health/live');
    expect([live.status, live.body]).toMatchObject([200, { status: 'live', service: 'detector', pid: process.pid }]);
    await bus.publish(subjects.fileBatch('fs01'), batch(2), { messageId: '2' });
    await bus.publish(subjects.fileBatch('fs01'), { nonsense: true }, { messageId: '3' });
    await expect.poll(() => bus.figures().consumers.map(({ deadLetters }) => deadLetters)).toContain(1);
    const ready = await ask('/health/ready');
    expect([ready.status, ready.body]).toMatchObject([
      200,
      { service: 'detector', status: 'healthy', details: { detector: { attack: 0, warning: 0, suspicion: 0, unpublished: 0 } } },
    ]);
    const { status, text, headers } = await ask('/metrics');
    expect([status, headers['content-type']]).toMatchObject([200, expect.stringContaining('text/plain')]);
    const facts = Number(/^kuramori_detector_facts_total\{service="detector"\} (\d+)$/mu.exec(text)?.[1]);
    expect(facts).toBeGreaterThanOrEqual(2);
    for (const level of ['suspicion', 'warning', 'attack']) expect(text).toContain(`kuramori_detector_${level}_total{service="detector"} 0`);
    health.register('judging', () => ({ status: 'down', reason: 'gone' }));
    expect((await ask('/health/ready')).status).toBe(503);
  } finally {
    await http.close();
    await app.close();
    await bus.drain();
  }
});
