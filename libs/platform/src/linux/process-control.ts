import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { LiveProcess, ProcessControl, ProcessIdentity, SignalOutcome } from '../process-control';
import { pidfdClose, pidfdHasEnded, pidfdOpen, pidfdSendSignal } from './pidfd';
import { readAllProcesses, readStat } from './process-table-reader';

const signals = { interrupt: 2, kill: 9, resume: 18, suspend: 19 } as const;
const errnoNotPermitted = 1;
/** How often an awaited end is looked for: an end is usually seen within 2 ms of a SIGKILL. */
const endPollMs = 2;

/** Linux: every action opens a pidfd, compares the start time behind it, and only then acts through the pidfd. */
export class LinuxProcessControl implements ProcessControl {
  readonly bootId8 = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').slice(0, 8);

  async list(): Promise<readonly LiveProcess[]> {
    return readAllProcesses();
  }

  suspend(process: ProcessIdentity): SignalOutcome {
    return this.signal(process, signals.suspend);
  }

  resume(process: ProcessIdentity): SignalOutcome {
    return this.signal(process, signals.resume);
  }

  interrupt(process: ProcessIdentity): SignalOutcome {
    return this.signal(process, signals.interrupt);
  }

  endsByInterrupt(process: ProcessIdentity): boolean {
    return this.withPidfd(process, () => !handles(process.pid, signals.interrupt)) ?? false;
  }

  kill(process: ProcessIdentity): SignalOutcome {
    return this.signal(process, signals.kill);
  }

  isAlive(process: ProcessIdentity): boolean {
    return this.withPidfd(process, (descriptor) => !pidfdHasEnded(descriptor)) ?? false;
  }

  async waitForEnd(process: ProcessIdentity, timeoutMs: number): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    while (this.isAlive(process)) {
      if (performance.now() >= deadline) return false;
      await delay(endPollMs);
    }
    return true;
  }

  private signal(process: ProcessIdentity, signal: number): SignalOutcome {
    const outcome = this.withPidfd(process, (descriptor): SignalOutcome => {
      if (pidfdHasEnded(descriptor)) return 'gone';
      const errno = pidfdSendSignal(descriptor, signal);
      if (errno === 0) return 'done';
      return errno === errnoNotPermitted ? 'denied' : 'gone';
    });
    return outcome ?? 'gone';
  }

  /** Undefined when the pid belongs to nobody, or to another process than the one meant. */
  private withPidfd<T>(process: ProcessIdentity, action: (descriptor: number) => T): T | undefined {
    // A start time of 0 says that the sensor could not read it: such a process can't be told from a later one with its pid.
    if (process.pid < 1 || process.startTime === 0) return undefined;
    const descriptor = pidfdOpen(process.pid);
    if (descriptor === undefined) return undefined;
    try {
      // Read after opening: from here on the descriptor can't change its process.
      if (readStat(process.pid)?.startTime !== process.startTime) return undefined;
      return action(descriptor);
    } finally {
      pidfdClose(descriptor);
    }
  }
}

/** Whether a signal does anything but its default: the masks of blocked, ignored and caught signals in /proc/PID/status (proc(5)). Unknown counts as yes. */
function handles(pid: number, signal: number): boolean {
  let status: string;
  try {
    status = readFileSync(`/proc/${pid}/status`, 'latin1');
  } catch {
    return true;
  }
  const masks = [...status.matchAll(/^Sig(?:Blk|Ign|Cgt):\s*([0-9a-f]+)$/gmu)].map(([, mask = '0']) => BigInt(`0x${mask}`));
  return masks.length < 3 || masks.some((mask) => (mask & (1n << BigInt(signal - 1))) !== 0n);
}
