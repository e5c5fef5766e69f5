import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { bundleForTest, type LoopDisk, openLoopDisk, type TestBundle, waitFor } from '@kuramori/testing';
import { type RawEvent, SensorUnavailableError } from '../../sensor';
import { list, realDisk, replay, sensorContract } from '../../sensor.contract';
import { readStat } from '../process-table-reader';
import { FanotifySensor } from './fanotify-sensor';

let disk: LoopDisk;
let bundle: TestBundle;
let count = 0;

beforeAll(async () => {
  bundle = await bundleForTest({ 'fanotify.worker': 'apps/watcher/src/fanotify.worker.ts', platform: 'libs/platform/src/index.ts' });
  disk = openLoopDisk();
});
afterAll(() => {
  disk.close();
  bundle.remove();
});
const newSensor = (worker = 'fanotify.worker.mjs') => new FanotifySensor(pathToFileURL(path.join(bundle.directory, worker)), disk.scratch);
function ownDirectory(): string {
  count += 1;
  const directory = path.join(disk.mountPoint, String(count));
  mkdirSync(directory);
  return directory;
}

sensorContract(
  'fanotify',
  async () => {
    const directory = ownDirectory();
    return { directory, disk: realDisk, missing: path.join(directory, 'none'), newSensor, close: async () => undefined };
  },
  { seesDisk: true, renames: true, everyChange: true, anyName: true, metadata: true },
);

/** A sensor on the roots, and what it told. */
async function watch(roots: readonly string[], sensor = newSensor()) {
  const events: RawEvent[] = [];
  const losses: string[] = [];
  const lost = (root: string, reason: string) => losses.push(`${root}: ${reason}`);
  await sensor.start(roots, [], { events: (some) => events.push(...some), lost });
  running.push(sensor);
  const of = (file: string) => events.filter((event) => event.path === file);
  return { sensor, events, losses, of, settle: () => sensor.settle(waitMs) };
}
const python = (program: string, ...args: string[]) => promisify(execFile)('/usr/bin/python3', ['-c', program, ...args]);
const waitMs = 20_000;
const running: FanotifySensor[] = [];
afterEach(async () => {
  for (const sensor of running.splice(0)) await sensor.stop();
});

describe('who', () => {
  it('is known of 200 processes that live for some milliseconds: program, command line or name, user, parents, start', async () => {
    const directory = ownDirectory();
    const { sensor, settle, of } = await watch([directory]);
    // Two programs: one that the shell becomes, one that it starts.
    const script = 'i=0; while [ $i -lt 100 ]; do sh -c "echo x > $0/sh$i"; dd if=/dev/zero of="$0/dd$i" bs=1 count=1 status=none; i=$((i+1)); done';
    const shell = spawn('/bin/sh', ['-c', script, directory], { stdio: 'ignore' });
    const shellStart = readStat(shell.pid ?? 0)?.startTime;
    await once(shell, 'exit');
    await settle();
    const keys = new Set<string>();
    for (const [program, exe] of [
      ['sh', realpathSync('/bin/sh')],
      ['dd', realpathSync('/bin/dd')],
    ] as const) {
      for (let index = 0; index < 100; index += 1) {
        const actors = of(`${directory}/${program}${index}`).map(({ actor }) => actor);
        expect(actors.length).toBeGreaterThan(0);
        const [actor] = actors.slice(-1);
        expect(actor).toMatchObject({ kind: 'process', exe, uid: 0, user: 'root' });
        expect(actor?.commandLine).toContain(program);
        expect(actor?.startTime).toBeGreaterThanOrEqual(shellStart ?? Number.NaN);
        expect(actor?.ancestors?.map(({ pid }) => pid)).toEqual(expect.arrayContaining([shell.pid, process.pid, 1]));
        expect(actor?.ancestors?.[0]).toMatchObject({ pid: shell.pid, startTime: shellStart, exe: realpathSync('/bin/sh'), comm: 'sh' });
        for (const { key } of actors) keys.add(key);
      }
    }
    expect(keys.size).toBe(200);
    expect(sensor.figures().unresolvedActors).toBe(0);
    expect(sensor.limitation).toBeUndefined();
  });

  it('changes when a process begins another program, though it stays the same process', async () => {
    const directory = ownDirectory();
    const { settle, of } = await watch([directory]);
    // The shell opens the file; what writes into it is the program that it becomes.
    await promisify(execFile)('/bin/sh', ['-c', 'exec > "$0"; sleep 0.1; exec /bin/cat /proc/self/stat', `${directory}/a`]);
    await settle();
    const actors = of(`${directory}/a`).map(({ actor }) => actor);
    expect(actors[0]?.exe).toBe(realpathSync('/bin/sh'));
    expect(actors.at(-1)?.exe).toBe(realpathSync('/bin/cat'));
    expect(new Set(actors.map(({ key }) => key)).size).toBe(1);
  });

  it('is the user who did it', async () => {
    const directory = ownDirectory();
    chmodSync(disk.scratch, 0o755);
    chmodSync(directory, 0o777);
    const { settle, of } = await watch([directory]);
    await promisify(execFile)('/bin/sh', ['-c', 'echo x > "$0"', `${directory}/a`], { uid: 65_534, gid: 65_534 });
    await settle();
    expect(of(`${directory}/a`)[0]?.actor).toMatchObject({ uid: 65_534, user: 'nobody' });
  });
});

describe('what', () => {
  it('an exchange of two names did: nothing is gone', async () => {
    const directory = ownDirectory();
    for (const name of ['a', 'b']) writeFileSync(`${directory}/${name}`, name);
    const { events, settle } = await watch([directory]);
    const exchange = 'import ctypes,sys; assert ctypes.CDLL(None).renameat2(-100, sys.argv[1].encode(), -100, sys.argv[2].encode(), 2) == 0';
    await python(exchange, `${directory}/a`, `${directory}/b`);
    await settle();
    expect(events).toMatchObject([
      { renamed: true, oldPath: `${directory}/a`, path: `${directory}/b` },
      { renamed: true, path: `${directory}/a` },
    ]);
    expect(events[1]).not.toHaveProperty('oldPath');
  });

  it('renames there, back and there again did, of which the kernel tells two', async () => {
    const directory = ownDirectory();
    for (let index = 0; index < 100; index += 1) writeFileSync(`${directory}/a${index}`, 'x');
    const { events, settle } = await watch([directory]);
    for (let index = 0; index < 100; index += 1) {
      for (const [from, to] of ['ab', 'ba', 'ab'] as const) renameSync(`${directory}/${from}${index}`, `${directory}/${to}${index}`);
    }
    await settle();
    const there = new Map([...replay(events)].filter(([file]) => file.startsWith(`${directory}/`)));
    expect(there).toEqual(list(directory));
  });

  it('a file without a name did is told once it gets one, and by that', async () => {
    const directory = ownDirectory();
    const { events, of, settle } = await watch([directory]);
    const program = [
      'import ctypes, os, sys',
      'f = os.open(sys.argv[1], os.O_TMPFILE | os.O_RDWR); os.write(f, b"secret")',
      'assert ctypes.CDLL(None).linkat(-100, b"/proc/self/fd/%d" % f, -100, (sys.argv[1] + "/named").encode(), 0x400) == 0',
      'os.write(f, b"more"); os.close(f)',
    ];
    await python(program.join('\n'), directory);
    await settle();
    // Which of its events is read before it has the name is a matter of luck.
    for (const flag of ['created', 'modified', 'closedAfterWrite'] as const) expect(of(`${directory}/named`).some((event) => event[flag])).toBe(true);
    expect(events.every((event) => event.path === `${directory}/named`)).toBe(true);
  });

  it('was removed is named by where it stood, also while somebody still stands in it', async () => {
    const directory = ownDirectory();
    mkdirSync(`${directory}/d`);
    writeFileSync(`${directory}/d/a`, 'x');
    const { of, settle } = await watch([directory]);
    const shell = spawn('/bin/sh', ['-c', 'cd "$0/d"; rm a; rmdir ../d; read wait', directory], { stdio: ['pipe', 'ignore', 'ignore'] });
    await waitFor('the directory to go', waitMs, () => !existsSync(`${directory}/d`));
    await settle();
    shell.stdin.end();
    await once(shell, 'exit');
    expect(of(`${directory}/d/a`)).toMatchObject([{ deleted: true }]);
    expect(of(`${directory}/d`)).toMatchObject([{ deleted: true, kind: 'directory' }]);
  });

  it('was written through a handle, without a path, is said to be lost', async () => {
    const directory = ownDirectory();
    mkdirSync(`${directory}/d`);
    writeFileSync(`${directory}/d/a`, 'x');
    const handle = [
      'import ctypes, sys',
      'class H(ctypes.Structure): _fields_ = [("n", ctypes.c_uint), ("t", ctypes.c_int), ("d", ctypes.c_ubyte * 128)]',
      'h = H(); h.n = 128; l = ctypes.CDLL(None); m = ctypes.c_int()',
    ];
    const find = [
      ...handle,
      'assert l.name_to_handle_at(-100, sys.argv[1].encode(), ctypes.byref(h), ctypes.byref(m), 0) == 0',
      'print(bytes(h).hex())',
    ];
    const { stdout } = await python(find.join('\n'), `${directory}/d/a`);
    disk.remount();
    const { losses, settle } = await watch([directory]);
    const write = [
      ...handle,
      'import os',
      'h = H.from_buffer_copy(bytes.fromhex(sys.argv[2]))',
      'f = l.open_by_handle_at(os.open(sys.argv[1], os.O_RDONLY), ctypes.byref(h), os.O_RDWR)',
      'os.write(f, b"unseen")',
    ];
    await python(write.join('\n'), disk.mountPoint, stdout.trim());
    await settle();
    expect(losses).toEqual([`${directory}: a file was written that was opened without its path`]);
  });
});

describe('where', () => {
  const mounted: string[] = [];
  const disks: LoopDisk[] = [];
  function mount(...args: string[]): void {
    execFileSync('mount', args);
    mounted.push(args.at(-1) ?? '');
  }
  afterEach(async () => {
    for (const sensor of running.splice(0)) await sensor.stop();
    for (const point of mounted.splice(0).reverse()) execFileSync('umount', [point]);
    for (const each of disks.splice(0)) each.close();
  });

  it('each root is on a mount of its own of one filesystem, everything is told by its root', async () => {
    const directory = ownDirectory();
    const roots = ['a', 'b'].map((name) => {
      mkdirSync(`${directory}/${name}`);
      const root = path.join(disk.scratch, `bound ${name}`);
      mkdirSync(root);
      mount('--bind', `${directory}/${name}`, root);
      return root;
    });
    const { events, settle } = await watch(roots);
    for (const root of roots) writeFileSync(`${root}/x`, 'x');
    writeFileSync(`${directory}/b/y`, 'x');
    writeFileSync(`${directory}/outside`, 'x');
    await settle();
    expect([...replay(events).keys()]).toEqual([`${roots[0]}/x`, `${roots[1]}/x`, `${roots[1]}/y`]);
  });

  it('another filesystem is mounted inside a root, it is part of it', async () => {
    const directory = ownDirectory();
    mkdirSync(`${directory}/inner mount`);
    mount('-t', 'tmpfs', 'none', `${directory}/inner mount`);
    const { events, losses, settle } = await watch([directory]);
    writeFileSync(`${directory}/inner mount/a`, 'x');
    await settle();
    expect(replay(events).has(`${directory}/inner mount/a`)).toBe(true);
    expect(losses).toEqual([]);
  });

  it('a filesystem inside a root can not be watched, that is said', async () => {
    const directory = ownDirectory();
    mkdirSync(`${directory}/proc`);
    mount('-t', 'proc', 'none', `${directory}/proc`);
    const { losses, settle } = await watch([directory]);
    await settle();
    expect(losses).toHaveLength(1);
    expect(losses[0]).toContain(`${directory}/proc`);
  });

  it('a root is a mount point, what the guard keeps there is not told', async () => {
    const own = openLoopDisk();
    disks.push(own);
    const spool = path.join(own.mountPoint, '.kuramori-spool');
    mkdirSync(spool);
    const { events, settle } = await watch([own.mountPoint]);
    writeFileSync(path.join(spool, '1.data'), 'x');
    rmSync(path.join(spool, '1.data'));
    // The same name elsewhere is a user's.
    const alike = path.join(own.mountPoint, 'd', '.kuramori-spool');
    mkdirSync(alike, { recursive: true });
    await settle();
    expect(events.map((event) => event.path)).toEqual([path.dirname(alike), alike]);
  });
});

describe('the sensor', () => {
  /** The queues of notifications that this process has open. */
  const queues = () =>
    readdirSync('/proc/self/fdinfo').filter((fd) => {
      try {
        return readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1').includes('fanotify');
      } catch {
        return false; // the descriptor of the listing itself
      }
    }).length;

  it('settles on a share that is never quiet', async () => {
    const directory = ownDirectory();
    const { of, sensor } = await watch([directory]);
    const noise = spawn('/bin/sh', ['-c', 'while :; do echo x > "$0/noise"; done', directory], { stdio: 'ignore' });
    try {
      await waitFor('the noise', waitMs, () => of(`${directory}/noise`).length > 0);
      writeFileSync(`${directory}/a`, 'x');
      // For longer than the test may take: only an answer ends it.
      await sensor.settle(10 * waitMs);
      expect(of(`${directory}/a`).some(({ closedAfterWrite }) => closedAfterWrite)).toBe(true);
    } finally {
      noise.kill('SIGKILL');
      await once(noise, 'exit');
    }
  });

  it('that broke off says so, comes back, and says that again', async () => {
    const directory = ownDirectory();
    const trigger = path.join(disk.scratch, 'break off');
    const worker = [
      "import { existsSync, rmSync } from 'node:fs';",
      'const now = performance.now.bind(performance);',
      `const trigger = ${JSON.stringify(trigger)};`,
      "performance.now = () => { if (existsSync(trigger)) { rmSync(trigger); throw new Error('broken by the test'); } return now(); };",
      "await import('./fanotify.worker.mjs');",
    ];
    writeFileSync(path.join(bundle.directory, 'breaking.mjs'), worker.join('\n'));
    const { losses, of, settle, sensor } = await watch([directory], newSensor('breaking.mjs'));
    writeFileSync(`${directory}/before`, 'x');
    await settle();
    const seen = sensor.figures().eventsSeen;
    writeFileSync(trigger, '');
    await waitFor('both words', waitMs, () => losses.length === 2);
    expect(losses[0]).toContain('broken by the test');
    expect(losses[1]).toContain('works again');
    expect(sensor.figures()).toMatchObject({ overflows: 1 });
    writeFileSync(`${directory}/after`, 'x');
    await settle();
    expect(of(`${directory}/after`)).not.toEqual([]);
    expect(sensor.figures().eventsSeen).toBeGreaterThan(seen);
    await sensor.stop();
    expect(queues()).toBe(0);
  });

  it('stopped while it is broken off, stays so', async () => {
    const directory = ownDirectory();
    const trigger = path.join(disk.scratch, 'break off');
    const { losses, sensor } = await watch([directory], newSensor('breaking.mjs'));
    writeFileSync(trigger, '');
    await waitFor('the word', waitMs, () => losses.length === 1);
    await sensor.stop();
    expect(losses).toHaveLength(1);
    expect(queues()).toBe(0);
  });

  it('that can not watch every root leaves no queue behind that nobody reads', async () => {
    const directory = ownDirectory();
    const starting = newSensor().start([directory, '/proc/self'], [], { events: () => undefined, lost: () => undefined });
    await expect(starting).rejects.toThrow(/fanotify_mark\(\/proc\/self\)/u);
    await expect(starting).rejects.toThrow(SensorUnavailableError);
    expect(queues()).toBe(0);
  });

  it('without the privilege says what it needs', async () => {
    const program = [
      `import { FanotifySensor } from './platform.mjs';`,
      `const sensor = new FanotifySensor(new URL('./fanotify.worker.mjs', import.meta.url), '/tmp');`,
      `await sensor.start(['/tmp'], [], { events() {}, lost() { console.log('lost'); } }).catch((error) => console.log(error.name + ': ' + error.message));`,
      `await sensor.stop();`,
    ];
    writeFileSync(path.join(bundle.directory, 'unprivileged.mjs'), program.join('\n'));
    const { stdout } = await promisify(execFile)('setpriv', [
      '--bounding-set=-sys_admin',
      process.execPath,
      path.join(bundle.directory, 'unprivileged.mjs'),
    ]);
    expect(stdout).toMatch(/^SensorUnavailableError: .*CAP_SYS_ADMIN.*\n$/u);
  });

  it('whose worker is missing is not to be had, and can be stopped', async () => {
    const sensor = newSensor('missing.mjs');
    await expect(sensor.start([ownDirectory()], [], { events: () => undefined, lost: () => undefined })).rejects.toThrow(SensorUnavailableError);
    await sensor.stop();
  });
});
