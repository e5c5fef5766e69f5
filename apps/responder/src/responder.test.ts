import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, linkSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { LinuxPackageRegistry, LinuxProcessControl, type LiveProcess, readProcess } from '@kuramori/platform';
import sqlite3 from 'sqlite3';
import { DataSource } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Responder, type ResponderOptions } from './responder';
import { FakeNeighbours } from './testing/fake-neighbours';
import { testSettings } from './testing/settings';
import { actorOf, actorsOf, verdictOf } from './testing/verdicts';

const control = new LinuxProcessControl();
/** Short enough for a test, long enough that a verdict sent at once still counts as "not quiet". */
const times = { unknownQuietMs: 300, closeQuietMs: 600 };
const waitMs = { timeout: 10_000, interval: 5 };

let directory: string;
let neighbours: FakeNeighbours;
const started: ChildProcess[] = [];
const responders: Responder[] = [];

beforeEach(() => {
  directory = realpathSync(mkdtempSync(path.join(tmpdir(), 'kuramori-responder-')));
  mkdirSync(path.join(directory, 'data'));
  neighbours = new FakeNeighbours();
});

afterEach(async () => {
  for (const responder of responders.splice(0)) await responder.stop();
  for (const child of started.splice(0)) {
    if (child.pid !== undefined) {
      try {
        process.kill(-child.pid, 'SIGKILL'); // its group: what it started in turn
      } catch {
        // it has ended, as it should
      }
    }
  }
  rmSync(directory, { recursive: true, force: true });
});

async function start(change: Parameters<typeof testSettings>[1] = {}, more: Partial<ResponderOptions> = {}): Promise<Responder> {
  const dataDir = path.join(directory, 'data');
  const responder = await Responder.start({
    settings: testSettings(dataDir, change),
    bus: neighbours,
    control,
    packages: new LinuxPackageRegistry(),
    own: () => [],
    databaseFile: path.join(dataDir, 'responder', 'responder.sqlite'),
    times,
    ...more,
  });
  responders.push(responder);
  return responder;
}

/** A process of the test in a group of its own, as a job would be. */
function run(command: string, args: readonly string[], options: { detached?: boolean; stdin?: 'ignore' } = {}): LiveProcess {
  const child = spawn(command, args, { stdio: 'ignore', detached: true, cwd: directory, ...options });
  started.push(child);
  const process = readProcess(child.pid ?? 0);
  if (process === undefined) throw new Error(`${command} did not start`);
  return process;
}

/** A command at a terminal of its own, given by script(1); the function types a line there. */
function atTerminal(command: string): (line: string) => void {
  const session = spawn('script', ['-qfc', command, '/dev/null'], { stdio: ['pipe', 'ignore', 'ignore'], cwd: directory, detached: true });
  started.push(session);
  return (line) => session.stdin.write(`${line}\n`);
}

function counter(file: string): number {
  return existsSync(file) ? readFileSync(file).length : 0;
}

const childrenOf = async (parent: LiveProcess) => (await control.list()).filter(({ parentPid }) => parentPid === parent.pid);

/** The one process for which this holds, as soon as there is one. */
async function findOne(matches: (process: LiveProcess) => boolean): Promise<LiveProcess> {
  let found: LiveProcess | undefined;
  await expect
    .poll(async () => {
      found = (await control.list()).find(matches);
      return found !== undefined;
    }, waitMs)
    .toBe(true);
  if (found === undefined) throw new Error('it was found and is not there');
  return found;
}

describe.skipIf(process.platform !== 'linux')('an attack is stopped, undone and told of', () => {
  it('ends the whole tree of a script that starts a process per file, and nobody beside it', async () => {
    const responder = await start();
    const innocent = run('sleep', ['300']);
    const script = run('bash', ['-c', 'while :; do openssl rand -hex 4 >> work; sleep 0.01; done']);
    await expect.poll(async () => (await childrenOf(script)).length, waitMs).toBeGreaterThan(0);
    const table = await control.list();
    const parent = actorOf(script, table, control.bootId8);
    const ended = [1, 2].map((more) => ({
      ...parent,
      pid: 4_000_000 + more,
      startTime: more,
      key: `process:${control.bootId8}:${4_000_000 + more}:${more}`,
      exe: '/usr/bin/openssl',
      ancestors: [{ pid: script.pid, startTime: script.startTime, exe: script.exe, comm: script.comm }],
    }));
    await responder.onVerdict(verdictOf({ actors: ended }));

    expect(control.isAlive(script)).toBe(false);
    expect(control.isAlive(innocent)).toBe(true);
    const before = counter(path.join(directory, 'work'));
    await expect.poll(() => neighbours.events(), waitMs).toEqual(['opened', 'contained', 'restored', 'closed']);
    expect(counter(path.join(directory, 'work'))).toBe(before);
    const [undo] = neighbours.asked('vault.undo') as { actors: string[]; position: object; sinceMs: number }[];
    expect(undo?.actors).toEqual(expect.arrayContaining([...ended.map(({ key }) => key), parent.key]));
    expect(undo?.position).toEqual({ watcherId: '0123abcd', sequence: 9 });
    const incident = neighbours.latest();
    expect(incident).toMatchObject({ state: 'closed', severity: 'high', files: { touched: 3, restored: 3, quarantined: 1 } });
    expect(incident.actions.map(({ name, status }) => `${name} ${status}`)).toEqual(
      expect.arrayContaining(['suspend done', 'kill done', 'contain done', 'pin done', 'restore done', 'quarantine-program skipped']),
    );
    expect(incident.actor.processTree.map(({ pid }) => pid)).toContain(script.pid);
    expect(neighbours.asked('vault.quarantine-file')).toEqual([]);
  });

  it('ends an attacker that forks as fast as it can', async () => {
    const responder = await start();
    const attacker = run('python3', [
      '-c',
      'import os,time\nfor i in range(100000):\n  if os.fork():\n    os.waitpid(-1, os.WNOHANG)\n    time.sleep(0.002)\n  else:\n    os.setpgid(0, 0) if i % 2 else None\n    time.sleep(3)\n    os._exit(0)',
    ]);
    await expect.poll(async () => (await childrenOf(attacker)).length, waitMs).toBeGreaterThan(20);
    await responder.onVerdict(verdictOf({ actors: await actorsOf(control, attacker.pid) }));
    const left = (await control.list()).filter(({ commandLine }) => commandLine[2]?.startsWith('import os,time') === true);
    expect(left).toEqual([]);
  });

  it('breaks a loop that was typed into an interactive shell, and leaves the shell to its user', async () => {
    const responder = await start();
    const type = atTerminal('bash --norc -i');
    type('for i in $(seq 1000); do sleep 1; echo x >> work; done');
    const shell = await findOne(({ interactiveShell, cwd }) => interactiveShell && cwd === directory);
    const first = await findOne(({ parentPid }) => parentPid === shell.pid);
    const members = await actorsOf(control, first.pid);
    // Each lives long enough to be looked up on a busy machine. The first has ended by then: what goes on is the loop, whichever command of it runs just now, if any.
    const second = await findOne(({ parentPid, pid }) => parentPid === shell.pid && pid !== first.pid);
    members.push(...(await actorsOf(control, second.pid)));
    await responder.onVerdict(verdictOf({ actors: members }));
    expect(control.isAlive(shell)).toBe(true);
    type('echo typed > after');
    await expect.poll(() => existsSync(path.join(directory, 'after')), waitMs).toBe(true);
    expect(await childrenOf(shell)).toEqual([]);
    expect(counter(path.join(directory, 'work'))).toBeLessThan(200);
  });

  it.each([
    ['runs a script with bash -i', 'exec bash -i evil.sh'],
    ['is another program called bash', 'PATH=$PWD/own:$PATH; exec bash'],
  ])('ends an attacker at a terminal that %s', async (_how, command) => {
    const responder = await start();
    writeFileSync(path.join(directory, 'evil.sh'), 'while :; do echo x >> work; sleep 0.01; done\n');
    mkdirSync(path.join(directory, 'own'));
    copyFileSync(realpathSync('/usr/bin/python3'), path.join(directory, 'own', 'bash'));
    chmodSync(path.join(directory, 'own', 'bash'), 0o755);
    atTerminal(command);
    const attacker = await findOne(({ exe, cwd, commandLine }) => cwd === directory && exe.endsWith('/bash') && !commandLine.includes('-c'));
    await responder.onVerdict(verdictOf({ actors: await actorsOf(control, attacker.pid) }));
    expect(control.isAlive(attacker)).toBe(false);
  });

  it('ends a shell at a terminal that wrote by itself and where nobody logged in', async () => {
    const responder = await start();
    atTerminal('exec bash --norc -i')('while :; do echo x >> work; done');
    const shell = await findOne(({ interactiveShell, cwd }) => interactiveShell && cwd === directory);
    await responder.onVerdict(verdictOf({ actors: await actorsOf(control, shell.pid) }));
    expect(control.isAlive(shell)).toBe(false);
  });

  it('has stopped the attacker before the database is touched', async () => {
    const responder = await start();
    const attacker = run('sleep', ['300']);
    const file = path.join(directory, 'data', 'responder', 'responder.sqlite');
    const lock = new DataSource({ type: 'sqlite', driver: sqlite3, database: file });
    await lock.initialize();
    await lock.query('BEGIN EXCLUSIVE');
    const handled = responder.onVerdict(verdictOf({ actors: await actorsOf(control, attacker.pid) }));
    await expect.poll(() => readProcess(attacker.pid)?.state ?? 'gone', { timeout: 2000, interval: 2 }).toMatch(/T|gone/u);
    await lock.query('COMMIT');
    await lock.destroy();
    await handled;
    expect(control.isAlive(attacker)).toBe(false);
  });

  it('makes one incident of one attack, undoes again when members join, and acts once on a verdict that comes twice', async () => {
    const responder = await start();
    const [first, second] = [run('sleep', ['300']), run('sleep', ['301'])];
    const verdict = verdictOf({ actors: await actorsOf(control, first.pid) });
    await responder.onVerdict(verdict);
    await expect.poll(() => neighbours.events(), waitMs).toContain('restored');
    await responder.onVerdict(verdict);
    expect(neighbours.asked('vault.undo')).toHaveLength(1);
    neighbours.report = { ...neighbours.report, touched: 5, restored: 2, alreadyIntact: 3, quarantined: 0 };
    await responder.onVerdict(verdictOf({ actors: await actorsOf(control, second.pid) }));
    await expect.poll(() => neighbours.events().at(-1), waitMs).toBe('closed');
    expect(new Set(neighbours.published.map(({ event }) => event.subject)).size).toBe(1);
    expect(neighbours.events()).toEqual(['opened', 'contained', 'restored', 'contained', 'restored', 'closed']);
    expect(neighbours.latest().files).toEqual({ touched: 5, restored: 5, alreadyIntact: 0, quarantined: 1, unrecoverable: 0 });
    expect(neighbours.published.map(({ messageId }) => messageId)).toEqual(neighbours.published.map(({ event }, at) => `${event.subject}-${at + 1}`));
  });

  it('takes a program into quarantine that appeared after protection began, and names one that a package owns', async () => {
    const responder = await start();
    await delay(10); // the clock of file times ticks every 4 ms
    const program = path.join(directory, 'cryptor');
    copyFileSync('/usr/bin/sleep', program);
    chmodSync(program, 0o755);
    const script = path.join(directory, 'evil.sh');
    writeFileSync(script, 'sleep 300; true\n');
    const [brought, scripted] = [run(program, ['300']), run('bash', ['evil.sh'])];
    await responder.onVerdict(verdictOf({ actors: await actorsOf(control, brought.pid, scripted.pid) }));
    await expect.poll(() => neighbours.events(), waitMs).toContain('restored');
    const taken = neighbours.asked('vault.quarantine-file') as { path: string; sha256: string }[];
    expect(taken.map((command) => command.path).sort()).toEqual([program, script].sort());
    expect(taken.find((command) => command.path === program)?.sha256).toBe(createHash('sha256').update(readFileSync(program)).digest('hex'));
    const left = neighbours.latest().actions.filter(({ name, status }) => name === 'quarantine-program' && status === 'skipped');
    expect(left.map(({ detail }) => detail).join()).toContain('bash left in place');
  });

  it.each<[string, (program: string) => void]>([
    ['as it is', () => undefined],
    ['with other rights since', (program) => chmodSync(program, 0o711)],
    ['that a backup has linked since', (program) => linkSync(program, `${program}.backup`)],
    ['that was updated in place since', (program) => writeFileSync(program, readFileSync('/usr/bin/sleep'))],
  ])('names a program that was there before protection began, %s', async (_how, change) => {
    const program = path.join(directory, 'old-tool');
    copyFileSync('/usr/bin/sleep', program);
    await delay(10);
    const responder = await start();
    await delay(10);
    change(program);
    const process = run(program, ['300']);
    await responder.onVerdict(verdictOf({ actors: await actorsOf(control, process.pid) }));
    await expect.poll(() => neighbours.events(), waitMs).toContain('restored');
    expect(neighbours.asked('vault.quarantine-file')).toEqual([]);
    expect(
      neighbours
        .latest()
        .actions.map(({ detail }) => detail)
        .join(),
    ).toContain('before protection began');
  });
});

describe.skipIf(process.platform !== 'linux')('what must not be done is not done, and said', () => {
  it('observe: touches nothing and says what it would have done', async () => {
    const responder = await start({ mode: 'observe' });
    const attacker = run('sleep', ['300']);
    await responder.onVerdict(verdictOf({ actors: await actorsOf(control, attacker.pid) }));
    await expect.poll(() => neighbours.events(), waitMs).toEqual(['opened', 'closed']);
    expect(readProcess(attacker.pid)?.state).toBe('S');
    expect(neighbours.requests).toEqual([]);
    expect(new Set(neighbours.latest().actions.map(({ status }) => status))).toEqual(new Set(['would-do']));
    expect(neighbours.latest().actions.map(({ name }) => name)).toEqual(['suspend', 'kill', 'restore']);
  });

  it.each([
    ['observed', { mode: 'observe' as const }],
    ['not restored by itself', { response: { restore: false } }],
  ])('an attack that was %s is undone when the operator asks for it', async (_how, settings) => {
    const responder = await start(settings);
    const attacker = run('sleep', ['300']);
    const [actor] = await actorsOf(control, attacker.pid);
    await responder.onVerdict(verdictOf({ actors: actor === undefined ? [] : [actor] }));
    await expect.poll(() => neighbours.events().at(-1), waitMs).toBe('closed');
    const { id } = neighbours.latest();
    expect(neighbours.asked('vault.undo')).toEqual([]);
    await responder.commands.undo({ id: id.slice(0, 8), dryRun: true });
    expect(neighbours.asked('vault.undo')).toMatchObject([{ incidentId: id, actors: [actor?.key], dryRun: true, position: { sequence: 9 } }]);
    expect(await responder.commands.undo({ id, dryRun: false })).toMatchObject({ restored: 3 });
    await expect.poll(() => neighbours.latest().files, waitMs).toMatchObject({ restored: 3, quarantined: 1 });
    expect(neighbours.latest().actions.at(-1)).toMatchObject({
      name: 'restore',
      status: 'done',
      detail: expect.stringContaining('operator') as unknown,
    });
    await expect(responder.commands.undo({ id })).rejects.toThrow('dryRun');
    await expect(responder.commands.undo({ id: 'ffff', dryRun: true })).rejects.toMatchObject({ code: 'not-found' });
  });

  it('a whitelisted program is recorded and left alone; the same name with another content is not', async () => {
    const good = path.join(directory, 'backup');
    copyFileSync('/usr/bin/sleep', good);
    const sha256 = createHash('sha256').update(readFileSync(good)).digest('hex');
    const evil = path.join(directory, 'evil');
    copyFileSync('/usr/bin/tail', evil);
    const responder = await start({
      response: {
        whitelist: [
          { path: good, sha256, reason: 'nightly backup' },
          { path: evil, sha256, reason: 'nightly backup' },
        ],
      },
    });
    const [backup, impostor] = [run(good, ['300']), run(evil, ['-f', '/dev/null'])];
    await responder.onVerdict(verdictOf({ attack: 'backup', actors: await actorsOf(control, backup.pid) }));
    await expect.poll(() => neighbours.events(), waitMs).toEqual(['opened', 'closed']);
    expect(control.isAlive(backup)).toBe(true);
    expect(neighbours.latest()).toMatchObject({ state: 'closed', severity: 'low', actions: [{ name: 'contain', status: 'skipped' }] });
    await responder.onVerdict(verdictOf({ attack: 'evil', actors: await actorsOf(control, impostor.pid) }));
    expect(control.isAlive(impostor)).toBe(false);
  });

  it('a whitelisted path protects the file that stands there, not one that was mounted over it in a namespace of its own', async () => {
    const [good, own] = ['good', 'own'].map((name) => path.join(directory, name));
    if (good === undefined || own === undefined) throw new Error('two directories');
    for (const place of [good, own]) {
      mkdirSync(place);
      copyFileSync('/usr/bin/sleep', path.join(place, 'backup'));
    }
    const program = path.join(good, 'backup');
    const responder = await start({ response: { whitelist: [{ path: program, reason: 'nightly backup' }] } });
    const impostor = run('unshare', ['-m', 'sh', '-c', `mount --bind ${own} ${good} && exec ${program} 300`]);
    await expect.poll(() => readProcess(impostor.pid)?.exe, waitMs).toBe(program);
    const backup = run(program, ['300']);
    await responder.onVerdict(verdictOf({ attack: 'backup', actors: await actorsOf(control, backup.pid) }));
    expect(control.isAlive(backup)).toBe(true);
    await responder.onVerdict(verdictOf({ attack: 'evil', actors: await actorsOf(control, impostor.pid) }));
    expect(control.isAlive(impostor)).toBe(false);
  });

  it('of a whitelisted program that has ended, the path is believed when it was run by root', async () => {
    const responder = await start({ response: { whitelist: [{ path: '/usr/bin/gpg', reason: 'nightly encryption' }] } });
    const ended = (uid: number) => ({
      key: `process:${control.bootId8}:4000000:${uid}`,
      kind: 'process' as const,
      pid: 4_000_000,
      startTime: uid,
      uid,
      exe: '/usr/bin/gpg',
    });
    await responder.onVerdict(verdictOf({ attack: 'root', actors: [ended(0)] }));
    await responder.onVerdict(verdictOf({ attack: 'nobody', actors: [ended(65_534)] }));
    await expect.poll(() => neighbours.asked('vault.undo').length, waitMs).toBe(1);
    expect(neighbours.asked('vault.undo')).toMatchObject([{ actors: [ended(65_534).key] }]);
  });

  it('an unknown actor: nobody is stopped, files come back when it has been quiet, and again when it goes on', async () => {
    const responder = await start();
    const bystander = run('sleep', ['300']);
    const unknown = { key: 'unknown', kind: 'unknown' as const };
    const verdict = () => verdictOf({ actors: [unknown], groupKind: 'subtree', groupKey: '/srv/share/finance' });
    await responder.onVerdict(verdict());
    expect(neighbours.asked('vault.undo')).toEqual([]);
    await expect
      .poll(() => neighbours.asked('vault.undo'), waitMs)
      .toEqual([expect.objectContaining({ actors: ['unknown'], below: ['/srv/share/finance'] })]);
    await expect.poll(() => neighbours.events(), waitMs).toContain('restored');
    await responder.onVerdict(verdict());
    await expect.poll(() => neighbours.asked('vault.undo').length, waitMs).toBe(2);
    await expect.poll(() => neighbours.events().at(-1), waitMs).toBe('closed');
    expect(neighbours.events().filter((event) => event === 'opened' || event === 'contained')).toEqual(['opened']);
    expect(control.isAlive(bystander)).toBe(true);
    const contain = neighbours.latest().actions.find(({ name }) => name === 'contain');
    expect(contain).toMatchObject({ status: 'failed', detail: expect.stringContaining('containment was not possible') as unknown });
  });

  it('what a rescan found of an attack that is contained is undone too, and does not open it again', async () => {
    const responder = await start();
    const attacker = run('sleep', ['300']);
    await responder.onVerdict(verdictOf({ actors: await actorsOf(control, attacker.pid) }));
    expect(control.isAlive(attacker)).toBe(false);
    await responder.onVerdict(verdictOf({ actors: [{ key: 'unknown', kind: 'unknown' }], groupKind: 'subtree', groupKey: '/srv/share/finance' }));
    await expect.poll(() => neighbours.asked('vault.undo').at(-1), waitMs).toMatchObject({ below: ['/srv/share/finance'] });
    await expect.poll(() => neighbours.events().at(-1), waitMs).toBe('closed');
    const steps = neighbours.latest().actions.filter(({ name }) => name === 'contain');
    expect(steps.map(({ status }) => status)).toEqual(['done', 'skipped']);
    expect(neighbours.events().filter((event) => event === 'opened')).toHaveLength(1);
  });

  it('a verdict about another server is not ours', async () => {
    const responder = await start();
    const namesake = run('sleep', ['300']);
    await responder.onVerdict(verdictOf({ host: 'fs02', actors: await actorsOf(control, namesake.pid) }));
    expect(control.isAlive(namesake)).toBe(true);
    expect(await responder.commands.incidents({})).toEqual({ incidents: [] });
  });

  it('a suspicion only pins, a warning is an incident of low severity without any act', async () => {
    const responder = await start();
    const suspect = run('sleep', ['300']);
    const actors = await actorsOf(control, suspect.pid);
    await responder.onVerdict(verdictOf({ actors, level: 'suspicion' }));
    await expect.poll(() => neighbours.asked('vault.pin').length, waitMs).toBe(1);
    expect(neighbours.events()).toEqual([]);
    await responder.onVerdict(verdictOf({ actors, level: 'warning', severity: 'high' }));
    await expect.poll(() => neighbours.events(), waitMs).toEqual(['opened', 'closed']);
    expect(neighbours.latest()).toMatchObject({ severity: 'low', actions: [] });
    expect(neighbours.asked('vault.undo')).toEqual([]);
    expect(control.isAlive(suspect)).toBe(true);
  });

  it('what a warning names can be undone by the operator', async () => {
    const responder = await start();
    const suspect = run('sleep', ['300']);
    const actors = await actorsOf(control, suspect.pid);
    await responder.onVerdict(verdictOf({ actors, level: 'warning' }));
    await expect.poll(() => neighbours.events(), waitMs).toContain('opened');
    await responder.commands.undo({ id: neighbours.latest().id, dryRun: false });
    expect(neighbours.asked('vault.undo')).toMatchObject([{ actors: actors.map(({ key }) => key), dryRun: false }]);
    expect(control.isAlive(suspect)).toBe(true);
  });

  it('a suspicion does not make the attack behind it wait for a vault that is away', async () => {
    const responder = await start();
    neighbours.down.add('vault.pin');
    const attacker = run('sleep', ['300']);
    const actors = await actorsOf(control, attacker.pid);
    await responder.onVerdict(verdictOf({ actors, level: 'suspicion' }));
    await responder.onVerdict(verdictOf({ actors }));
    expect(control.isAlive(attacker)).toBe(false);
  });

  it.each<[string, object, string, string[]]>([
    ['suspend', { suspend: false }, 'gone', ['suspend skipped', 'kill done', 'restore done']],
    ['kill', { kill: false }, 'T', ['suspend done', 'kill skipped', 'restore done']],
    ['restore', { restore: false }, 'gone', ['suspend done', 'kill done', 'restore skipped']],
    ['suspend and kill', { suspend: false, kill: false }, 'S', ['suspend skipped', 'kill skipped', 'contain skipped', 'restore done']],
  ])('response.%s off is respected and listed', async (_name, response, state, expected) => {
    const responder = await start({ response });
    const attacker = run('sleep', ['300']);
    await responder.onVerdict(verdictOf({ actors: await actorsOf(control, attacker.pid) }));
    await expect.poll(() => readProcess(attacker.pid)?.state ?? 'gone', waitMs).toBe(state);
    await expect.poll(() => neighbours.events().at(-1), waitMs).toBe('closed');
    expect(neighbours.latest().actions.map(({ name, status }) => `${name} ${status}`)).toEqual(expect.arrayContaining(expected));
    expect(neighbours.asked('vault.undo')).toHaveLength('restore' in response ? 0 : 1);
  });
});

describe.skipIf(process.platform !== 'linux')('nothing is forgotten', () => {
  it('goes on after a crash between containment and undo, and undoes when the vault is back', async () => {
    neighbours.down.add('vault.undo');
    const first = await start();
    const attacker = run('sleep', ['300']);
    await first.onVerdict(verdictOf({ actors: await actorsOf(control, attacker.pid) }));
    await expect.poll(() => first.problems().join(), waitMs).toContain('nobody answers vault.undo');
    await first.stop();
    neighbours.down.clear();
    await start();
    await expect.poll(() => neighbours.events(), waitMs).toEqual(['opened', 'contained', 'restored', 'closed']);
  });

  it('stops again what it finds running when it was killed before anything was written', async () => {
    const attacker = run('sleep', ['300']);
    control.suspend(attacker); // as the responder that died had left it
    const responder = await start();
    await responder.onVerdict(verdictOf({ actors: await actorsOf(control, attacker.pid) }));
    expect(control.isAlive(attacker)).toBe(false);
    await expect.poll(() => neighbours.events(), waitMs).toContain('restored');
  });

  it('publishes in order and each event once when the bus was away', async () => {
    neighbours.busDown = true;
    const responder = await start();
    const attacker = run('sleep', ['300']);
    await responder.onVerdict(verdictOf({ actors: await actorsOf(control, attacker.pid) }));
    expect(control.isAlive(attacker)).toBe(false);
    await expect.poll(() => responder.problems().join(), waitMs).toContain('no connection');
    neighbours.busDown = false;
    await expect.poll(() => neighbours.events(), waitMs).toEqual(['opened', 'contained', 'restored', 'closed']);
    await expect.poll(() => responder.problems(), waitMs).toEqual([]);
  });

  it('says no to a database of a newer version, with what to do', async () => {
    const responder = await start();
    await responder.stop();
    const file = path.join(directory, 'data', 'responder', 'responder.sqlite');
    const source = new DataSource({ type: 'sqlite', driver: sqlite3, database: file });
    await source.initialize();
    await source.query(`INSERT INTO migrations ("timestamp", "name") VALUES (9999999999999, 'FromTheFuture9999999999999')`);
    await source.destroy();
    await expect(start()).rejects.toThrow(/newer version of Kuramori \(FromTheFuture9999999999999\).*Install that version/u);
    writeFileSync(file, 'this is not a database, but long enough to look like one at first sight');
    await expect(start()).rejects.toThrow(/can't be used/u);
  });
});

describe.skipIf(process.platform !== 'linux')('the operator has the last word', () => {
  it('a false alarm resumes what was stopped, puts back what was taken, and stops nobody again', async () => {
    const responder = await start({ response: { kill: false } });
    const process = run('sleep', ['300']);
    const actors = await actorsOf(control, process.pid);
    await responder.onVerdict(verdictOf({ actors }));
    await expect.poll(() => neighbours.events(), waitMs).toContain('restored');
    const { id } = neighbours.latest();
    neighbours.entries.push({
      id: 'q1',
      path: '/srv/share/tool',
      storedAt: '/x',
      incidentId: id,
      at: new Date().toISOString(),
      sizeBytes: 1,
      reason: 'program',
    });
    const reply = await responder.commands.decide({ id: id.slice(0, 8), decision: 'false-alarm' });
    expect(reply).toMatchObject({ incident: { state: 'false_alarm' } });
    expect(neighbours.asked('vault.release')).toEqual([{ id: 'q1' }]);
    const isRunning = () => /[RS]/u.test(readProcess(process.pid)?.state ?? '');
    expect(isRunning()).toBe(true);
    await responder.onVerdict(verdictOf({ actors }));
    expect(isRunning()).toBe(true);
    expect(
      neighbours
        .latest()
        .actions.map(({ detail }) => detail)
        .join(),
    ).toContain('1 of 1 quarantined entries put back, 1 stopped processes resumed');
    await expect(responder.commands.decide({ id, decision: 'false-alarm' })).rejects.toMatchObject({ code: 'failed' });
    expect(await responder.commands.decide({ id, decision: 'reopen' })).toMatchObject({ incident: { state: 'opened' } });
    expect(await responder.commands.decide({ id, decision: 'close' })).toMatchObject({ incident: { state: 'closed' } });
  });

  it('answers wrong questions with what is wrong', async () => {
    const responder = await start();
    await expect(responder.commands.incident({ id: 'abcd' })).rejects.toMatchObject({ code: 'not-found' });
    await expect(responder.commands.incident({ id: 'a%cd' })).rejects.toMatchObject({ code: 'not-found' });
    await expect(responder.commands.incident({})).rejects.toThrow(/IncidentQuery is not valid: id/u);
    await expect(responder.commands.incidents({ limit: 0 })).rejects.toThrow(/IncidentsQuery is not valid: limit/u);
    expect(await responder.commands.incidents({})).toEqual({ incidents: [] });
  });
});
