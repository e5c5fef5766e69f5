import { type BigIntStats, closeSync, constants, fstatSync, lstatSync, mkdirSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { FileStat } from '@kuramori/contracts';
import { fsPath, pathFromBytes } from '../../path-text';

/** Somebody else's thing is where our own should be: nothing in it proves anything. The message says what to do. */
export class StrangeSpoolError extends Error {
  override readonly name = 'StrangeSpoolError';
}

/**
 * What a file of the spool is for as long as nobody touches it: a copy of it has another number, and every change, also of owner, mode or name, another ctime.
 * Not the device: its number may be another one after a restart of the machine.
 */
export type SpooledData = Pick<FileStat, 'ino' | 'size' | 'ctimeNs'>;

export function sameData(a: SpooledData, b: SpooledData): boolean {
  return a.ino === b.ino && a.size === b.size && a.ctimeNs === b.ctimeNs;
}

export function dataOf(stat: BigIntStats): SpooledData {
  return { ino: String(stat.ino), size: Number(stat.size), ctimeNs: String(stat.ctimeNs) };
}

/** A sidecar holds one path and a few figures; a path in JSON takes at most six characters for each of its 4,096 bytes. */
const sidecarLimitBytes = 64 * 1024;

/**
 * A spool held open. It may lie where users can write (at the mount point of a share), so it counts only when it is ours alone, and everything in it is reached through
 * the descriptor: whoever swaps the path for a directory of his own gains nothing.
 */
export class SpoolDirectory {
  private constructor(
    readonly path: string,
    private readonly fd: number,
  ) {}

  /** Made where it is missing. @throws StrangeSpoolError where somebody else's is in the way, or a file error */
  static make(path: string): SpoolDirectory {
    try {
      mkdirSync(fsPath(path), { mode: 0o700 });
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
    const directory = SpoolDirectory.open(path);
    if (directory === undefined) throw new StrangeSpoolError(`${path} was taken away as soon as it was made`);
    return directory;
  }

  /** undefined: there is none. @throws StrangeSpoolError where it is somebody else's, or a file error */
  static open(path: string): SpoolDirectory | undefined {
    let fd: number;
    try {
      fd = openSync(fsPath(path), constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      if (codeOf(error) === 'ENOTDIR' || codeOf(error) === 'ELOOP') throw inTheWay(path, 'it is no directory');
      throw error;
    }
    const { uid, mode } = fstatSync(fd);
    if (uid === ownUid() && (mode & 0o077) === 0) return new SpoolDirectory(path, fd);
    closeSync(fd);
    throw inTheWay(path, `it belongs to uid ${uid} with mode ${(mode & 0o7777).toString(8)}, so that others may have put there what it holds`);
  }

  /** For node:fs and system calls: the directory itself, whatever its path leads to by now. */
  get handle(): string {
    return `/proc/self/fd/${this.fd}`;
  }

  at(name: string): string {
    return `${this.handle}/${name}`;
  }

  /** Where it is now. */
  get realPath(): string {
    return pathFromBytes(readlinkSync(this.handle, { encoding: 'buffer' }));
  }

  names(): string[] {
    return readdirSync(this.handle);
  }

  /** Whether the path still leads here: who may write to the directory above may rename this one. */
  isInPlace(): boolean {
    const there = lstatSync(fsPath(this.path), { bigint: true, throwIfNoEntry: false });
    const here = fstatSync(this.fd, { bigint: true });
    return there?.ino === here.ino && there.dev === here.dev;
  }

  /** The text of a small file. @throws StrangeSpoolError when it is not one of ours, or a file error */
  read(name: string): string {
    // A FIFO would wait for a writer.
    const fd = openSync(this.at(name), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stat = fstatSync(fd, { bigint: true });
      if (!isOwnFile(stat) || stat.size > sidecarLimitBytes) throw new StrangeSpoolError(`${name} is no private file of ours`);
      return readFileSync(fd, 'utf8');
    } finally {
      closeSync(fd);
    }
  }

  /** undefined: there is no such file of ours. */
  find(name: string): SpooledData | undefined {
    const stat = lstatSync(this.at(name), { bigint: true, throwIfNoEntry: false });
    return stat !== undefined && isOwnFile(stat) ? dataOf(stat) : undefined;
  }

  close(): void {
    closeSync(this.fd);
  }
}

/** Regular, ours, readable by nobody else, under one name. */
export function isOwnFile(stat: BigIntStats): boolean {
  return stat.isFile() && Number(stat.uid) === ownUid() && (stat.mode & 0o7777n) === 0o600n && stat.nlink === 1n;
}

function ownUid(): number | undefined {
  return process.getuid?.();
}

function inTheWay(path: string, why: string): StrangeSpoolError {
  return new StrangeSpoolError(`${path} is in the way of the guard's copies: ${why}. See what it is, move it away, and restart Kuramori`);
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
