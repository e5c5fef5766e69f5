/** fanotify permission groups: the few calls the guard needs, synchronous, for its own thread. Figures and traps: design notes "linux-sensor". */
import { atCurrentDirectory, checked, copyFileRange, fanotifyInit, fanotifyMark, ioctl, poll, read, write, zeroTerminated } from '../libc';

// include/uapi/linux/fanotify.h
const classContent = 0x04;
const closeOnExec = 0x01;
const nonBlocking = 0x02;
const unlimitedQueue = 0x10;
const unlimitedMarks = 0x20;
const reportThreadId = 0x100;
const markAdd = 0x01;
const markFilesystem = 0x100;
// FAN_MARK_IGNORE, not the older IGNORED_MASK: only this one minds EVENT_ON_CHILD.
const markIgnoredSurvivesModification = 0x40 | 0x400;
const openPermission = 0x1_0000n;
const eventOnChild = 0x0800_0000n;
const queueOverflow = 0x4000n;
const allow = 1;
const deny = 2;
const largeFile = 0o100_000;
const closeOnExecFile = 0o2_000_000;
const ficlone = 0x4004_9409;
const pollIn = 1;
const metadataBytes = 24;

export interface OpenRequest {
  /** Read-only descriptor of the file about to be opened; the receiver closes it. */
  readonly fd: number;
  /** Thread that waits. */
  readonly threadId: number;
}

/** One group of OPEN_PERM marks. Everything is synchronous and belongs to one thread; only `close` may be called from another one. */
export class PermissionGroup {
  readonly fd: number;
  // Four KiB: a larger read opens that many descriptors at once, and running out of them denies opens (EMFILE).
  private readonly events = Buffer.alloc(4096);
  private readonly pollFds = Buffer.alloc(8);
  private readonly response = Buffer.alloc(8);

  /** @throws SystemCallError where the kernel or the privileges don't allow it */
  constructor() {
    this.fd = checked(
      'fanotify_init',
      fanotifyInit(classContent | closeOnExec | nonBlocking | unlimitedQueue | unlimitedMarks | reportThreadId, largeFile | closeOnExecFile),
    );
    this.pollFds.writeInt32LE(this.fd, 0);
    this.pollFds.writeInt16LE(pollIn, 4);
  }

  /** Every open on the filesystem that holds `path`. */
  markFilesystem(path: Buffer): void {
    this.mark(markAdd | markFilesystem, openPermission, path);
  }

  /** Every open of a direct child of a directory. */
  markDirectory(path: Buffer): void {
    this.mark(markAdd, openPermission | eventOnChild, path);
  }

  /** No events for direct children of this directory: the guard's own writes there must not wait for the guard. */
  ignoreDirectory(path: Buffer): void {
    this.mark(markAdd | markIgnoredSurvivesModification, openPermission | eventOnChild, path);
  }

  private mark(flags: number, mask: bigint, path: Buffer): void {
    checked('fanotify_mark', fanotifyMark(this.fd, flags, mask, atCurrentDirectory, zeroTerminated(path)));
  }

  /** Waits at most `timeoutMs` and hands each request to `answer`, which must return true to allow. Returns the number of requests. */
  serve(timeoutMs: number, answer: (request: OpenRequest) => boolean): number {
    if (poll(this.pollFds, 1, timeoutMs) <= 0) return 0;
    const length = Number(read(this.fd, this.events, this.events.length));
    let count = 0;
    for (let at = 0; at + metadataBytes <= length;) {
      const eventBytes = this.events.readUInt32LE(at);
      const mask = this.events.readBigUInt64LE(at + 8);
      const fd = this.events.readInt32LE(at + 16);
      const threadId = this.events.readInt32LE(at + 20);
      at += eventBytes;
      if (fd < 0 || (mask & queueOverflow) !== 0n) continue;
      count += 1;
      let allowed = true;
      try {
        allowed = answer({ fd, threadId });
      } finally {
        this.response.writeInt32LE(fd, 0);
        this.response.writeUInt32LE(allowed ? allow : deny, 4);
        write(this.fd, this.response, this.response.length);
      }
    }
    return count;
  }
}

/** Shares the blocks of one file with another on the same filesystem; false where the filesystem can't. */
export function cloneFile(from: number, to: number): boolean {
  return ioctl(to, ficlone, from) === 0;
}

/** Copies inside the kernel from both descriptors' positions. @returns bytes copied, 0 at the end, -1 where the two filesystems don't allow it */
export function copyInKernel(from: number, to: number, length: number): number {
  return Number(copyFileRange(from, null, to, null, length, 0));
}
