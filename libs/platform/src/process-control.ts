import type { ProcessRef } from '@kuramori/contracts';

/** What identifies a process: pids are reused, the pair of pid and start time is not. */
export type ProcessIdentity = Pick<ProcessRef, 'pid' | 'startTime'>;

/**
 * What the file that runs has to do with the path `exe`, by device and inode: anybody may mount a directory of his own over /usr/sbin in a mount namespace of his
 * own, and then a path says nothing.
 * `unproven`: nothing that is known for certain; it is called so somewhere.
 * `in-place`: it is the file that stands at that path where the first process of the system lives.
 * `root-only`: it is that file, or was until an update replaced it, belongs to root and nobody else may write to it.
 */
export type ExeFile = 'unproven' | 'in-place' | 'root-only';

/** A live process as seen now. */
export interface LiveProcess extends ProcessRef {
  readonly parentPid: number;
  readonly sessionId: number;
  /** Process group. */
  readonly groupId: number;
  /** Real user id. */
  readonly uid: number;
  readonly commandLine: readonly string[];
  readonly exeFile: ExeFile;
  /** By its name and arguments a shell that reads what is typed at its terminal, also while a foreground job of it runs. Worth what `exeFile` says of the name. */
  readonly interactiveShell: boolean;
  /** Process group that its terminal listens to just now; -1 without a terminal. */
  readonly foregroundGroupId: number;
  /** One letter of /proc/PID/stat: R S D T Z … */
  readonly state: string;
  /** Working directory, in path text; absent where it could not be read. */
  readonly cwd?: string;
}

export type SignalOutcome = 'done' | 'gone' | 'denied';

/** What the responder may do to processes. Every action checks the start time through a pidfd first (rules.md 2): a reused pid is `gone`. */
export interface ProcessControl {
  /** First eight characters of the boot id, as in an actor's key; start times of another boot mean nothing now. */
  readonly bootId8: string;
  /** All processes now; kernel threads left out. */
  list(): Promise<readonly LiveProcess[]>;
  suspend(process: ProcessIdentity): SignalOutcome;
  resume(process: ProcessIdentity): SignalOutcome;
  /** Asks it to end the way Ctrl-C does; an interactive shell then gives up the loop that started it. */
  interrupt(process: ProcessIdentity): SignalOutcome;
  /** Whether an interrupt ends it at once, without a word of its own code: it neither handles nor ignores nor blocks it. */
  endsByInterrupt(process: ProcessIdentity): boolean;
  kill(process: ProcessIdentity): SignalOutcome;
  /** Whether it still runs (a zombie does not). */
  isAlive(process: ProcessIdentity): boolean;
  /** Resolves when it has ended, or after the time with false. */
  waitForEnd(process: ProcessIdentity, timeoutMs: number): Promise<boolean>;
}

/** Which installed package a file belongs to. */
export interface PackageRegistry {
  /** Package name, or undefined when no package owns the file. Resolves symbolic links and merged /usr. */
  ownerOf(path: string): Promise<string | undefined>;
}
