import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { INestApplication, INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { BusExceptionFilter, callCommand, JetStreamStrategy, MemoryBus } from '@kuramori/bus';
import { type IncidentCloudEvent, streams, subjects } from '@kuramori/contracts';
import { HealthRegistry, OpsModule, ServiceLogger, serviceMetrics } from '@kuramori/ops';
import { LinuxProcessControl, MemoryPackageRegistry } from '@kuramori/platform';
import request from 'supertest';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { responderModule } from './responder.module';
import { emptyReport } from './testing/fake-neighbours';
import { testSettings } from './testing/settings';
import { actorsOf, verdictOf } from './testing/verdicts';

const control = new LinuxProcessControl();
const quiet = { warn: () => undefined, error: () => undefined };

let directory: string;
let bus: MemoryBus;
let app: INestMicroservice;
let http: INestApplication;
let attacker: ChildProcess;

beforeEach(async () => {
  directory = realpathSync(mkdtempSync(path.join(tmpdir(), 'kuramori-responder-')));
  bus = new MemoryBus({ firstBackoffMs: 5 });
  await bus.ensureStreams(Object.values(streams));
  const answer = (service: 'vault' | 'watcher', name: string, result: object) =>
    bus.respond(subjects.command('fs01', service, name), async () => ({ ok: true, result }));
  await answer('vault', 'pin', { pinned: 1 });
  await answer('vault', 'undo', { ...emptyReport, touched: 2, restored: 2 });
  await answer('watcher', 'flush', { watcherId: '0123abcd', sequence: 9 });
  const health = new HealthRegistry();
  const metrics = serviceMetrics('responder');
  const module = await responderModule(
    { settings: testSettings(directory), bus, health, metrics, log: new ServiceLogger('responder', { write: () => undefined }) },
    { packages: new MemoryPackageRegistry(), times: { unknownQuietMs: 50, closeQuietMs: 200 } },
  );
  app = await NestFactory.createMicroservice(module, { strategy: new JetStreamStrategy(bus, 'fs01', quiet), logger: false });
  app.useGlobalFilters(new BusExceptionFilter());
  await app.listen();
  http = await NestFactory.create(OpsModule.forService('responder', health, metrics), { logger: false });
  await http.listen(0, '127.0.0.1');
  attacker = spawn('sleep', ['300'], { stdio: 'ignore' });
});

afterEach(async () => {
  attacker.kill('SIGKILL');
  await app.close();
  await http.close();
  await bus.drain();
  rmSync(directory, { recursive: true, force: true });
});

async function events(): Promise<string[]> {
  const types: string[] = [];
  for await (const { body } of bus.read(streams.incidents.name, subjects.incidentAll('fs01'), 0)) types.push((body as IncidentCloudEvent).type);
  return types;
}

const ask = (name: string, payload: object) => callCommand(bus, 'fs01', 'responder', name, payload, { timeoutMs: 5000 });

describe.skipIf(process.platform !== 'linux')('the responder on the bus', () => {
  it('takes verdicts from their stream, stops the attacker and tells of it on the incident subjects', async () => {
    const verdict = verdictOf({ actors: await actorsOf(control, attacker.pid ?? 0) });
    const ended = new Promise((resolve) => {
      attacker.once('exit', (_code, signal) => resolve(signal));
    });
    await bus.publish(subjects.verdict('fs01'), verdict, { messageId: verdict.id });
    expect(await ended).toBe('SIGKILL');
    await expect
      .poll(events, { timeout: 5000 })
      .toEqual(['opened', 'contained', 'restored', 'closed'].map((event) => `jp.kuramori.incident.${event}.v1`));
    const list = await ask('incidents', {});
    expect(list).toMatchObject({ ok: true, result: { incidents: [{ state: 'closed', files: { restored: 2 } }] } });
  });

  it('makes a dead letter of a message that is no verdict, and goes on with the next', async () => {
    await bus.publish(subjects.verdict('fs01'), { nonsense: true }, { messageId: 'x' });
    const verdict = verdictOf({ level: 'warning', actors: await actorsOf(control, attacker.pid ?? 0) });
    await bus.publish(subjects.verdict('fs01'), verdict, { messageId: verdict.id });
    await expect.poll(events, { timeout: 5000 }).toHaveLength(2);
    expect(bus.figures().consumers).toMatchObject([{ deadLetters: 1, handled: 1 }]);
  });

  it('tells of its health and figures over HTTP', async () => {
    const healthy = await request(await http.getUrl()).get('/health/ready');
    expect(healthy.status).toBe(200);
    expect(healthy.body).toMatchObject({ service: 'responder', status: 'healthy', details: { incidents: { open: 0 }, mode: 'enforce' } });
    await bus.respond(subjects.command('fs01', 'vault', 'undo'), async () => ({ ok: false, code: 'failed', error: 'no space left in dataDir' }));
    const verdict = verdictOf({ actors: await actorsOf(control, attacker.pid ?? 0) });
    await bus.publish(subjects.verdict('fs01'), verdict, { messageId: verdict.id });
    await expect
      .poll(async () => (await request(await http.getUrl()).get('/health/ready')).body as unknown)
      .toMatchObject({ status: 'degraded', reason: expect.stringContaining('no space left') as unknown, details: { incidents: { open: 1 } } });
    const metrics = await request(await http.getUrl()).get('/metrics');
    expect(metrics.text).toMatch(/^kuramori_incidents_open\{service="responder"\} 1$/mu);
    expect(metrics.text).toMatch(/^kuramori_verdicts_attack_total\{service="responder"\} 1$/mu);
  });

  it('answers wrong commands with a code', async () => {
    expect(await ask('incident', { id: 'abcd' })).toMatchObject({ ok: false, code: 'not-found' });
    expect(await ask('decide', { id: 'abcd', decision: 'forget' })).toMatchObject({ ok: false, code: 'invalid' });
  });
});
