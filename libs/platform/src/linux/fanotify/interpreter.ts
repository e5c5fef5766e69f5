/** From the kernel's events to what happened below the roots. */
import { lstatSync } from 'node:fs';
import { fsPath } from '../../path-text';
import type { RawEvent } from '../../sensor';
import type { Scope } from '../../scope';
import { type FanotifyEvent, type FileHandle, handleKey, masks } from './events';
import type { Handles } from './handles';
import type { Places } from './places';
import { objectLimit, Renames } from './renames';

/** An event without time and actor. */
export type Located = Omit<RawEvent, 'atMs' | 'actor' | 'oldPath'> & { oldPath?: string };

export interface Interpreted {
  readonly event: Located;
  readonly pid: number;
}

const writes = masks.modify | masks.closeWrite;
const entries = masks.create | masks.delete | masks.rename;
/** What the kernel calls a file that was opened with O_TMPFILE. */
const unnamedName = /^#\d+$/u;
/** Open files without a name; one that is forgotten at the bound appears as created without content when it gets its name. */
const unnamedLimit = 10_000;

export class Interpreter {
  private readonly renames = new Renames();
  /** Where each renamed file was last told to be, while {@link renames} follows it. */
  private readonly renamedTo = new Map<string, Interpreted>();
  /** Written, but without a name so far. */
  private readonly unnamed = new Set<string>();
  /** Why something that happened could not be told; the reader takes it away. */
  lostTrack: string | undefined;

  constructor(
    private readonly places: Places,
    private readonly handles: Handles,
    private readonly scope: Scope,
  ) {}

  /** What the event says of files in the scope. To be asked about every event once, in order. */
  read(event: FanotifyEvent): Located | undefined {
    const located = this.locate(event);
    this.places.pass(event);
    if (located?.renamed === true && event.object !== undefined) {
      if (this.renamedTo.size >= objectLimit) this.renamedTo.clear();
      this.renamedTo.set(handleKey(event.object), { event: located, pid: event.pid });
    }
    return located;
  }

  /** With a root, or a directory above it, everything below changes its name; what happens there meanwhile has no path in the roots. To be asked before {@link read}. */
  movedRoots({ mask, entry, oldEntry }: FanotifyEvent): string[] {
    if ((mask & masks.onDirectory) === 0n || (mask & entries) === 0n) return [];
    const paths = [oldEntry, entry].map((place) => this.places.anyPathOf(place));
    return [...new Set(paths.flatMap((path) => (path === undefined ? [] : this.scope.rootsIn(path))))];
  }

  /**
   * When nothing waits any more: what the kernel told together with an earlier event of the same file, seen by where the file is now. Where another one has taken its
   * place meanwhile the order can't be told any more: then it counts as lost.
   */
  mergedAway(): Interpreted[] {
    const found = this.renames.takeReturned().flatMap((object) => {
      const told = this.renamedTo.get(handleKey(object));
      return told === undefined ? [] : this.since(told, object);
    });
    this.renamedTo.clear();
    return found;
  }

  private since({ event, pid }: Interpreted, object: FileHandle): Interpreted[] {
    const now = this.handles.find(object);
    if (now.state === 'unknown' || (now.state === 'named' && (now.hasOtherNames || now.path === event.path))) return [];
    if (lstatSync(fsPath(event.path), { throwIfNoEntry: false }) !== undefined) {
      // Of a file that is gone: whatever stands there now was moved over it.
      if (now.state === 'named') this.lostTrack = 'files changed places more often than the kernel tells';
      return [];
    }
    const rest = { ...event };
    delete rest.oldPath;
    if (now.state === 'gone' || !this.scope.has(now.path)) return [{ pid, event: { ...rest, renamed: false, deleted: true } }];
    return [{ pid, event: { ...rest, path: now.path, oldPath: event.path } }];
  }

  private locate(event: FanotifyEvent): Located | undefined {
    const has = (bit: bigint) => (event.mask & bit) !== 0n;
    const path = this.pathOf(event);
    const oldPath = this.places.pathOf(event.oldEntry);
    const isDirectory = has(masks.onDirectory);
    const isSecondHalf = this.renames.note(event);
    const gotItsName = has(masks.create) && event.object !== undefined && this.unnamed.delete(handleKey(event.object));
    const base = {
      kind: isDirectory ? ('directory' as const) : ('file' as const),
      created: has(masks.create),
      modified: has(masks.modify) || gotItsName,
      closedAfterWrite: has(masks.closeWrite) || gotItsName,
      deleted: has(masks.delete),
      renamed: false,
      metadata: has(masks.attrib),
    };
    if (!has(masks.rename)) return path === undefined ? undefined : { ...base, path };
    // The first half has told of this place already: another thing stands there now.
    if (isSecondHalf) return path === undefined ? undefined : { ...base, path, renamed: true };
    // Moved out of the roots: for the roots it is gone.
    if (path === undefined) return oldPath === undefined ? undefined : { ...base, path: oldPath, deleted: true };
    return { ...base, path, renamed: true, ...(oldPath === undefined ? {} : { oldPath }) };
  }

  private pathOf({ mask, entry, object }: FanotifyEvent): string | undefined {
    const isEntry = (mask & entries) !== 0n;
    if (isEntry || object === undefined || (entry !== undefined && !unnamedName.test(entry.name.toString('latin1'))))
      return this.places.pathOf(entry);
    return (mask & writes) === 0n ? undefined : this.pathOfWritten(object);
  }

  /** Something that was opened without a name, or by its handle. */
  private pathOfWritten(object: FileHandle): string | undefined {
    const found = this.handles.find(object);
    if (found.state === 'named') return this.scope.has(found.path) ? found.path : undefined;
    // The kernel itself knows no path: as an NFS server opens files after its start.
    if (found.state === 'unknown') this.lostTrack = 'a file was written that was opened without its path';
    else {
      if (this.unnamed.size >= unnamedLimit) this.unnamed.clear();
      this.unnamed.add(handleKey(object));
    }
    return undefined;
  }
}
