/** What the kernel says of renames only between the lines. Pure. */
import { type FanotifyEvent, type FileHandle, handleKey, masks, type NamedEntry } from './events';

interface Rename {
  readonly from: string;
  readonly to: string;
  readonly object: string;
}

/** Processes whose last event was a rename. The two halves of an exchange come within microseconds: who is forgotten at the bound costs nothing. */
const processLimit = 1000;
/** Files renamed since the queue was empty that are remembered. */
export const objectLimit = 20_000;

/**
 * - An exchange of two names (renameat2 with RENAME_EXCHANGE) comes as two renames, each over the other's place, as if the first one destroyed what the second one moves.
 * - Renames of one file between the same two names by one process are one event while they wait in the queue: there, back and there again reads as there and back.
 */
export class Renames {
  private readonly last = new Map<number, Rename>();
  private readonly placesOf = new Map<string, Set<string>>();
  private readonly returned = new Map<string, FileHandle>();

  /** To be told of every event in order. @returns whether it is the second half of an exchange */
  note({ mask, pid, entry, oldEntry, object }: FanotifyEvent): boolean {
    const before = this.last.get(pid);
    this.last.delete(pid);
    if ((mask & masks.rename) === 0n || entry === undefined || oldEntry === undefined || object === undefined) return false;
    const rename = { from: placeKey(oldEntry), to: placeKey(entry), object: handleKey(object) };
    if (before?.from === rename.to && before.to === rename.from && before.object !== rename.object) return true;
    if (this.last.size >= processLimit) this.last.clear();
    this.last.set(pid, rename);
    this.follow(rename, object);
    return false;
  }

  /** Files that came back to a name they had while nobody looked: where they are now must be seen. Begins anew. */
  takeReturned(): FileHandle[] {
    this.placesOf.clear();
    const returned = [...this.returned.values()];
    this.returned.clear();
    return returned;
  }

  private follow({ from, to, object }: Rename, handle: FileHandle): void {
    const places = this.placesOf.get(object) ?? new Set();
    if (places.has(to)) this.returned.set(object, handle);
    places.add(from);
    if (this.placesOf.size >= objectLimit) this.placesOf.clear();
    this.placesOf.set(object, places);
  }
}

function placeKey({ directory, name }: NamedEntry): string {
  return `${handleKey(directory)}\0${name.toString('latin1')}`;
}
