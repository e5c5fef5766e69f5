import type { Actor, EntryKind, FileStat } from '@kuramori/contracts';

/**
 * One thing the system said, in the order it happened, already with its actor (rules.md 1: resolve first, coalesce later).
 * Merged kernel events (create+modify+close of one object by one process) arrive as one RawEvent with several flags.
 */
export interface RawEvent {
  /** Milliseconds since the epoch when the event was read. */
  readonly atMs: number;
  readonly kind: EntryKind;
  /** Path in path-text form. For `renamed` the new path. */
  readonly path: string;
  /**
   * For `renamed` when both ends are below a root. A file moved in from outside has none and shows as `renamed` with oldPath absent; so does the second one of two files
   * that exchange their names, since the first one's rename tells already that its place was taken.
   */
  readonly oldPath?: string;
  readonly created: boolean;
  readonly modified: boolean;
  readonly closedAfterWrite: boolean;
  readonly deleted: boolean;
  /** A rename: path ← oldPath. A file moved out of the roots is `deleted`. */
  readonly renamed: boolean;
  /** chmod, chown, times, links. */
  readonly metadata: boolean;
  readonly actor: Actor;
  /** Device and inode of the object where the kernel told them. */
  readonly object?: Pick<FileStat, 'dev' | 'ino'>;
}

export interface SensorListener {
  /** Called synchronously with what one read brought; the listener must not block. */
  events(events: readonly RawEvent[]): void;
  /**
   * Events were lost (queue overflow, a watch that failed, the root itself renamed or removed): everything below `root` must be compared with the catalogue. Also called
   * for what can't be seen at all, and again when a sensor that broke off works again.
   */
  lost(root: string, reason: string): void;
}

export interface SensorFigures {
  readonly eventsSeen: number;
  readonly eventsIgnored: number;
  readonly overflows: number;
  readonly unresolvedActors: number;
}

/**
 * Sees what happens to files below the roots. One instance is started once. Events come in the order in which it happened, at least for each path.
 * The suite of its promises is sensor.contract.ts.
 */
export interface FileSensor {
  readonly name: 'fanotify' | 'chokidar' | 'memory';
  /** Whether events carry the process that caused them. */
  readonly knowsActors: boolean;
  /** After the start: what this system keeps from it, for people. Absent when nothing. */
  readonly limitation?: string | undefined;
  /**
   * Resolves when nothing that happens from now on is missed. `ignore` directories and what happens below them are not reported. Roots and ignored directories are
   * absolute, without links, in path-text form.
   * @throws SensorUnavailableError when this system can't do it, a root is not there, or it was stopped meanwhile: with what is missing
   */
  start(roots: readonly string[], ignore: readonly string[], listener: SensorListener): Promise<void>;
  figures(): SensorFigures;
  /** Resolves when everything that happened before the call has been handed to the listener, or the time is out. Absent where the sensor can't know. */
  settle?(timeoutMs: number): Promise<void>;
  /** Idempotent, also before the start and during it; no event is delivered after it resolved. */
  stop(): Promise<void>;
}

export class SensorUnavailableError extends Error {
  override readonly name = 'SensorUnavailableError';
}
