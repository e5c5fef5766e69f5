import type { LiveProcess, PackageRegistry, ProcessControl, ProcessIdentity, SignalOutcome } from '../process-control';

/** What a test says about a process; the rest is filled in. */
export type ProcessSketch = Pick<LiveProcess, 'pid'> & Partial<LiveProcess>;

/** A process as it stands in a table, from a sketch: start time = pid × 10, child of pid 1, in a session of its own, and its name is true. */
export function sketchProcess(sketch: ProcessSketch): LiveProcess {
  return {
    startTime: sketch.pid * 10,
    exe: '/usr/bin/true',
    comm: 'true',
    parentPid: 1,
    sessionId: sketch.pid,
    groupId: sketch.pid,
    uid: 1000,
    commandLine: [sketch.exe ?? '/usr/bin/true'],
    exeFile: 'root-only',
    interactiveShell: false,
    foregroundGroupId: -1,
    state: 'S',
    ...sketch,
  };
}

export type SentSignal = 'suspend' | 'resume' | 'interrupt' | 'kill';

/** A process table in memory. It has no scheduler: a suspended process keeps its place, a killed one leaves, children of a killed one go to pid 1. */
export class MemoryProcessControl implements ProcessControl {
  readonly sent: { readonly signal: SentSignal; readonly pid: number }[] = [];
  /** Signals to these pids are refused, as for another user's process. */
  readonly denied = new Set<number>();
  private table = new Map<number, LiveProcess>();

  constructor(
    processes: readonly ProcessSketch[] = [],
    readonly bootId8 = '00000000',
  ) {
    for (const process of processes) this.add(process);
  }

  add(sketch: ProcessSketch): LiveProcess {
    const process = sketchProcess(sketch);
    this.table.set(process.pid, process);
    return process;
  }

  remove(pid: number): void {
    this.table.delete(pid);
    for (const process of this.table.values()) {
      if (process.parentPid === pid) this.table.set(process.pid, { ...process, parentPid: 1 });
    }
  }

  async list(): Promise<readonly LiveProcess[]> {
    return [...this.table.values()];
  }

  suspend(process: ProcessIdentity): SignalOutcome {
    return this.signal(process, 'suspend');
  }

  resume(process: ProcessIdentity): SignalOutcome {
    return this.signal(process, 'resume');
  }

  interrupt(process: ProcessIdentity): SignalOutcome {
    return this.signal(process, 'interrupt');
  }

  endsByInterrupt(process: ProcessIdentity): boolean {
    return this.isAlive(process);
  }

  kill(process: ProcessIdentity): SignalOutcome {
    return this.signal(process, 'kill');
  }

  isAlive(process: ProcessIdentity): boolean {
    return this.table.get(process.pid)?.startTime === process.startTime;
  }

  async waitForEnd(process: ProcessIdentity): Promise<boolean> {
    return !this.isAlive(process);
  }

  private signal(process: ProcessIdentity, signal: SentSignal): SignalOutcome {
    const known = this.table.get(process.pid);
    if (known?.startTime !== process.startTime) return 'gone';
    if (this.denied.has(process.pid)) return 'denied';
    this.sent.push({ signal, pid: process.pid });
    if (signal === 'suspend') this.table.set(known.pid, { ...known, state: 'T' });
    if (signal === 'resume') this.table.set(known.pid, { ...known, state: 'S' });
    if (signal === 'kill' || signal === 'interrupt') this.remove(known.pid);
    return 'done';
  }
}

/** Knows what the test told it. */
export class MemoryPackageRegistry implements PackageRegistry {
  constructor(private readonly owners: Readonly<Record<string, string>> = {}) {}

  async ownerOf(path: string): Promise<string | undefined> {
    return this.owners[path];
  }
}
