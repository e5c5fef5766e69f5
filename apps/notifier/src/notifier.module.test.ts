import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { NestFactory } from '@nestjs/core';
import { BusExceptionFilter, JetStreamStrategy, MemoryBus } from '@kuramori/bus';
import { parseSettings } from '@kuramori/config';
import { streams, subjects } from '@kuramori/contracts';
import { HealthRegistry, OpsModule, serviceMetrics } from '@kuramori/ops';
import request from 'supertest';
import { expect, it } from 'vitest';
import { Notifier } from './notifier';
import { notifierModule } from './notifier.module';
import { eventOf, stages } from './testing/incidents';

it('takes the incident events of its host from their stream, and makes a dead letter of what is none', async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'kuramori-notifier-'));
  const bus = new MemoryBus({ firstBackoffMs: 5 });
  await bus.ensureStreams(Object.values(streams));
  // Nothing listens on port 1: the notices stay in the outbox, where they can be counted.
  const mail = {
    host: '127.0.0.1',
    port: 1,
    tls: 'none',
    allowSelfSigned: false,
    user: null,
    password: null,
    from: 'a@example.org',
    to: ['b@example.org'],
  } as const;
  const share = path.join(directory, 'share');
  mkdirSync(share);
  const settings = parseSettings(
    JSON.stringify({ host: 'fs01', dataDir: path.join(directory, 'data'), protect: { roots: [share] }, notify: { mail } }),
    'test',
  );
  const health = new HealthRegistry();
  const metrics = serviceMetrics('notifier');
  const app = await NestFactory.createMicroservice(await notifierModule({ settings, health, metrics }), {
    strategy: new JetStreamStrategy(bus, 'fs01', { warn: () => undefined, error: () => undefined }),
    logger: false,
  });
  app.useGlobalFilters(new BusExceptionFilter());
  await app.listen();
  const http = await NestFactory.create(OpsModule.forService('notifier', health, metrics), { logger: false });
  await http.listen(0, '127.0.0.1');
  const notifier = app.get(Notifier);
  try {
    await bus.publish(subjects.incident('fs01', 'opened'), { nonsense: true }, { messageId: 'a' });
    await bus.publish(subjects.incident('fs02', 'opened'), eventOf({ ...stages.opened(), id: 'inc-other', host: 'fs02' }), { messageId: 'b' });
    await bus.publish(subjects.incident('fs01', 'opened'), eventOf({ ...stages.opened(), host: 'fs01' }), { messageId: 'c' });
    await expect.poll(async () => (await notifier.figures()).waiting).toBe(1);
    expect(bus.figures().consumers).toMatchObject([{ deadLetters: 1, handled: 1 }]);
    await expect
      .poll(async () => (await request(await http.getUrl()).get('/health/ready')).body as unknown, { timeout: 10_000 })
      .toMatchObject({
        service: 'notifier',
        status: 'degraded',
        reason: expect.stringContaining("127.0.0.1:1 can't be used") as unknown,
        details: { notices: { waiting: 1, sent: 0, refused: 0 }, channels: ['mail'] },
      });
    expect((await request(await http.getUrl()).get('/metrics')).text).toMatch(/^kuramori_notices\{state="waiting",service="notifier"\} 1$/mu);
  } finally {
    await app.close();
    await http.close();
    await bus.drain();
    rmSync(directory, { recursive: true, force: true });
  }
});
