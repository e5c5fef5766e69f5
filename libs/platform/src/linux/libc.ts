/** The C library through koffi: synchronous calls (0.4 µs each), for threads of our own. The one home of their prototypes. */
import { getSystemErrorMap } from 'node:util';
import koffi from 'koffi';

const libc = koffi.load('libc.so.6');

type Signature<A extends readonly unknown[], R> = (...args: A) => R;
const call = <A extends readonly unknown[], R>(prototype: string) => libc.func(prototype) as Signature<A, R>;

const calls = {
  fanotifyInit: call<[number, number], number>('int fanotify_init(uint flags, uint eventFlags)'),
  fanotifyMark: call<[number, number, bigint, number, Buffer], number>(
    'int fanotify_mark(int fd, uint flags, uint64_t mask, int directoryFd, const char *path)',
  ),
  poll: call<[Buffer, number, number], number>('int poll(void *fds, ulong count, int timeoutMs)'),
  read: call<[number, Buffer, number], number | bigint>('long read(int fd, void *buffer, ulong length)'),
  recv: call<[number, Buffer, number, number], number | bigint>('long recv(int fd, void *buffer, ulong length, int flags)'),
  send: call<[number, Buffer, number, number], number | bigint>('long send(int fd, const void *buffer, ulong length, int flags)'),
  write: call<[number, Buffer, number], number | bigint>('long write(int fd, const void *buffer, ulong length)'),
  close: call<[number], number>('int close(int fd)'),
  ioctl: call<[number, number, number], number>('int ioctl(int fd, ulong request, int argument)'),
  copyFileRange: call<[number, null, number, null, number, number], number | bigint>(
    'long copy_file_range(int from, void *fromOffset, int to, void *toOffset, ulong length, uint flags)',
  ),
  socket: call<[number, number, number], number>('int socket(int domain, int type, int protocol)'),
  bind: call<[number, Buffer, number], number>('int bind(int fd, const void *address, uint length)'),
  setsockopt: call<[number, number, number, Buffer, number], number>('int setsockopt(int fd, int level, int name, const void *value, uint length)'),
  openByHandleAt: call<[number, Buffer, number], number>('int open_by_handle_at(int mountFd, void *handle, int flags)'),
  statfs: call<[Buffer, Buffer], number>('int statfs(const char *path, void *result)'),
  clockGettime: call<[number, Buffer], number>('int clock_gettime(int clock, void *result)'),
  schedSetscheduler: call<[number, number, Buffer], number>('int sched_setscheduler(int thread, int policy, const void *parameter)'),
  setpriority: call<[number, number, number], number>('int setpriority(int which, uint who, int priority)'),
  utimensat: call<[number, Buffer, Buffer, number], number>('int utimensat(int directoryFd, const char *path, const void *times, int flags)'),
};

export const atCurrentDirectory = -100;

/** Why the calling thread's last call failed. */
export const errno = (): number => koffi.errno();

/** A system call that said no. */
export class SystemCallError extends Error {
  override readonly name = 'SystemCallError';
  constructor(
    readonly call: string,
    readonly errno: number,
  ) {
    super(`${call} failed: ${getSystemErrorMap().get(-errno)?.[0] ?? `errno ${errno}`}`);
  }
}

/** @throws SystemCallError for a negative result */
export function checked(name: string, result: number | bigint): number {
  const number = Number(result);
  if (number < 0) throw new SystemCallError(name, errno());
  return number;
}

export const zeroTerminated = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.from([0])]);

export const { copyFileRange, fanotifyInit, fanotifyMark, ioctl, poll, read, recv, write, send, close, socket, bind, setsockopt, openByHandleAt } =
  calls;

/** The filesystem id as fanotify reports it (8 bytes, hex). */
export function filesystemId(path: Buffer): string {
  const result = Buffer.alloc(256);
  checked('statfs', calls.statfs(zeroTerminated(path), result));
  return result.subarray(56, 64).toString('hex');
}

const monotonic = 1;
const boottime = 7;

function clockNs(clock: number): number {
  const result = Buffer.alloc(16);
  checked('clock_gettime', calls.clockGettime(clock, result));
  return Number(result.readBigInt64LE(0)) * 1e9 + Number(result.readBigInt64LE(8));
}

/** How long the machine has slept since it was booted, in nanoseconds: the clock of /proc counts it, the kernel's monotonic clock doesn't. */
export function sleptNs(): number {
  return clockNs(boottime) - clockNs(monotonic);
}

const roundRobin = 2;
const resetOnFork = 0x4000_0000;

/**
 * The calling thread runs before every ordinary one: it is woken within microseconds also on a busy machine. The kernel keeps 5 % of the time for the others.
 * Without the privilege (CAP_SYS_NICE) it stays as it is. @returns whether it took effect
 */
export function runBeforeOthers(): boolean {
  const lowestRealTimePriority = Buffer.from([1, 0, 0, 0]);
  return calls.schedSetscheduler(0, roundRobin | resetOnFork, lowestRealTimePriority) === 0 || calls.setpriority(0, 0, -20) === 0;
}

/**
 * Sets access and modification time to the nanosecond. node:fs takes seconds as a double, which loses some hundred nanoseconds.
 * @param path followed to its end: below /proc/self/fd it leads to what the descriptor holds
 * @throws SystemCallError
 */
export function setTimesNs(path: string, accessNs: bigint, modifiedNs: bigint): void {
  const times = Buffer.alloc(32);
  const put = (offset: number, ns: bigint) => {
    const second = 1_000_000_000n;
    const rest = ((ns % second) + second) % second;
    times.writeBigInt64LE((ns - rest) / second, offset);
    times.writeBigInt64LE(rest, offset + 8);
  };
  put(0, accessNs);
  put(16, modifiedNs);
  checked('utimensat', calls.utimensat(atCurrentDirectory, zeroTerminated(Buffer.from(path)), times, 0));
}

/** Makes a pipe, socket or device. @throws SystemCallError */
export function makeNode(path: Buffer, mode: number, device: bigint): void {
  // Looked up when it is needed: the symbol exists from glibc 2.33 on.
  const mknod = call<[Buffer, number, bigint], number>('int mknod(const char *path, uint mode, uint64_t device)');
  checked('mknod', mknod(zeroTerminated(path), mode, device));
}
