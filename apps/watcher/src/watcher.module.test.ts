import { rmSync } from 'node:fs';
import path from 'node:path';
import { NestFactory } from '@nestjs/core';
import { BusExceptionFilter, callCommand, JetStreamStrategy, MemoryBus } from '@kuramori/bus';
import { parseSettings } from '@kuramori/config';
import { type FileFact, type JournalPosition, streams, subjects, unknownActor } from '@kuramori/contracts';
import { MemorySensor } from '@kuramori/platform';
import { bundleForTest, type TestBundle } from '@kuramori/testing';
import { HealthRegistry, OpsModule, serviceMetrics, StartError } from '@kuramori/ops';
import request from 'supertest';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createdAndWritten, rawEvent } from './testing/events';
import { Place } from './testing/place';
import { watcherModule } from './watcher.module';

const soon = { timeout: 15_000, interval: 5 };
const log = { log: () => undefined, warn: () => undefined, error: () => undefined };

let workers: TestBundle;
let place: Place;
let bus: MemoryBus;
const closing: (() => Promise<unknown>)[] = [];

/** The sampling thread alone: those of fanotify and the guard are not to be had here. */
beforeAll(async () => {
  workers = await bundleForTest({ 'sampler.worker': 'apps/watcher/src/sampler.worker.ts' });
});
afterAll(() => workers.remove());

beforeEach(async () => {
  place = new Place({ 'plan.txt': 'plan' });
  bus = new MemoryBus({ firstBackoffMs: 5 });
  await bus.ensureStreams(Object.values(streams));
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  await bus.drain();
  place.remove();
});

/** A vault whose baseline is done and which knows the file that is there. */
async function vault(): Promise<void> {
  const answers = { baseline: { done: true }, catalogue: { entries: [place.entry('plan.txt')] } };
  for (const [name, result] of Object.entries(answers)) {
    await bus.respond(subjects.command('fs01', 'vault', name), async () => ({ ok: true, result }));
  }
}

function context(sensor: string) {
  const settings = parseSettings(
    JSON.stringify({ host: 'fs01', dataDir: path.join(place.directory, 'data'), protect: { roots: [place.share], sensor } }),
    'test',
  );
  return { settings, bus, log, health: new HealthRegistry(), metrics: serviceMetrics('watcher') };
}

/** The service on the bus, and its health port. */
async function service(sensor: MemorySensor | 'auto' | 'chokidar' = new MemorySensor()) {
  const made = context(sensor instanceof MemorySensor ? 'chokidar' : sensor);
  const module = await watcherModule(made, { workers: workers.directory, ...(sensor instanceof MemorySensor ? { sensor } : {}) });
  const app = await NestFactory.createMicroservice(module, { strategy: new JetStreamStrategy(bus, 'fs01', log), logger: false });
  app.useGlobalFilters(new BusExceptionFilter());
  await app.listen();
  const http = await NestFactory.create(OpsModule.forService('watcher', made.health, made.metrics), { logger: false });
  await http.listen(0, '127.0.0.1');
  closing.push(
    () => http.close(),
    () => app.close(),
  );
  const server = http.getHttpServer() as Parameters<typeof request>[0];
  return {
    ask: async (name: string, payload: object) => callCommand(bus, 'fs01', 'watcher', name, payload, { timeoutMs: 10_000 }),
    get: async (url: string) => request(server).get(url),
    ready: async () => (await request(server).get('/health/ready')).body as object,
  };
}
const compared = { details: { watcher: { rescans: 1, rescanRunning: false } } };

async function facts(): Promise<FileFact[]> {
  const found: FileFact[] = [];
  for await (const { body } of bus.read(streams.files.name, subjects.fileBatch('fs01'), 0)) found.push(...(body as { facts: FileFact[] }).facts);
  return found;
}

describe('the service', () => {
  it('publishes what happens, looked at by threads of their own', async () => {
    await vault();
    await service('chokidar');
    const content = expect.objectContaining({ textHead: 'new' }) as unknown;
    // While the threads load, and on a busy machine, a fact goes without the look: the next one has it.
    const written = async () => {
      place.write({ 'new.txt': 'new' });
      return facts();
    };
    await expect.poll(written, { timeout: 15_000, interval: 200 }).toContainEqual(expect.objectContaining({ path: place.at('new.txt'), content }));
  });

  it('tells its health and figures', async () => {
    await vault();
    const sensor = new MemorySensor();
    const { get, ready } = await service(sensor);
    expect((await get('/health/live')).body).toMatchObject({ status: 'live', service: 'watcher', pid: process.pid });
    await expect.poll(ready, soon).toMatchObject(compared);
    sensor.push(rawEvent(place.at('new.txt'), createdAndWritten));
    await expect.poll(facts, soon).toMatchObject([{ operation: 'created', path: place.at('new.txt') }]);
    const answer = await get('/health/ready');
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({
      status: 'healthy',
      service: 'watcher',
      details: { watcher: { sensor: 'memory', knowsActors: true, eventsSeen: 1, factsPublished: 1, losses: 0, guard: 'off' } },
    });
    const metrics = (await get('/metrics')).text;
    expect(metrics).toMatch(/^kuramori_watcher_facts_published\{service="watcher"\} 1$/mu);
    expect(metrics).toMatch(/^kuramori_watcher_events_seen\{service="watcher"\} 1$/mu);
    for (const name of ['overflows', 'unresolved_actors', 'queued', 'lag_ms', 'spooled_bytes', 'losses', 'rescan_differences']) {
      expect(metrics).toMatch(new RegExp(`^kuramori_watcher_${name}\\{service="watcher"\\} \\d+$`, 'mu'));
    }
  });

  it('is degraded, and says why, while it can not compare the disk with the catalogue', async () => {
    const { get, ready } = await service();
    await expect.poll(ready, soon).toMatchObject({ status: 'degraded', reason: expect.stringMatching(/^rescan pending: /u) as string });
    expect((await get('/health/ready')).status).toBe(200);
    await vault();
    await expect.poll(ready, soon).toMatchObject({ status: 'healthy' });
  });

  it('protects without knowing who where it may choose and fanotify is not to be had, and says so', async () => {
    await vault();
    const { ready } = await service('auto');
    await expect.poll(ready, soon).toMatchObject({
      status: 'degraded',
      reason: expect.stringMatching(/^protected without knowing who: fanotify/u) as string,
      details: { watcher: { sensor: 'chokidar', knowsActors: false } },
    });
  });

  it('does not start when the sensor that was asked for is not to be had', async () => {
    await vault();
    await expect(watcherModule(context('fanotify'), { workers: workers.directory })).rejects.toThrow(StartError);
  });

  it('publishes what it saw when it is stopped', async () => {
    await vault();
    const sensor = new MemorySensor();
    await service(sensor);
    sensor.push(rawEvent(place.at('open.txt'), { modified: true }));
    for (const close of closing.splice(0)) await close();
    expect(await facts()).toMatchObject([{ operation: 'modified', path: place.at('open.txt') }]);
  });
});

describe('the commands', () => {
  it('announce: what comes as announced is our own', async () => {
    await vault();
    const sensor = new MemorySensor();
    const { ask } = await service(sensor);
    const changes = [{ path: place.at('gone.txt') }, { path: place.at('other.txt'), sha256: 'a'.repeat(64) }];
    expect(await ask('announce', { changes })).toEqual({ ok: true, result: { accepted: 2 } });
    expect(await ask('announce', { changes: [] })).toEqual({ ok: true, result: { accepted: 0 } });
    sensor.push(rawEvent(place.at('gone.txt'), { deleted: true }, unknownActor));
    await expect.poll(facts, soon).toMatchObject([{ operation: 'deleted', path: place.at('gone.txt'), origin: 'kuramori' }]);
  });

  const wrong: readonly (readonly [string, object, string])[] = [
    ['no list', { changes: 'all' }, 'changes: '],
    ['nothing', {}, 'changes: '],
    ['a path that is none', { changes: [{ path: '/a' }, { path: 7 }] }, 'changes.1.path: '],
    ['a hash that is none', { changes: [{ path: '/a', sha256: 'abc' }] }, 'changes.0.sha256: '],
    ['too many', { changes: Array.from({ length: 513 }, () => ({ path: '/a' })) }, 'changes: '],
  ];
  it('announce: what is wrong is invalid, and the answer names the field', async () => {
    await vault();
    const { ask } = await service();
    for (const [what, payload, field] of wrong) {
      const error = expect.stringContaining(field) as string;
      expect(await ask('announce', payload), what).toMatchObject({ ok: false, code: 'invalid', error });
    }
  });

  it('rescan: begins a comparison', async () => {
    await vault();
    const { ask, ready } = await service();
    await expect.poll(ready, soon).toMatchObject(compared);
    rmSync(place.at('plan.txt'));
    expect(await ask('rescan', {})).toEqual({ ok: true, result: { started: true } });
    await expect.poll(facts, soon).toMatchObject([{ operation: 'deleted', path: place.at('plan.txt'), actor: 'unknown', rescan: true }]);
    await expect.poll(ready, soon).toMatchObject({ details: { watcher: { rescans: 2, rescanDifferences: 1 } } });
  });

  it('flush: tells the place up to which all is in the stream', async () => {
    await vault();
    const sensor = new MemorySensor();
    const { ask } = await service(sensor);
    sensor.push(rawEvent(place.at('new.txt'), createdAndWritten));
    const { ok, result } = await ask('flush', {});
    const batches: unknown[] = [];
    for await (const { body } of bus.read(streams.files.name, subjects.fileBatch('fs01'), 0)) batches.push(body);
    expect(ok).toBe(true);
    expect(batches.at(-1)).toMatchObject(result as JournalPosition);
    expect(await facts()).toMatchObject([{ path: place.at('new.txt') }]);
  });
});
