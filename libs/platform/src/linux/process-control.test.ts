import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { LinuxPackageRegistry, listedNames } from './package-registry';
import type { LiveProcess } from '../process-control';
import { LinuxProcessControl } from './process-control';
import { parseCommandLine, parseStat, readAllProcesses, readProcess, readsFromTerminal, readStat } from './process-table-reader';

/** A busy machine may take its time for a process; what is waited for is the condition. */
const soon = { timeout: 20_000 };
const started: ChildProcess[] = [];
const directories: string[] = [];

afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

function start(command: string, ...args: string[]) {
  const child = spawn(command, args, { stdio: 'ignore' });
  started.push(child);
  const pid = child.pid ?? 0;
  const process = readProcess(pid);
  if (process === undefined) throw new Error(`${command} did not start`);
  return { child, process };
}

function temporaryDirectory(): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'kuramori-platform-'));
  directories.push(directory);
  return directory;
}

describe.skipIf(process.platform !== 'linux')('process control on Linux', () => {
  const control = new LinuxProcessControl();

  it('stops, resumes and ends the process that it was given', async () => {
    const { process: sleeper } = start('sleep', '60');
    expect(control.suspend(sleeper)).toBe('done');
    await expect.poll(() => readProcess(sleeper.pid)?.state, soon).toBe('T');
    expect(control.isAlive(sleeper)).toBe(true);
    expect(control.resume(sleeper)).toBe('done');
    await expect.poll(() => readProcess(sleeper.pid)?.state, soon).toBe('S');
    expect(control.suspend(sleeper)).toBe('done');
    expect(control.kill(sleeper)).toBe('done');
    expect(await control.waitForEnd(sleeper, 5000)).toBe(true);
    expect(control.suspend(sleeper)).toBe('gone');
  });

  it('never acts on a pid whose start time is another one', () => {
    const { process: sleeper } = start('sleep', '60');
    const reused = { pid: sleeper.pid, startTime: sleeper.startTime + 1 };
    expect(control.suspend(reused)).toBe('gone');
    expect(control.kill(reused)).toBe('gone');
    expect(control.kill({ pid: sleeper.pid, startTime: 0 })).toBe('gone');
    expect(control.isAlive(reused)).toBe(false);
    expect(control.isAlive(sleeper)).toBe(true);
  });

  it('says false when a process outlives the wait', async () => {
    const { process: sleeper } = start('sleep', '60');
    expect(await control.waitForEnd(sleeper, 5)).toBe(false);
  });

  it('knows whom an interrupt ends for certain', async () => {
    const { process: sleeper } = start('sleep', '60');
    await expect.poll(() => readProcess(sleeper.pid)?.exe, soon).toMatch(/sleep$/u);
    expect(control.endsByInterrupt(sleeper)).toBe(true);
    const { process: stubborn } = start('sh', '-c', 'trap "" INT; while :; do sleep 1; done');
    await expect.poll(() => control.endsByInterrupt(stubborn), soon).toBe(false);
    expect(control.endsByInterrupt({ pid: sleeper.pid, startTime: sleeper.startTime + 1 })).toBe(false);
  });

  it('takes a zombie for ended', async () => {
    // The shell starts a child, becomes sleep by exec, and so never collects it.
    const { process: parent } = start('sh', '-c', 'sleep 0 & exec sleep 60');
    const zombies = () =>
      readdirSync('/proc')
        .filter((name) => /^\d+$/u.test(name))
        .flatMap((name) => {
          const stat = readStat(Number(name));
          return stat?.parentPid === parent.pid && stat.state === 'Z' ? [{ pid: Number(name), startTime: stat.startTime }] : [];
        });
    await expect.poll(zombies, soon).toHaveLength(1);
    const [zombie = { pid: 0, startTime: 0 }] = zombies();
    expect(control.isAlive(zombie)).toBe(false);
    expect(control.kill(zombie)).toBe('gone');
    expect((await control.list()).some(({ pid }) => pid === zombie.pid)).toBe(false);
  });

  it('still sees a process whose first thread has left while others work on', async () => {
    const code = 'import ctypes,threading,time\nthreading.Thread(target=lambda: time.sleep(60)).start()\nctypes.CDLL(None).pthread_exit(None)';
    const { process: threaded } = start('python3', '-c', code);
    await expect.poll(() => readStat(threaded.pid)?.state, soon).toBe('Z');
    expect(control.isAlive(threaded)).toBe(true);
    expect((await control.list()).some(({ pid }) => pid === threaded.pid)).toBe(true);
    expect(control.kill(threaded)).toBe('done');
    expect(await control.waitForEnd(threaded, 5000)).toBe(true);
  });

  it('lists what stands in /proc: program, arguments, parent, session, user', async () => {
    const { process: sleeper } = start('sleep', '61.5');
    const listed = (await control.list()).find((process) => process.pid === sleeper.pid);
    expect(listed).toMatchObject({
      parentPid: process.pid,
      commandLine: ['sleep', '61.5'],
      uid: process.getuid?.(),
      interactiveShell: false,
      comm: 'sleep',
    });
    expect(listed?.exe).toMatch(/\/(sleep|coreutils)$/u);
    expect((await control.list()).some((entry) => entry.pid === 2)).toBe(false); // kthreadd
  });
});

/** Runs a command with a terminal of its own, and gives what runs there as soon as it is that. */
async function onTerminal(command: string, matches: (process: LiveProcess) => boolean) {
  const child = spawn('script', ['-qfc', command, '/dev/null'], { stdio: ['pipe', 'ignore', 'ignore'] });
  started.push(child);
  let found: LiveProcess | undefined;
  await expect
    .poll(async () => {
      found = readAllProcesses().find((process) => process.parentPid === child.pid && matches(process));
      return found !== undefined;
    }, soon)
    .toBe(true);
  if (found === undefined) throw new Error('it was found and is not there');
  return { shell: found, type: (line: string) => child.stdin.write(`${line}\n`) };
}

describe.skipIf(process.platform !== 'linux')('who sits at a terminal', () => {
  it('a person, where bash reads what is typed; nobody any more, once it ignores Ctrl-C', async () => {
    const { shell, type } = await onTerminal('exec bash --norc -i', ({ commandLine }) => commandLine.includes('--norc'));
    await expect.poll(() => readProcess(shell.pid)?.interactiveShell, soon).toBe(true);
    type("trap '' INT");
    await expect.poll(() => readProcess(shell.pid)?.interactiveShell, soon).toBe(false);
  });
  it('nobody, where bash reads a file', async () => {
    const attack = path.join(temporaryDirectory(), 'attack.sh');
    writeFileSync(attack, 'while :; do sleep 1; done\n');
    const { shell } = await onTerminal(`exec bash --norc -i < ${attack}`, ({ commandLine }) => commandLine.includes('--norc'));
    expect(shell.interactiveShell).toBe(false);
  });
});

/** Root in a user namespace and a mount namespace of its own, as anybody may be, who mounts a directory of his own over that of a system program. */
function startBehindMount(directory: string, program: string) {
  const script = `chmod 755 ${directory} && mount --bind ${directory} ${path.dirname(program)} && exec ${program} 300`;
  return start('setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', 'unshare', '-Urm', '/bin/sh', '-c', script).process;
}

describe.skipIf(process.platform !== 'linux' || process.getuid?.() !== 0)('what the file of a program is', () => {
  const sleep = realpathSync('/usr/bin/sleep');

  it("root's alone, when it is the very file that stands there", () => {
    const { process: sleeper } = start('sleep', '300');
    expect(readProcess(sleeper.pid)).toMatchObject({ exe: sleep, exeFile: 'root-only' });
  });
  it('in its place, when somebody else may write to it', async () => {
    const tool = path.join(realpathSync(temporaryDirectory()), 'bash');
    copyFileSync(sleep, tool);
    chownSync(tool, 65_534, 65_534);
    const { process: running } = start(tool, '300');
    await expect.poll(() => readProcess(running.pid)).toMatchObject({ exe: tool, exeFile: 'in-place' });
  });
  it('unproven, when it stands at that path in a mount namespace of its own only', async () => {
    const directory = realpathSync(temporaryDirectory());
    copyFileSync(sleep, path.join(directory, 'smbd'));
    for (const file of ['.', 'smbd']) chownSync(path.join(directory, file), 65_534, 65_534);
    const running = startBehindMount(directory, '/usr/sbin/smbd');
    await expect.poll(() => readProcess(running.pid), soon).toMatchObject({ exe: '/usr/sbin/smbd', exeFile: 'unproven', uid: 65_534 });
  });
  it("still root's, when an update has put another file in its place; unproven, when it was only deleted", async () => {
    const tool = path.join(realpathSync(temporaryDirectory()), 'tool');
    copyFileSync(sleep, tool);
    chmodSync(tool, 0o755);
    const { process: running } = start(tool, '300');
    await expect.poll(() => readProcess(running.pid)?.exeFile).toBe('root-only');
    rmSync(tool);
    expect(readProcess(running.pid)).toMatchObject({ exe: tool, exeFile: 'unproven' });
    copyFileSync(sleep, tool);
    chmodSync(tool, 0o755);
    expect(readProcess(running.pid)).toMatchObject({ exe: tool, exeFile: 'root-only' });
  });
});

describe('reading /proc', () => {
  it('finds the fields behind a name with spaces and brackets', () => {
    const stat = parseStat('77 (a) (b c) S 5 6 7 34816 8 4194304 0 0 0 0 0 0 0 0 20 0 3 0 9876 0 0');
    expect(stat).toEqual({
      comm: 'a) (b c',
      state: 'S',
      parentPid: 5,
      groupId: 6,
      sessionId: 7,
      foregroundGroupId: 8,
      terminal: 34_816,
      kernelThread: false,
      threads: 3,
      startTime: 9876,
    });
    expect(parseStat('')).toBeUndefined();
  });
  it('keeps empty arguments', () => {
    expect(parseCommandLine(Buffer.from('a\0\0b\0'))).toEqual(['a', '', 'b']);
    expect(parseCommandLine(Buffer.alloc(0))).toEqual([]);
  });
  it.each<[string[], boolean]>([
    [['-bash'], true],
    [['bash', '-l', '-i'], true],
    [['bash', '-O', 'extglob', '-i'], true],
    [['bash', '-i', '-s', 'one'], true],
    [['bash', '-'], true],
    [['bash', '-i', '/tmp/attack.sh'], false],
    [['bash', '-i', '--', '-attack.sh'], false],
    [['bash', '--rcfile', '/tmp/attack.sh', '-i'], false],
    [['bash', '-lo', 'vi', 'attack.sh'], false],
    [['bash', '-c', 'for f in *; do :; done'], false],
    [['bash', '-xc', 'true'], false],
    [['bash', '/tmp/attack.sh'], false],
  ])('takes %j on a terminal for a person: %s', (commandLine, expected) => {
    expect(readsFromTerminal('/usr/bin/bash', commandLine, 34_816)).toBe(expected);
    expect(readsFromTerminal('/usr/bin/bash', commandLine, 0)).toBe(false);
    expect(readsFromTerminal('/usr/bin/python3', commandLine, 34_816)).toBe(false);
  });
});

describe('package registry', () => {
  it('finds the owner of a file listed under its name before /usr was merged, and of a link to it', async () => {
    const directory = temporaryDirectory();
    const list = (name: string, ...lines: string[]) => writeFileSync(path.join(directory, name), `${lines.join('\n')}\n`);
    list('bash.list', '/.', '/bin', '/bin/bash');
    list('libc6:amd64.list', '/.', '/usr/lib/libc.so.6');
    list('bash-doc.list', '/bin/bash.html', '/usr/bin/bash/x');
    const registry = new LinuxPackageRegistry(directory, path.join(directory, 'no-rpm'));
    expect(await registry.ownerOf('/usr/bin/bash')).toBe('bash');
    expect(await registry.ownerOf('/bin/bash')).toBe('bash');
    expect(await registry.ownerOf('/usr/lib/libc.so.6')).toBe('libc6');
    expect(await registry.ownerOf('/usr/bin/bas')).toBeUndefined();
  });
  it('says that nobody owns a file that was just made', async () => {
    const directory = temporaryDirectory();
    const file = path.join(directory, 'tool');
    writeFileSync(file, '');
    expect(await new LinuxPackageRegistry().ownerOf(file)).toBeUndefined();
  });
  it('maps both ways of merged /usr and nothing else', () => {
    expect(listedNames('/usr/bin/x')).toEqual(['/usr/bin/x', '/bin/x']);
    expect(listedNames('/lib64/x')).toEqual(['/lib64/x', '/usr/lib64/x']);
    expect(listedNames('/usr/local/bin/x')).toEqual(['/usr/local/bin/x']);
  });
});
