/** Reads /proc as it is now. Pure parsing apart from the reads themselves, so that recorded tables can be used in tests. */
import { type BigIntStats, closeSync, openSync, readdirSync, readlinkSync, readSync, statSync } from 'node:fs';
import path from 'node:path';
import { fsPath, pathFromBytes } from '../path-text';
import type { ExeFile, LiveProcess } from '../process-control';

export interface ProcessStat {
  readonly comm: string;
  readonly state: string;
  readonly parentPid: number;
  readonly groupId: number;
  readonly sessionId: number;
  /** Device number of the controlling terminal; 0: none. */
  readonly terminal: number;
  /** Process group in the terminal's foreground; -1: none. */
  readonly foregroundGroupId: number;
  readonly kernelThread: boolean;
  readonly threads: number;
  readonly startTime: number;
}

const kernelThreadFlag = 0x0020_0000; // PF_KTHREAD, include/linux/sched.h

/** /proc/PID/stat (proc(5)). The name may hold spaces and brackets: fields are counted from the last `)`. Undefined for a text that is no stat line. */
export function parseStat(text: string): ProcessStat | undefined {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open < 0 || close < open) return undefined;
  const fields = text.slice(close + 2).split(' ');
  const number = (index: number) => Number(fields[index] ?? 'NaN');
  const stat: ProcessStat = {
    comm: text.slice(open + 1, close),
    state: fields[0] ?? '?',
    parentPid: number(1),
    groupId: number(2),
    sessionId: number(3),
    terminal: number(4),
    foregroundGroupId: number(5),
    kernelThread: (number(6) & kernelThreadFlag) !== 0,
    threads: number(17),
    startTime: number(19),
  };
  return Number.isSafeInteger(stat.parentPid) && Number.isSafeInteger(stat.startTime) ? stat : undefined;
}

const shells = new Set(['sh', 'bash', 'dash', 'zsh', 'ksh', 'mksh', 'fish', 'ash', 'tcsh', 'csh', 'busybox']);

/** Options of shells that name what is run before anything is typed. */
const scriptOptions = new Set(['--rcfile', '--init-file', '--init-command', '--command']);

/** A shell that got neither a script nor `-c`, and has a terminal. `-i` alone is no sign of a person: `bash -i attack.sh` runs the script. */
export function readsFromTerminal(exe: string, commandLine: readonly string[], terminal: number): boolean {
  const name = path.posix.basename(exe);
  if (terminal === 0 || !shells.has(name)) return false;
  const operands =
    name === 'busybox' && !shells.has(path.posix.basename(commandLine[0] ?? '').replace(/^-/u, '')) ? commandLine.slice(2) : commandLine.slice(1);
  let takesValue = false;
  for (const [at, argument] of operands.entries()) {
    if (takesValue) takesValue = false;
    else if (argument === '-' || argument === '--') return at === operands.length - 1;
    else if (/^-[a-zA-Z]*c[a-zA-Z]*$/u.test(argument) || scriptOptions.has(argument.replace(/=.*$/u, ''))) return false;
    // What follows are a person's $1, $2 …
    else if (/^-[a-zA-Z]*s[a-zA-Z]*$/u.test(argument)) return true;
    else if (/^[-+][a-zA-Z]*[oO]$/u.test(argument)) takesValue = true;
    else if (!/^[-+]/u.test(argument)) return false;
  }
  return true;
}

/** `bash -i < attack.sh` has a terminal and reads elsewhere. /dev/tty is every process's own terminal. */
function readsItsTerminal(pid: number, terminal: number): boolean {
  const input = statOf(`/proc/${pid}/fd/0`);
  return input !== undefined && input.isCharacterDevice() && [BigInt(terminal), devTty].includes(input.rdev);
}

const devTty = 0x500n; // 5:0, Documentation/admin-guide/devices.txt
const interruptMask = 1n << 1n; // SIGINT is signal 2

/** A shell at whose prompt a person sits handles the interrupt; one that ignores it could never be broken off. */
function ignoresInterrupt(status: string): boolean {
  const mask = /^SigIgn:\s*([0-9a-f]+)$/mu.exec(status)?.[1] ?? '0';
  return (BigInt(`0x${mask}`) & interruptMask) !== 0n;
}

/** More than any of these files has, except for command lines whose rest names nothing more about the program. */
const scratch = Buffer.alloc(64 * 1024);

/**
 * One file of /proc. Into one buffer for all: readFileSync takes a fresh 64 KiB for each of these files, and the garbage collections that follow make who ends
 * meanwhile nameless. The result is good until the next call.
 * @throws Error when the process is gone
 */
function readProcFile(file: string): Buffer {
  const fd = openSync(file, 'r');
  try {
    let length = 0;
    for (let read = -1; read !== 0 && length < scratch.length; length += read) read = readSync(fd, scratch, length, scratch.length - length, null);
    return scratch.subarray(0, length);
  } finally {
    closeSync(fd);
  }
}

/** Splits /proc/PID/cmdline. At most 4,096 arguments: a longer line names nothing more about the program. */
export function parseCommandLine(bytes: Buffer): string[] {
  const end = bytes.at(-1) === 0 ? bytes.length - 1 : bytes.length;
  if (end <= 0) return [];
  return pathFromBytes(bytes.subarray(0, end)).split('\0', 4096);
}

function linkTarget(file: string): string | undefined {
  try {
    return pathFromBytes(readlinkSync(file, { encoding: 'buffer' }));
  } catch {
    return undefined;
  }
}

/** Undefined where there is nothing, or nothing that may be looked at. */
function statOf(file: string | Buffer): BigIntStats | undefined {
  try {
    return statSync(file, { bigint: true });
  } catch {
    return undefined;
  }
}

/** Names are true where the first process lives, also for a service that was put into a mount namespace of its own (a container, ProtectSystem=). */
const systemRoot = statOf('/proc/1/root/') === undefined ? '' : '/proc/1/root';

/** stat of /proc/PID/exe reaches the very inode that runs, in whatever mount namespace it was started. */
function exeFileOf(pid: number, exe: string): ExeFile {
  const running = statOf(`/proc/${pid}/exe`);
  const standing = exe === '' ? undefined : statOf(fsPath(`${systemRoot}${exe}`));
  if (running === undefined || standing?.dev !== running.dev) return 'unproven';
  if (running.ino === standing.ino) return isRootsAlone(running) ? 'root-only' : 'in-place';
  // An update takes the last name from a root's file and puts another one in its place: nobody else can do that in a directory of root's.
  return running.nlink === 0n && isRootsAlone(running) && isRootsAlone(standing) ? 'root-only' : 'unproven';
}

function isRootsAlone({ uid, mode }: BigIntStats): boolean {
  return uid === 0n && (mode & 0o022n) === 0n;
}

/** Start time and state alone: the check before every signal. Undefined when there is no such process. */
export function readStat(pid: number): ProcessStat | undefined {
  try {
    return parseStat(readProcFile(`/proc/${pid}/stat`).toString('latin1'));
  } catch {
    return undefined;
  }
}

/** Path of the program, or '' when it can't be told: a kernel thread, a process that has just ended. */
function programOf(pid: number): string {
  const target = linkTarget(`/proc/${pid}/exe`) ?? programOfThreads(pid);
  return target.replace(/ \(deleted\)$/u, '');
}

/** A first thread that has left takes the link with it, while the others work on. */
function programOfThreads(pid: number): string {
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const target = thread === String(pid) ? undefined : linkTarget(`/proc/${pid}/task/${thread}/exe`);
      if (target !== undefined) return target;
    }
  } catch {
    // It has ended.
  }
  return '';
}

const userIdOf = (status: string): number => Number(/^Uid:\s+(\d+)/mu.exec(status)?.[1] ?? '0');

/** What /proc still told of a process that may have ended while it was read. */
export interface ProcessGlimpse {
  /** Empty where it could not be read, and for kernel threads. */
  readonly exe: string;
  readonly stat?: ProcessStat;
  readonly commandLine?: readonly string[];
  readonly uid?: number;
}

/** Reads the program first: of a process that lives for a millisecond that is what matters. Undefined when nothing is left to read; kernel threads have a stat alone. */
export function glimpseProcess(pid: number): ProcessGlimpse | undefined {
  const exe = programOf(pid);
  const stat = readStat(pid);
  if (stat === undefined) return exe === '' ? undefined : { exe };
  try {
    const commandLine = parseCommandLine(readProcFile(`/proc/${pid}/cmdline`));
    return { exe, stat, commandLine, uid: userIdOf(readProcFile(`/proc/${pid}/status`).toString('latin1')) };
  } catch {
    return { exe, stat };
  }
}

/** One process, or undefined when it is gone, a kernel thread, or a zombie without living threads. */
export function readProcess(pid: number): LiveProcess | undefined {
  const stat = readStat(pid);
  if (stat === undefined || stat.kernelThread) return undefined;
  // A process whose first thread has left shows as Z while the others work on.
  if ((stat.state === 'Z' && stat.threads <= 1) || stat.state === 'X') return undefined;
  try {
    const commandLine = parseCommandLine(readProcFile(`/proc/${pid}/cmdline`));
    const status = readProcFile(`/proc/${pid}/status`).toString('latin1');
    const exe = programOf(pid);
    const cwd = linkTarget(`/proc/${pid}/cwd`);
    return {
      pid,
      startTime: stat.startTime,
      exe,
      comm: stat.comm,
      parentPid: stat.parentPid,
      sessionId: stat.sessionId,
      groupId: stat.groupId,
      uid: userIdOf(status),
      commandLine,
      exeFile: exeFileOf(pid, exe),
      interactiveShell: readsFromTerminal(exe, commandLine, stat.terminal) && !ignoresInterrupt(status) && readsItsTerminal(pid, stat.terminal),
      foregroundGroupId: stat.foregroundGroupId,
      state: stat.state,
      ...(cwd === undefined ? {} : { cwd }),
    };
  } catch {
    return undefined; // it ended while it was being read
  }
}

/** All processes now. Synchronous on purpose: 200 processes take some milliseconds, and nothing may come between the list and the stop. */
export function readAllProcesses(): LiveProcess[] {
  const processes: LiveProcess[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/u.test(name)) continue;
    const process = readProcess(Number(name));
    if (process !== undefined) processes.push(process);
  }
  return processes;
}
