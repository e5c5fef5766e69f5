import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { DataSource } from 'typeorm';
import { afterEach, describe, expect, it } from 'vitest';
import { Installation, waitFor } from '@kuramori/testing';
import { install, projectRoot } from './support';

const installations: Installation[] = [];
afterEach(async () => {
  for (const installation of installations.splice(0)) await installation.dispose();
});

async function withSettings(settings: Record<string, unknown>, env: Record<string, string> = {}): Promise<Installation> {
  const installation = await Installation.create({ projectRoot, settings, env });
  installations.push(installation);
  return installation;
}

/** Nothing half-started: `up` ends by itself, with this status and text, and no service of it is left. */
async function refuses(installation: Installation, status: number, text: RegExp): Promise<void> {
  const result = await installation.run('up');
  expect(result.stderr + result.stdout).toMatch(text);
  expect(result.status).toBe(status);
}

describe('up refuses, says why and leaves nothing running', () => {
  it('with an unknown key', async () => {
    await refuses(await withSettings({ protct: {} }), 2, /protct.*protect/su);
  });
  it('with a root that is missing', async () => {
    await refuses(await withSettings({ protect: { roots: ['/no/such/directory'] } }), 2, /protect\.roots.*\/no\/such\/directory/su);
  });
  it('with a root inside dataDir', async () => {
    const installation = await Installation.create({ projectRoot });
    installations.push(installation);
    const root = path.join(installation.dataDir, 'inside');
    mkdirSync(root, { recursive: true });
    writeFileSync(installation.settingsFile, JSON.stringify({ dataDir: installation.dataDir, protect: { roots: [root] } }));
    await refuses(installation, 2, /protect\.roots.*dataDir|dataDir.*protect\.roots/su);
  });
  it('with dataDir inside a root', async () => {
    const installation = await Installation.create({ projectRoot });
    installations.push(installation);
    writeFileSync(
      installation.settingsFile,
      JSON.stringify({ dataDir: path.join(installation.share, 'data'), protect: { roots: [installation.share] } }),
    );
    await refuses(installation, 2, /dataDir/u);
  });
  it('with a settings file that is not there', async () => {
    const installation = await Installation.create({ projectRoot, env: { KURAMORI_CONFIG: '/no/such/kuramori.yaml' } });
    installations.push(installation);
    await refuses(installation, 2, /\/no\/such\/kuramori\.yaml/u);
  });
  it('without nats-server on the PATH', async () => {
    await refuses(await withSettings({}, { PATH: '/nonexistent' }), 1, /nats-server.*apt-get install nats-server/su);
  });
  it('with a port in use', async () => {
    const installation = await withSettings({});
    const occupant = createServer();
    await new Promise<void>((resolve) => occupant.listen(installation.httpPort + 3, '127.0.0.1', () => resolve()));
    try {
      await refuses(installation, 1, new RegExp(`${installation.httpPort + 3}.*in use`, 'su'));
    } finally {
      await new Promise((resolve) => occupant.close(resolve));
    }
  });
  it('twice for one dataDir', async () => {
    const { installation } = await install({ files: 10 });
    installations.push(installation);
    installation.start();
    await installation.ready();
    await refuses(installation, 1, /already running/u);
    expect((await installation.status()).ready).toBe(true);
  });
});

describe('while it runs', () => {
  it('a command against nothing running exits with 3', async () => {
    const installation = await withSettings({});
    expect((await installation.run('status', '--json')).status).toBe(3);
    expect((await installation.run('incidents', '--json')).status).toBe(3);
  });
  it('usage errors exit with 2', async () => {
    const installation = await withSettings({});
    expect((await installation.run('no-such-command')).status).toBe(2);
    expect((await installation.run('restore')).status).toBe(2);
    expect((await installation.run('status', '--no-such-option')).status).toBe(2);
  });
  it('a file that cannot be read is named and the others are protected', async () => {
    const { installation } = await install({ files: 10 });
    installations.push(installation);
    // Answers every read with an error, root's too, as a bad disk does: the loopback interface has no speed.
    const broken = path.join(installation.share, 'broken.txt');
    writeFileSync(broken, '');
    execFileSync('mount', ['--bind', '/sys/class/net/lo/speed', broken]);
    try {
      installation.start();
      await installation.explained(() =>
        waitFor('the vault to name the file', 30_000, async () => {
          const { services, protection } = await installation.status();
          return protection.files >= 10 && services.vault?.reason?.includes('broken.txt') === true;
        }),
      );
      await installation.stop();
    } finally {
      execFileSync('umount', [broken]);
    }
  });
  it('a name that is no UTF-8 is protected like any other', async () => {
    const { installation } = await install({ files: 10 });
    installations.push(installation);
    writeFileSync(Buffer.concat([Buffer.from(`${installation.share}/`), Buffer.from([0xff, 0xfe, 0x41])]), 'not UTF-8');
    installation.start();
    await installation.ready();
    expect((await installation.status()).protection.files).toBe(11);
  });
  it('a database from a newer version is named, and everything else is stopped', async () => {
    const { installation } = await install({ files: 10 });
    installations.push(installation);
    installation.start();
    await installation.ready();
    await installation.stop();
    const file = path.join(installation.dataDir, 'vault', 'vault.sqlite');
    const database = new DataSource({ type: 'sqlite', database: file });
    await database.initialize();
    await database.query(`INSERT INTO "migrations" ("timestamp", "name") VALUES (4102444800000, 'FromTheFuture4102444800000')`);
    await database.destroy();
    await refuses(installation, 1, /vault\.sqlite was written by a newer version of Kuramori \(FromTheFuture4102444800000\)/u);
    expect([...installation.processes().values()].filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]);
  });
  it('SIGTERM leaves no process behind', async () => {
    const { installation } = await install({ files: 10 });
    installations.push(installation);
    installation.start();
    await installation.ready();
    const pids = [...installation.processes().values()];
    expect(pids.length).toBeGreaterThanOrEqual(7);
    expect(await installation.stop()).toBe(0);
    await waitFor('every process to be gone', 5000, () =>
      pids.every((pid) => {
        try {
          process.kill(pid, 0);
          return false;
        } catch {
          return true;
        }
      }),
    );
  });
});
