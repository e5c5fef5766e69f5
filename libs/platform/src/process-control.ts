import type { ProcessRef } from '@kuramori/contracts';

/** A live process as seen now. */
export interface LiveProcess extends ProcessRef {
  readonly parentPid: number;
  readonly sessionId: number;
  /** Process group. */
  readonly groupId: number;
  /** Real user id. */
  readonly uid: number;
  readonly commandLine: readonly string[];
  /** Controlling terminal's foreground group is this process's group, and it is a shell without a script argument: a person types there. */
  readonly interactiveShell: boolean;
  /** One letter of /proc/PID/stat: R S D T Z … */
  readonly state: string;
}

export type SignalOutcome = 'done' | 'gone' | 'denied';

/** What the responder may do to processes. Every action checks the start time through a pidfd first (rules.md 2): a reused pid is `gone`. */
export interface ProcessControl {
  /** All processes now; kernel threads left out. */
  list(): Promise<readonly LiveProcess[]>;
  suspend(process: Pick<ProcessRef, 'pid' | 'startTime'>): SignalOutcome;
  resume(process: Pick<ProcessRef, 'pid' | 'startTime'>): SignalOutcome;
  kill(process: Pick<ProcessRef, 'pid' | 'startTime'>): SignalOutcome;
  /** Whether it still runs (a zombie does not). */
  isAlive(process: Pick<ProcessRef, 'pid' | 'startTime'>): boolean;
  /** Resolves when it has ended, or after the time with false. */
  waitForEnd(process: Pick<ProcessRef, 'pid' | 'startTime'>, timeoutMs: number): Promise<boolean>;
}

/** Which installed package a file belongs to. */
export interface PackageRegistry {
  /** Package name, or undefined when no package owns the file. Resolves symbolic links and merged /usr. */
  ownerOf(path: string): Promise<string | undefined>;
}
