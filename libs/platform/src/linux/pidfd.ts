/** The few system calls that act on one exact process: a pidfd stays with its process, a pid may be given to another one (rules.md 2). */
import { closeSync } from 'node:fs';
import koffi from 'koffi';

// Same numbers on every architecture: both calls came after the tables were unified (Linux 5.1 and 5.3).
const pidfdSendSignalNumber = 424;
const pidfdOpenNumber = 434;
const pollIn = 1;
const errnoNoSuchProcess = 3;
const errnoInvalid = 22;
const errnoNoSystemCall = 38;

type SystemCall = (number: number, first: number, second: number, third: number, fourth: number) => number;
type Poll = (descriptors: Buffer, count: number, timeoutMs: number) => number;

interface Calls {
  readonly systemCall: SystemCall;
  readonly poll: Poll;
}

let loaded: Calls | undefined;

/** Loaded at first use: importing this file on another system is harmless. Both calls go through libc's `syscall`, whose wrappers for them came late. */
function calls(): Calls {
  if (loaded === undefined) {
    const libc = koffi.load('libc.so.6');
    loaded = {
      systemCall: libc.func('long syscall(long number, long first, long second, long third, long fourth)') as SystemCall,
      poll: libc.func('int poll(_Inout_ uint8_t *descriptors, unsigned long count, int timeoutMs)') as Poll,
    };
  }
  return loaded;
}

/** A system call failed for a reason that the caller can't handle. */
export class PidfdError extends Error {
  override readonly name = 'PidfdError';
  constructor(
    call: string,
    readonly errno: number,
  ) {
    super(
      errno === errnoNoSystemCall
        ? `${call}: this kernel does not have the call; Linux 5.3 or newer is needed`
        : `${call} failed with errno ${errno}`,
    );
  }
}

/**
 * A descriptor for the process that has this pid now, or undefined when there is none. The caller closes it with {@link pidfdClose}.
 * @throws PidfdError when the call is not possible at all
 */
export function pidfdOpen(pid: number): number | undefined {
  const descriptor = calls().systemCall(pidfdOpenNumber, pid, 0, 0, 0);
  if (descriptor >= 0) return descriptor;
  const errno = koffi.errno();
  // EINVAL: the pid is that of a thread, or not a pid at all; there is no such process either way.
  if (errno === errnoNoSuchProcess || errno === errnoInvalid) return undefined;
  throw new PidfdError('pidfd_open', errno);
}

/** 0, or the errno of the failure (1 EPERM, 3 ESRCH). */
export function pidfdSendSignal(descriptor: number, signal: number): number {
  return calls().systemCall(pidfdSendSignalNumber, descriptor, signal, 0, 0) === 0 ? 0 : koffi.errno();
}

/** Whether the process, all its threads included, has ended (a zombie has). Never blocks. */
export function pidfdHasEnded(descriptor: number): boolean {
  const request = Buffer.alloc(8); // struct pollfd { int fd; short events; short revents; }
  request.writeInt32LE(descriptor, 0);
  request.writeInt16LE(pollIn, 4);
  return calls().poll(request, 1, 0) > 0;
}

export function pidfdClose(descriptor: number): void {
  closeSync(descriptor);
}
