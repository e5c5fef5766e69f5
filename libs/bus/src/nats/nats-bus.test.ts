import 'reflect-metadata';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect } from 'nats';
import { afterEach, describe, expect, it } from 'vitest';
import { consumers, durableOf, streams, subjects } from '@kuramori/contracts';
import { freePorts, waitFor } from '@kuramori/testing';
import type { Bus, ReceivedMessage } from '../bus';
import { busContract } from '../bus.contract';
import { connectBus, readCredentials } from '../nest/connect';
import { type RoleName, roleNames } from '../server/roles';
import { writeServerFiles } from '../server/server-files';
import { SpooledPublisher } from '../spool/spooled-publisher';

/** A real nats-server with Kuramori's own files, in a directory of the test's own. */
class Server {
  private child: ChildProcess | undefined;
  readonly dataDir = mkdtempSync(path.join(tmpdir(), 'kuramori-bus-'));
  readonly credentials = path.join(this.dataDir, 'bus', 'credentials');
  private configuration = '';

  /** One that serves this host alone; `*`: any. */
  static async open(host: string): Promise<Server> {
    const server = new Server();
    server.configuration = writeServerFiles({ dataDir: server.dataDir, credentials: server.credentials, port: await freePorts(1), host });
    server.start();
    return server;
  }
  start(): void {
    this.child = spawn('nats-server', ['--config', this.configuration], { stdio: 'ignore' });
  }
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const { child } = this;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }
  bus(role: RoleName): Promise<Bus> {
    return connectBus(this.credentials, role);
  }
  async dispose(): Promise<void> {
    await this.stop('SIGKILL');
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}

const opened: { drain?: () => Promise<void>; dispose?: () => Promise<void> }[] = [];
afterEach(async () => {
  for (const thing of opened.splice(0).reverse()) await (thing.drain?.() ?? thing.dispose?.());
});

// One role that may publish facts and one that may consume them, as in real life, behind one face for the suite.
busContract('the NATS bus', async () => {
  const server = await Server.open('*');
  const [vault, watcher, detector, operator] = await Promise.all([
    server.bus('vault'),
    server.bus('watcher'),
    server.bus('detector'),
    server.bus('operator'),
  ]);
  const bus: Bus = {
    ensureStreams: (list) => vault.ensureStreams(list),
    publish: (...args) => watcher.publish(...args),
    consume: (...args) => vault.consume(...args),
    read: (...args) => detector.read(...args),
    request: (...args) => operator.request(...args),
    respond: (...args) => vault.respond(...args),
    figures: () => vault.figures(),
    drain: async () => {
      await Promise.all([vault.drain(), watcher.drain(), detector.drain(), operator.drain()]);
    },
  };
  return { bus, close: () => server.dispose() };
});

describe('the NATS bus', () => {
  it('loses nothing and keeps the order when the server is killed and comes back', async () => {
    const server = await Server.open('host');
    opened.push(server);
    const [watcher, vault] = await Promise.all([server.bus('watcher'), server.bus('vault')]);
    opened.push(watcher, vault);
    await watcher.ensureStreams([streams.files]);
    await vault.ensureStreams([streams.files]);
    const got: number[] = [];
    await vault.consume(consumers.vaultFiles, 'host', async ({ body }: ReceivedMessage) => void got.push((body as { index: number }).index));
    const losses: string[] = [];
    const publisher = new SpooledPublisher({
      bus: watcher,
      subject: subjects.fileBatch('host'),
      directory: path.join(server.dataDir, 'spool'),
      limitBytes: 10_000_000,
      onLoss: (reason) => losses.push(reason),
    });
    await publisher.start();
    for (let index = 0; index < 300; index += 1) {
      publisher.publish({ index }, `m${index}`);
      if (index === 100) await server.stop('SIGKILL');
      if (index === 200) server.start();
    }
    await waitFor('every message', 30_000, () => new Set(got).size === 300);
    // At least once: one in hand at the kill may come twice, but never after a later one for the first time.
    expect(got.filter((index, position) => got.indexOf(index) === position)).toEqual(Array.from({ length: 300 }, (_, index) => index));
    expect(losses).toEqual([]);
    await publisher.stop();
  });

  it('finds what a publisher left on the disk at its next start', async () => {
    const server = await Server.open('host');
    opened.push(server);
    const directory = path.join(server.dataDir, 'spool');
    const options = { subject: subjects.fileBatch('host'), directory, limitBytes: 10_000_000, onLoss: () => undefined };
    const away = new SpooledPublisher({ ...options, bus: { publish: () => Promise.reject(new Error('away')) } });
    await away.start();
    for (let index = 0; index < 5; index += 1) away.publish({ index }, `m${index}`);
    await away.stop();

    const watcher = await server.bus('watcher');
    const detector = await server.bus('detector');
    opened.push(watcher, detector);
    await watcher.ensureStreams([streams.files]);
    const publisher = new SpooledPublisher({ ...options, bus: watcher });
    await publisher.start();
    expect(await publisher.flushed(10_000)).toBe(true);
    await publisher.stop();
    const got: unknown[] = [];
    for await (const { body } of detector.read(streams.files.name, subjects.fileBatch('host'), 0)) got.push(body);
    expect(got).toEqual([0, 1, 2, 3, 4].map((index) => ({ index })));
  });
});

describe('the own nats-server', () => {
  it('lets each role publish its own subjects, of its own host, and nobody else', async () => {
    const server = await Server.open('host');
    opened.push(server);
    const own: Partial<Record<RoleName, string>> = {
      watcher: subjects.fileBatch('host'),
      detector: subjects.verdict('host'),
      vault: subjects.vaultStored('host'),
      responder: subjects.incident('host', 'opened'),
      operator: subjects.command('host', 'vault', 'restore'),
    };
    const others = [
      subjects.fileBatch('other'),
      subjects.verdict('other'),
      subjects.vaultStored('other'),
      subjects.incident('other', 'opened'),
      subjects.command('other', 'vault', 'restore'),
      `$JS.API.CONSUMER.MSG.NEXT.KURAMORI_INCIDENTS.${durableOf(consumers.notifierIncidents, 'other')}`,
      `$JS.API.CONSUMER.CREATE.KURAMORI_FILES.${durableOf(consumers.vaultFiles, 'host')}.${subjects.fileBatch('other')}`,
    ];
    for (const role of roleNames) {
      const { url, user, password, inboxPrefix } = readCredentials(server.credentials, role);
      const connection = await connect({ servers: url, user, pass: password, inboxPrefix, waitOnFirstConnect: true });
      const refused = new Set<string>();
      void (async () => {
        for await (const status of connection.status()) if (status.permissionContext !== undefined) refused.add(status.permissionContext.subject);
      })();
      const marker = 'not.ours.at.all';
      for (const subject of [...Object.values(own), ...others, marker]) connection.publish(subject, '{}');
      await connection.flush();
      await waitFor('the refusals', 5000, () => refused.has(marker));
      const foreign = Object.entries(own).flatMap(([owner, subject]) => (owner === role ? [] : [subject]));
      expect([...refused].sort(), role).toEqual([...foreign, ...others, marker].sort());
      await connection.close();
    }
  });

  it('refuses anyone without credentials', async () => {
    const server = await Server.open('host');
    opened.push(server);
    const { url } = readCredentials(server.credentials, 'watcher');
    await (await server.bus('watcher')).drain();
    await expect(connect({ servers: url, reconnect: false })).rejects.toThrow(/authorization/iu);
  });

  it('keeps its passwords from one start to the next, readable by root alone', async () => {
    const server = await Server.open('host');
    opened.push(server);
    const before = readFileSync(path.join(server.credentials, 'vault.json'), 'utf8');
    writeServerFiles({ dataDir: server.dataDir, credentials: server.credentials, port: 4999, host: 'host' });
    expect(readCredentials(server.credentials, 'vault').password).toBe((JSON.parse(before) as { password: string }).password);
  });
});
