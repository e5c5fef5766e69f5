/** What `up` keeps in dataDir: the directories themselves, the lock that keeps a second `up` out, and what an earlier one left running. */
import { chmodSync, linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { LinuxProcessControl, type OwnProcess, ownProcessesFile, type ProcessControl, readStat } from '@kuramori/platform';
import { CommandFailure, exitStatus } from '../exit';

/** Services that lost their `up` are ending already; what hangs is ended for them: an attack may be going on. */
const politeMs = 2000;
const killMs = 5000;

/** Makes dataDir (0700) and what is in it. @throws CommandFailure with what to do */
export function prepareDataDir(dataDir: string, warn: (text: string) => void): void {
  try {
    const existed = statSync(dataDir, { throwIfNoEntry: false }) !== undefined;
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    // A directory that holds other things is somebody's: its rights are not ours to change.
    if (existed && readdirSync(dataDir).length === 0) chmodSync(dataDir, 0o700);
    if ((statSync(dataDir).mode & 0o077) !== 0)
      warn(`dataDir ${dataDir} can be read by others than its owner; make it private: chmod 700 ${dataDir}`);
    for (const name of ['run', 'log']) mkdirSync(path.join(dataDir, name), { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new CommandFailure(
      exitStatus.failed,
      `dataDir ${dataDir} can't be made or used: ${error instanceof Error ? error.message : String(error)}. Run as root, free some space, or choose another dataDir.`,
      { cause: error },
    );
  }
}

export interface UpLock {
  release(): void;
}

interface LockHolder {
  readonly pid: number;
  readonly startTime: number;
}

/**
 * One `up` per dataDir. The lock names its holder by pid and start time, so that one left behind by kill -9 or a power cut is seen to be stale.
 * @throws CommandFailure when another one runs
 */
export function takeLock(dataDir: string): UpLock {
  const file = path.join(dataDir, 'run', 'up.lock');
  const own = `${file}.${process.pid}`;
  const me: LockHolder = { pid: process.pid, startTime: readStat(process.pid)?.startTime ?? 0 };
  writeFileSync(own, JSON.stringify(me), { mode: 0o600 });
  try {
    // A few rounds: somebody else may be clearing away the same stale lock.
    for (let round = 0; round < 10; round += 1) {
      if (tryLink(own, file)) return { release: () => releaseLock(file, me) };
      const holder = readHolder(file);
      if (holder !== undefined && isRunning(holder)) {
        throw new CommandFailure(
          exitStatus.failed,
          `Kuramori is already running for ${dataDir} (up has pid ${holder.pid}). 'kuramori status' tells how it is; to start anew, end that one first: kill ${holder.pid}`,
        );
      }
      clearStale(file, holder);
    }
  } finally {
    rmSync(own, { force: true });
  }
  throw new CommandFailure(exitStatus.failed, `the lock ${file} can't be taken: others take it at the same time. Try again.`);
}

const isRunning = ({ pid, startTime }: LockHolder) => {
  const stat = readStat(pid);
  return stat !== undefined && stat.state !== 'Z' && stat.startTime === startTime;
};

/** link(2) fails when the name is taken: of two at once one wins. */
function tryLink(own: string, file: string): boolean {
  try {
    linkSync(own, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function readHolder(file: string): LockHolder | undefined {
  try {
    const { pid, startTime } = JSON.parse(readFileSync(file, 'utf8')) as Partial<LockHolder>;
    return typeof pid === 'number' && typeof startTime === 'number' ? { pid, startTime } : undefined;
  } catch {
    return undefined;
  }
}

/** Moved aside first: what was moved shows whether it was the stale one or one taken a moment ago, which is put back. */
function clearStale(file: string, stale: LockHolder | undefined): void {
  const aside = `${file}.stale.${process.pid}`;
  try {
    renameSync(file, aside);
    const moved = readHolder(aside);
    if (moved !== undefined && (moved.pid !== stale?.pid || moved.startTime !== stale.startTime) && isRunning(moved)) tryLink(aside, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function releaseLock(file: string, me: LockHolder): void {
  const holder = readHolder(file);
  if (holder?.pid === me.pid && holder.startTime === me.startTime) rmSync(file, { force: true });
}

/**
 * Ends what an `up` that was killed left running. Only processes that the run file names and whose start time is the one written there: a pid alone could be
 * anybody's by now. nats-server last, so that services can still hand over what they have.
 * @returns the names of what was ended
 */
export async function endLeftovers(
  dataDir: string,
  control: Pick<ProcessControl, 'interrupt' | 'kill' | 'isAlive' | 'waitForEnd'> = new LinuxProcessControl(),
): Promise<string[]> {
  const left = readRunFile(dataDir).filter((own) => own.pid !== process.pid && control.isAlive(own));
  const services = left.filter(({ name }) => name !== 'nats-server');
  const servers = left.filter(({ name }) => name === 'nats-server');
  for (const group of [services, servers]) {
    for (const own of group) control.interrupt(own);
    const deadline = performance.now() + politeMs;
    while (performance.now() < deadline && group.some((own) => control.isAlive(own))) await delay(10);
    for (const own of group) if (control.isAlive(own)) control.kill(own);
    for (const own of group) {
      if (!(await control.waitForEnd(own, killMs))) {
        throw new CommandFailure(
          exitStatus.failed,
          `${own.name} (pid ${own.pid}) of an earlier run can't be ended. Look what it waits for, or restart the server.`,
        );
      }
    }
  }
  return left.map(({ name }) => name);
}

function readRunFile(dataDir: string): readonly OwnProcess[] {
  try {
    const list = JSON.parse(readFileSync(ownProcessesFile(dataDir), 'utf8')) as unknown;
    if (!Array.isArray(list)) return [];
    return (list as Partial<OwnProcess>[]).flatMap(({ name, pid, startTime }) =>
      typeof name === 'string' && typeof pid === 'number' && pid > 1 && typeof startTime === 'number' ? [{ name, pid, startTime }] : [],
    );
  } catch {
    return [];
  }
}
