import { type BigIntStats, chmodSync, chownSync, closeSync, constants, fstatSync, lstatSync, openSync } from 'node:fs';
import { makeNode, setTimesNs } from './libc';

/** O_PATH: a descriptor of the entry itself, without opening what it stands for. The same on x86-64 and arm64 (asm-generic/fcntl.h); node:fs has no name for it. */
const pathOnly = 0o10000000;

/**
 * An entry of a directory held by a descriptor: what is done through it is done to this entry, whatever comes to its name meanwhile. Users control the names in their
 * directories, so a change by name would be theirs to direct: at a symbolic link to a file of root, or at a pipe that blocks for ever. It is reached below
 * /proc/self/fd, which is what Node has in place of AT_EMPTY_PATH.
 */
export class HeldEntry {
  private constructor(private readonly fd: number) {}

  /** Holds whatever stands there (a link itself, not what it points to) without opening it: nothing blocks, no device notices. @throws a file error */
  static hold(place: Buffer): HeldEntry {
    return new HeldEntry(openSync(place, pathOnly | constants.O_NOFOLLOW));
  }

  /** As {@link hold}; undefined where nothing stands. */
  static holdIfThere(place: Buffer): HeldEntry | undefined {
    try {
      return HeldEntry.hold(place);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** A new empty file that only its owner, the calling process, may read. @throws a file error, EEXIST where something stands there */
  static createFile(place: Buffer): HeldEntry {
    return new HeldEntry(openSync(place, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600));
  }

  /** A new pipe, socket or device like `model`; mode 0600. @throws SystemCallError, EEXIST where something stands there */
  static createLike(place: Buffer, model: BigIntStats): HeldEntry {
    makeNode(place, (Number(model.mode) & constants.S_IFMT) | 0o600, model.rdev);
    return HeldEntry.hold(place);
  }

  stat(): BigIntStats {
    return fstatSync(this.fd, { bigint: true });
  }

  /** Whether the name still leads to this entry. */
  standsAt(place: Buffer): boolean {
    const there = lstatSync(place, { bigint: true, throwIfNoEntry: false });
    return there !== undefined && isSameEntry(there, this.stat());
  }

  /** A path for node:fs that leads to this entry, and for links not beyond it. */
  get itself(): string {
    return `/proc/self/fd/${this.fd}`;
  }

  /** A descriptor of a regular file's content; the caller closes it. @throws Error for anything else: opening a pipe or device does something to it */
  openContent(access: 'read' | 'write'): number {
    if (!this.stat().isFile()) throw new Error('not a regular file');
    return openSync(this.itself, (access === 'read' ? constants.O_RDONLY : constants.O_RDWR) | constants.O_NONBLOCK);
  }

  setOwner(uid: number, gid: number): void {
    chownSync(this.itself, uid, gid);
  }

  /** Not for symbolic links, which have none. */
  setMode(mode: number): void {
    chmodSync(this.itself, mode);
  }

  setTimes(accessNs: bigint, modifiedNs: bigint): void {
    setTimesNs(this.itself, accessNs, modifiedNs);
  }

  close(): void {
    closeSync(this.fd);
  }
}

export function isSameEntry(a: Pick<BigIntStats, 'dev' | 'ino'>, b: Pick<BigIntStats, 'dev' | 'ino'>): boolean {
  return a.dev === b.dev && a.ino === b.ino;
}

/** Holds an entry for the time of the work. */
export function holding<T>(place: Buffer, work: (entry: HeldEntry) => T): T {
  const entry = HeldEntry.hold(place);
  try {
    return work(entry);
  } finally {
    entry.close();
  }
}
