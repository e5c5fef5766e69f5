import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { NestFactory } from '@nestjs/core';
import { BusExceptionFilter, callCommand, JetStreamStrategy, MemoryBus } from '@kuramori/bus';
import { parseSettings } from '@kuramori/config';
import { streams, subjects } from '@kuramori/contracts';
import { HealthRegistry, OpsModule, serviceMetrics, StartError } from '@kuramori/ops';
import { bundleForTest, type TestBundle } from '@kuramori/testing';
import request from 'supertest';
import { afterAll, afterEach, expect, it } from 'vitest';
import { Database, databaseFile } from './catalogue/database';
import { Vault } from './vault';
import { vaultModule } from './vault.module';

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

function place(): { share: string; dataDir: string } {
  const directory = mkdtempSync(path.join(tmpdir(), 'kuramori-vault-'));
  directories.push(directory);
  const share = path.join(directory, 'share');
  const dataDir = path.join(directory, 'data');
  mkdirSync(share);
  mkdirSync(dataDir);
  return { share, dataDir };
}

function settingsFor(share: string, dataDir: string) {
  return parseSettings(JSON.stringify({ host: 'fs01', dataDir, protect: { roots: [share] }, vault: { reserveFree: '1B' } }), 'test');
}
const log = { log: () => undefined, warn: () => undefined, error: () => undefined };

const bundles: TestBundle[] = [];
afterAll(() => bundles.splice(0).forEach((bundle) => bundle.remove()));

async function workers(): Promise<string> {
  const bundle = await bundleForTest({ 'capture.worker': 'apps/vault/src/capture.worker.ts' });
  bundles.push(bundle);
  return bundle.directory;
}

it('takes batches from the stream, answers commands on the bus, and tells its health, with real reading threads', async () => {
  const { share, dataDir } = place();
  writeFileSync(path.join(share, 'plan.txt'), 'plan');
  const bus = new MemoryBus({ firstBackoffMs: 5 });
  await bus.ensureStreams(Object.values(streams));
  const settings = settingsFor(share, dataDir);
  const health = new HealthRegistry();
  const metrics = serviceMetrics('vault');
  const module = await vaultModule({ settings, bus, log, health, metrics }, { workers: await workers() });
  const app = await NestFactory.createMicroservice(module, { strategy: new JetStreamStrategy(bus, 'fs01', log), logger: false });
  app.useGlobalFilters(new BusExceptionFilter());
  await app.listen();
  const http = await NestFactory.create(OpsModule.forService('vault', health, metrics), { logger: false });
  await http.listen(0, '127.0.0.1');
  try {
    await app.get(Vault).baseline.ended();
    const ask = async (name: string, payload: object) => callCommand(bus, 'fs01', 'vault', name, payload, { timeoutMs: 5000 });
    expect(await ask('baseline', {})).toMatchObject({ ok: true, result: { done: true, filesDone: 1 } });
    expect(await ask('catalogue', { limit: 10 })).toMatchObject({ ok: true, result: { entries: [{ path: path.join(share, 'plan.txt'), size: 4 }] } });
    expect(await ask('versions', { path: path.join(share, 'plan.txt') })).toMatchObject({ ok: true, result: { versions: [{ version: 1 }] } });
    expect(await ask('versions', { path: path.join(share, 'none.txt') })).toMatchObject({ ok: false, code: 'not-found' });
    expect(await ask('versions', {})).toMatchObject({ ok: false, code: 'invalid' });
    expect(await ask('release', { id: 'nothing' })).toMatchObject({ ok: false, code: 'not-found' });
    const batch = { host: 'fs01', watcherId: 'abcdef01', sequence: 1, completeUntilMs: 1, sensor: 'memory', actors: [], facts: [] };
    await bus.publish(subjects.fileBatch('fs01'), batch, { messageId: 'abcdef01-1' });
    await expect.poll(() => bus.figures().consumers[0]?.handled).toBe(1);
    const stored: unknown[] = [];
    for await (const { body } of bus.read(streams.vault.name, subjects.vaultStored('fs01'), 0)) stored.push(body);
    expect(stored).toMatchObject([{ watcherId: 'abcdef01', sequence: 1, changes: [] }]);

    const server = http.getHttpServer() as Parameters<typeof request>[0];
    const ready = await request(server).get('/health/ready').expect(200);
    expect(ready.body).toMatchObject({
      status: 'healthy',
      details: {
        protection: { files: 1, bytes: 4, pending: 0, oldestPendingMs: 0, baselineDone: true, unreadable: 0 },
        vault: { versions: 1, logicalBytes: 4 },
      },
    });
    expect((await request(server).get('/metrics').expect(200)).text).toMatch(/kuramori_vault_files\{service="vault"\} 1/u);
  } finally {
    await http.close();
    await app.close();
    await bus.drain();
  }
});

it('does not start with the database of a newer version, and says what to do', async () => {
  const { share, dataDir } = place();
  const database = await Database.open(databaseFile(dataDir));
  await database.read(`INSERT INTO "migrations" ("timestamp", "name") VALUES (9, 'Later9')`);
  await database.close();
  const context = {
    settings: settingsFor(share, dataDir),
    bus: new MemoryBus(),
    log,
    health: new HealthRegistry(),
    metrics: serviceMetrics('vault'),
  };
  await expect(vaultModule(context)).rejects.toThrow(StartError);
});
