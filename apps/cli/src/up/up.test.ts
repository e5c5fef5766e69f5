import { createServer } from 'node:net';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { serviceNames } from '@kuramori/contracts';
import { freePorts, waitFor } from '@kuramori/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Behaviour, bundleCli, commandOf, isAlive, Scene } from '../testing/cli-harness';

let cli: Awaited<ReturnType<typeof bundleCli>>;
beforeAll(async () => {
  cli = await bundleCli();
}, 60_000);
afterAll(() => cli.remove());

const scenes: Scene[] = [];
afterEach(() => {
  for (const scene of scenes.splice(0)) scene.dispose();
});

async function sceneOf(behaviours: Record<string, Behaviour> = {}): Promise<Scene> {
  const scene = new Scene(cli.file, await freePorts(7), behaviours);
  scenes.push(scene);
  return scene;
}

async function running(behaviours: Record<string, Behaviour> = {}) {
  const scene = await sceneOf(behaviours);
  const up = scene.start(['up']);
  await waitFor(`up to be ready: ${up.output()}`, 15_000, () => up.output().includes('protecting 1,234 files'));
  return { scene, up };
}

/** Every service was asked, one after the other. */
function stoppedInOrder(scene: Scene): boolean {
  const stopped = scene.notes().filter((line) => line.includes('stopped'));
  const order = ['responder', 'detector', 'vault', 'watcher', 'notifier'];
  return stopped.join() === order.map((name) => `${name} stopped SIGTERM`).join();
}

const everyName = ['up', 'nats-server', ...serviceNames];

describe('up', () => {
  it('starts the bus and all services, registers them, says what it protects, and leaves nothing after SIGTERM', async () => {
    const { scene, up } = await running();
    const registered = scene.registered();
    expect([...registered.keys()].sort()).toEqual([...everyName].sort());
    expect([...registered.values()].every(isAlive)).toBe(true);
    expect(registered.get('up')).toBe(up.child.pid);
    expect(up.output()).toContain(scene.share);
    expect(statSync(scene.dataDir).mode & 0o777).toBe(0o700);
    expect(readFileSync(path.join(scene.dataDir, 'log', 'vault.log'), 'utf8')).toContain('hello from vault');

    up.child.kill('SIGTERM');
    const { status } = await up.ended;
    expect(status).toBe(0);
    expect([...registered.values()].filter(isAlive)).toEqual([]);
    expect(stoppedInOrder(scene)).toBe(true);
    expect(existsSync(path.join(scene.dataDir, 'run', 'up.lock'))).toBe(false);
  });

  it('starts a service again that was killed, with a growing delay, and says so loudly', async () => {
    const { scene, up } = await running();
    for (const delay of ['0.2', '0.4']) {
      const pid = scene.registered().get('detector') ?? 0;
      process.kill(pid, 'SIGKILL');
      await waitFor('the service to be registered anew', 5000, () => {
        const now = scene.registered().get('detector');
        return now !== undefined && now !== pid && isAlive(now);
      });
      expect(up.output()).toMatch(new RegExp(`detector\\s+ENDED \\(signal SIGKILL\\): it is started again in ${delay} s`, 'u'));
      await waitFor('the service to be healthy', 5000, async () => (await scene.run('status', '--json')).status === 0);
    }
    const others = serviceNames.filter((name) => name !== 'detector');
    expect(scene.notes().filter((line) => others.some((name) => line.startsWith(`${name} started`)))).toHaveLength(others.length);
  });

  it('starts nats-server again that was killed', async () => {
    const { scene } = await running();
    const pid = scene.registered().get('nats-server') ?? 0;
    process.kill(pid, 'SIGKILL');
    await waitFor('another nats-server', 5000, () => {
      const now = scene.registered().get('nats-server');
      return now !== undefined && now !== pid && commandOf(now).includes('nats-server.conf');
    });
  });

  it('killed with -9 takes its services and the bus with it, and a new one ends what is left and starts anew', async () => {
    const { scene, up } = await running({ notifier: { stubborn: true } });
    const before = scene.registered();
    up.child.kill('SIGKILL');
    await up.ended;
    const others = ['nats-server', ...serviceNames].filter((name) => name !== 'notifier');
    await waitFor('the others to notice', 5000, () => others.every((name) => !isAlive(before.get(name) ?? 0)));
    // The stubborn one is still there.
    expect(isAlive(before.get('notifier') ?? 0)).toBe(true);

    scene.behave('notifier', {});
    const next = scene.start(['up']);
    await waitFor('the new one to be ready', 15_000, () => next.output().includes('protecting 1,234 files'));
    expect(next.output()).toMatch(/ended what it left behind: notifier/u);
    expect([...before.values()].filter(isAlive)).toEqual([]);
    next.child.kill('SIGTERM');
    expect((await next.ended).status).toBe(0);
  });

  it('ends no process that only has the pid of one of its own', async () => {
    const { scene, up } = await running();
    up.child.kill('SIGTERM');
    await up.ended;
    const stranger = scene.start(['status', '--wait=60']);
    const pid = stranger.child.pid ?? 0;
    writeFileSync(path.join(scene.dataDir, 'run', 'processes.json'), JSON.stringify([{ name: 'vault', pid, startTime: 1 }]));
    const next = scene.start(['up']);
    await waitFor('the new one to be ready', 15_000, () => next.output().includes('protecting 1,234 files'));
    expect(next.output()).not.toContain('left behind');
    expect((await stranger.ended).status).toBe(0);
    next.child.kill('SIGINT');
    expect((await next.ended).status).toBe(0);
  });

  it('is refused while another one runs, and takes over a stale lock', async () => {
    const { scene, up } = await running();
    const second = await scene.run('up');
    expect(second.status).toBe(1);
    expect(second.stderr).toMatch(/already running/u);
    expect([...scene.registered().values()].every(isAlive)).toBe(true);
    up.child.kill('SIGTERM');
    await up.ended;
    // A lock whose pid is somebody else's by now.
    writeFileSync(path.join(scene.dataDir, 'run', 'up.lock'), JSON.stringify({ pid: process.pid, startTime: 1 }));
    const third = scene.start(['up']);
    await waitFor('the third to be ready', 15_000, () => third.output().includes('protecting'));
    third.child.kill('SIGTERM');
    expect((await third.ended).status).toBe(0);
  });

  it.each([
    [1, 1],
    [2, 2],
  ])('stops everything when a service ends at its first start with status %i', async (exit, status) => {
    const scene = await sceneOf({ vault: { exit } });
    const result = await scene.run('up');
    expect(result.status).toBe(status);
    expect(result.stderr).toMatch(/vault could not be started.*a reason to end: vault/su);
    const started = scene.notes().flatMap((line) => /started (\d+)/u.exec(line)?.[1] ?? []);
    expect(started.length).toBeGreaterThan(0);
    expect(started.map(Number).filter((pid) => commandOf(pid).includes(scene.directory))).toEqual([]);
    expect([...scene.registered().keys()]).toEqual(['up']);
  });

  it('kills a service that does not end', { timeout: 40_000 }, async () => {
    const { scene, up } = await running({ detector: { stubborn: true } });
    const registered = scene.registered();
    up.child.kill('SIGTERM');
    const { status, stdout } = await up.ended;
    expect(status).toBe(0);
    expect(stdout).toMatch(/detector\s+did not end in time/u);
    expect([...registered.values()].filter(isAlive)).toEqual([]);
  });

  it('takes a signal that arrives several times for one, and stops in order', async () => {
    const { scene, up } = await running();
    for (let times = 0; times < 3; times += 1) up.child.kill('SIGINT');
    const { status, stdout } = await up.ended;
    expect(status).toBe(0);
    expect(stdout).not.toContain('did not end in time');
    expect(stoppedInOrder(scene)).toBe(true);
  });

  it.each(['SIGINT', 'SIGHUP', 'SIGTERM'] as const)(
    'below a wrapper that gets %s with it stops in order, and the wrapper ends last with its status',
    async (signal) => {
      const scene = await sceneOf();
      const wrapped = scene.startWrapped('up');
      await waitFor('up to be ready', 15_000, () => wrapped.output().includes('protecting 1,234 files'));
      const registered = scene.registered();
      expect(registered.get('up')).not.toBe(wrapped.child.pid);
      // As a terminal does: to everybody in the group.
      process.kill(-(wrapped.child.pid ?? 0), signal);
      const { status, stdout } = await wrapped.ended;
      expect(status).toBe(0);
      expect(stdout).toContain('stopped: nothing of Kuramori is running');
      expect(stdout).not.toContain('did not end in time');
      expect([...registered.values()].filter(isAlive)).toEqual([]);
      expect(stoppedInOrder(scene)).toBe(true);
    },
  );

  it('below a wrapper that alone gets SIGTERM stops too', async () => {
    const scene = await sceneOf();
    const wrapped = scene.startWrapped('up');
    await waitFor('up to be ready', 15_000, () => wrapped.output().includes('protecting 1,234 files'));
    wrapped.child.kill('SIGTERM');
    expect((await wrapped.ended).status).toBe(0);
    expect(stoppedInOrder(scene)).toBe(true);
  });

  it('does not wait when it is told again later', async () => {
    const { scene, up } = await running({ detector: { stubborn: true } });
    let over = false;
    void up.ended.then(() => (over = true));
    await waitFor('an impatient administrator to be heard', 8000, () => over || (up.child.kill('SIGINT'), false));
    const { status, stdout } = await up.ended;
    expect(status).toBe(0);
    expect(stdout).toMatch(/detector\s+did not end in time/u);
    expect(scene.notes()).toContain('responder stopped SIGTERM');
  });

  it('with an address that is none of this machine is wrong settings', async () => {
    const scene = await sceneOf();
    scene.settings({ http: { bind: '203.0.113.7', port: scene.httpPort } });
    const { status, stderr } = await scene.run('up');
    expect(status).toBe(2);
    expect(stderr).toBe('http.bind: 203.0.113.7 is not an address of this machine\n');
  });

  it('with bus.url but without credentials says once who makes them, and makes nothing', async () => {
    const scene = await sceneOf();
    scene.settings({ bus: { url: 'nats://127.0.0.1:4222' } });
    const { status, stderr } = await scene.run('up');
    expect(status).toBe(2);
    expect(stderr).toMatch(/^bus\.credentials: [^\n]*watcher, detector, vault, responder, notifier, operator[^\n]*'kuramori bus init [^\n]*\n$/u);
    expect(stderr).not.toContain('first start');
    expect(existsSync(scene.dataDir)).toBe(false);
    const { status: asked, stderr: said } = await scene.run('incidents');
    expect(asked).toBe(2);
    expect(said).toMatch(/^bus\.credentials: /u);
  });

  it('names the port that is in use and starts nothing', async () => {
    const scene = await sceneOf();
    const occupant = createServer();
    await new Promise<void>((resolve) => occupant.listen(scene.httpPort + 3, '127.0.0.1', () => resolve()));
    try {
      const { status, stderr } = await scene.run('up');
      expect(status).toBe(1);
      expect(stderr).toMatch(new RegExp(`port ${scene.httpPort + 3} on 127\\.0\\.0\\.1 \\(vault\\) is in use`, 'u'));
      expect(existsSync(path.join(scene.dataDir, 'fake.log'))).toBe(false);
    } finally {
      await new Promise((resolve) => occupant.close(resolve));
    }
  });

  it('without nats-server says how to install it, and makes nothing', async () => {
    const scene = await sceneOf();
    const { status, stderr } = await scene.start(['up'], { PATH: '/nonexistent' }).ended;
    expect(status).toBe(1);
    expect(stderr).toMatch(/nats-server.*apt-get install nats-server/u);
    expect(existsSync(scene.dataDir)).toBe(false);
  });

  it('with wrong settings says everything that is wrong and makes nothing', async () => {
    const scene = await sceneOf();
    writeFileSync(scene.settingsFile, JSON.stringify({ dataDir: scene.dataDir, mode: 'panic', protct: {}, protect: { roots: ['/no/such'] } }));
    const { status, stderr } = await scene.run('up');
    expect(status).toBe(2);
    expect(stderr).toMatch(/mode[\s\S]*protct[\s\S]*\/no\/such|protct[\s\S]*mode[\s\S]*\/no\/such/u);
    expect(existsSync(scene.dataDir)).toBe(false);
  });

  it('whose data directory cannot be made says so', async () => {
    const scene = await sceneOf();
    const file = path.join(scene.directory, 'file');
    writeFileSync(file, '');
    writeFileSync(scene.settingsFile, JSON.stringify({ dataDir: path.join(file, 'data'), protect: { roots: [scene.share] } }));
    const { status, stderr } = await scene.run('up');
    expect(status).toBeGreaterThan(0);
    expect(stderr).toMatch(/dataDir/u);
  });
});
