/**
 * Where something happened, by the paths of that moment. The kernel tells a directory's path as it is now, when events that waited in the queue are read: what they say of
 * renames and removals since then is taken back.
 */
import { pathFromBytes } from '../../path-text';
import type { Scope } from '../../scope';
import { isAtOrBelow } from '../../scope';
import { type FanotifyEvent, type FileHandle, handleKey, masks, type NamedEntry } from './events';
import type { Handles } from './handles';

interface Directory {
  readonly path: string;
  readonly inScope: boolean;
}

/** A directory's rename that has been read. */
interface Move {
  readonly event: FanotifyEvent;
  paths?: { readonly from: string | undefined; readonly to: string | undefined };
}

/** A directory's removal that has been read. */
interface Removal {
  readonly entry: NamedEntry;
  /** Renames that happened before it, of all that were ever read. */
  readonly at: number;
}

/** Directories whose path is remembered; about 30 MB at the bound. */
const directoryLimit = 100_000;
/** Renames of directories that wait at once and are taken back. Their number goes squared into the time; beyond it paths are those of now. */
const moveLimit = 1000;
/** Removals remembered until nothing waits any more; about 30 MB. */
const removalLimit = 100_000;
/** Removed directories in each other; PATH_MAX allows no more. */
const depthLimit = 2048;
/** Looks until no rename comes between two of them. */
const lookLimit = 10;

export class Places {
  /** As of the event at hand. */
  private readonly directories = new Map<string, Directory>();
  /** Read, but not passed yet; the first one is number {@link passed}. */
  private readonly moves: Move[] = [];
  private passed = 0;
  private readonly removals = new Map<string, Removal>();
  /** More happened at once than can be followed: paths may be told wrong. */
  lostTrack = false;

  constructor(
    private readonly scope: Scope,
    private readonly handles: Pick<Handles, 'pathOfDirectory'>,
    /** Reads and {@link learn}s what waits in the queue. */
    private readonly readAhead: () => void,
  ) {}

  /** To be told of every event as soon as it is read. */
  learn(events: readonly FanotifyEvent[]): void {
    if (this.removals.size >= removalLimit) {
      this.removals.clear();
      this.lostTrack = true;
    }
    for (const event of events) {
      if (isMove(event)) this.moves.push({ event });
      else if (
        (event.mask & masks.delete) !== 0n &&
        (event.mask & masks.onDirectory) !== 0n &&
        event.entry !== undefined &&
        event.object !== undefined
      )
        this.removals.set(handleKey(event.object), { entry: event.entry, at: this.total });
    }
  }

  /** To be told of every event after it was placed: from here on paths are others. */
  pass(event: FanotifyEvent): void {
    if (!isMove(event)) return;
    this.directories.clear();
    this.moves.shift();
    this.passed += 1;
  }

  /** Everything that was learned of has been passed. */
  rest(): void {
    this.removals.clear();
  }

  /** The entry's path when it lies in the scope. */
  pathOf(entry: NamedEntry | undefined): string | undefined {
    if (entry === undefined) return undefined;
    const directory = this.directoryOf(entry.directory);
    if (directory?.inScope !== true) return undefined;
    const path = join(directory.path, entry.name);
    return this.scope.has(path) ? path : undefined;
  }

  /** The entry's path wherever it lies, when it can be told. */
  anyPathOf(entry: NamedEntry | undefined): string | undefined {
    const directory = entry === undefined ? undefined : this.directoryOf(entry.directory);
    return entry === undefined || directory === undefined ? undefined : join(directory.path, entry.name);
  }

  private get total(): number {
    return this.passed + this.moves.length;
  }

  private directoryOf(directory: FileHandle): Directory | undefined {
    const key = handleKey(directory);
    const known = this.directories.get(key);
    if (known !== undefined) return known;
    const path = this.pathAt(directory, this.passed, 0);
    if (path === undefined) return undefined;
    const found = { path, inScope: this.scope.has(path) };
    if (this.directories.size >= directoryLimit) this.directories.clear();
    this.directories.set(key, found);
    return found;
  }

  /** A directory's path after so many renames. */
  private pathAt(directory: FileHandle, at: number, depth: number): string | undefined {
    const now = this.pathNow(directory);
    if (now !== undefined) return this.takeBack(now, this.total, at);
    const removal = this.removals.get(handleKey(directory));
    if (removal === undefined || depth >= depthLimit) return undefined;
    // The kernel may tell of the end together with the beginning; who asks knows that it was there.
    const removedAt = Math.max(removal.at, at);
    const parent = this.pathAt(removal.entry.directory, removedAt, depth + 1);
    return parent === undefined ? undefined : this.takeBack(join(parent, removal.entry.name), removedAt, at);
  }

  /** Every rename that shows in this path has been read; undefined when the directory was removed, and then that has. */
  private pathNow(directory: FileHandle): string | undefined {
    for (let looks = 1; ; looks += 1) {
      const path = this.handles.pathOfDirectory(directory);
      const known = this.total;
      this.readAhead();
      if (this.total === known || looks === lookLimit) return path;
    }
  }

  private takeBack(path: string, from: number, to: number): string {
    if (from - to > moveLimit) {
      this.lostTrack = true;
      return path;
    }
    let before = path;
    for (let number = from - 1; number >= Math.max(to, this.passed); number -= 1) {
      const moved = this.movedPaths(number);
      if (moved?.from !== undefined && moved.to !== undefined && isAtOrBelow(before, moved.to)) before = moved.from + before.slice(moved.to.length);
    }
    return before;
  }

  private movedPaths(number: number): Move['paths'] {
    const move = this.moves[number - this.passed];
    if (move !== undefined && move.paths === undefined) {
      const { entry, oldEntry } = move.event;
      move.paths = { from: this.entryAt(oldEntry, number + 1), to: this.entryAt(entry, number + 1) };
    }
    return move?.paths;
  }

  private entryAt(entry: NamedEntry | undefined, at: number): string | undefined {
    const parent = entry === undefined ? undefined : this.pathAt(entry.directory, at, 0);
    return entry === undefined || parent === undefined ? undefined : join(parent, entry.name);
  }
}

function isMove({ mask }: FanotifyEvent): boolean {
  return (mask & masks.rename) !== 0n && (mask & masks.onDirectory) !== 0n;
}

function join(directory: string, name: Buffer): string {
  const text = pathFromBytes(name);
  // What happens to a directory itself is told as its entry `.`.
  if (text === '.') return directory;
  return directory.endsWith('/') ? directory + text : `${directory}/${text}`;
}
