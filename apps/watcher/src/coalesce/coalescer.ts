/** Raw events → facts-to-be. Pure: time is handed in. */
import type { Actor, EntryKind, FileOperation } from '@kuramori/contracts';
import type { RawEvent } from '@kuramori/platform';

/** A fact without what is on the disk: that is sampled next. */
export interface Change {
  readonly atMs: number;
  readonly operation: FileOperation;
  readonly kind: EntryKind;
  readonly path: string;
  readonly oldPath?: string;
  readonly written: boolean;
  readonly actor: Actor;
  /** Only what stands on the disk can say whether it happened: nothing there, nothing to tell. */
  readonly onlyIfThere?: true;
}

interface Open {
  readonly actor: Actor;
  readonly path: string;
  created: boolean;
  modified: boolean;
  /** Of what is not told yet. */
  firstAtMs: number;
  /** When it is told although nobody closed it. */
  dueMs: number;
}

/** A writer that doesn't close (mmap, a database, a hiding attacker) is told after this long … */
const firstReportMs = 25;
/** … and then at most this often while it goes on. */
const repeatReportMs = 1000;
/** Files open at once; at the bound the oldest is told early, none is dropped. */
const openLimit = 20_000;

/**
 * Merges what one actor does to one path until it closes the file. Order of facts on one path is the order of events; actors never mix; a file that is
 * created and deleted before anything was told leaves nothing.
 */
export class Coalescer {
  private readonly open = new Map<string, Open>();
  private readonly writers = new Map<string, Set<Open>>();

  /** What these events settle, in order. */
  add(events: readonly RawEvent[], nowMs: number): Change[] {
    const changes: Change[] = [];
    for (const event of events) this.take(event, nowMs, changes);
    while (this.open.size > openLimit) {
      const oldest = this.open.values().next();
      if (oldest.done === true) break;
      this.tell(oldest.value, nowMs, changes, true);
    }
    return changes;
  }

  /** What has been open for too long. Call every few milliseconds while {@link size} is not 0. */
  due(nowMs: number): Change[] {
    const changes: Change[] = [];
    for (const open of [...this.open.values()]) if (open.dueMs <= nowMs) this.tell(open, nowMs, changes, false);
    return changes;
  }

  /** Everything that is open, told now. */
  flush(nowMs: number): Change[] {
    const changes: Change[] = [];
    for (const open of [...this.open.values()]) this.tell(open, nowMs, changes, false);
    return changes;
  }

  get size(): number {
    return this.open.size;
  }

  private take(event: RawEvent, nowMs: number, changes: Change[]): void {
    const base = { atMs: event.atMs, kind: event.kind, actor: event.actor, written: false };
    if (event.renamed) {
      this.replace(event.path, nowMs, changes);
      if (event.oldPath === undefined) {
        changes.push({ ...base, operation: 'created', path: event.path, written: event.kind === 'file' });
        return;
      }
      changes.push({ ...base, operation: 'renamed', path: event.path, oldPath: event.oldPath });
      this.move(event.oldPath, event.path, event.kind);
      // The same read may hold the write as well.
      if (event.closedAfterWrite || event.modified) changes.push({ ...base, operation: 'modified', path: event.path, written: true });
      return;
    }
    if (event.deleted) {
      const open = this.openOn(event.path);
      for (const each of open) this.forget(each);
      if (event.created) {
        // The kernel merges what one process does to one name, without the order: made and deleted again, or (safe-saving, an attacker) deleted and made again.
        const written = event.modified || event.closedAfterWrite;
        changes.push({ ...base, operation: 'created', path: event.path, written, onlyIfThere: true });
      } else if (!open.some(({ created }) => created)) changes.push({ ...base, operation: 'deleted', path: event.path });
      return;
    }
    if (event.kind === 'directory') {
      if (event.created) changes.push({ ...base, operation: 'created', path: event.path });
      else if (event.metadata) changes.push({ ...base, operation: 'metadata', path: event.path });
      return;
    }
    if (event.created || event.modified || event.closedAfterWrite) this.write(event, nowMs, changes);
    else if (event.metadata && this.openOn(event.path).length === 0) changes.push({ ...base, operation: 'metadata', path: event.path });
  }

  private write(event: RawEvent, nowMs: number, changes: Change[]): void {
    const key = keyOf(event.path, event.actor);
    const known = this.open.get(key);
    const open: Open = known ?? {
      actor: event.actor,
      path: event.path,
      created: false,
      modified: false,
      firstAtMs: event.atMs,
      dueMs: nowMs + firstReportMs,
    };
    // All before is told: what comes now begins now, however long the file has been open.
    if (!open.created && !open.modified) open.firstAtMs = event.atMs;
    open.created ||= event.created;
    open.modified ||= event.modified;
    if (known === undefined) this.keep(open);
    if (event.closedAfterWrite) {
      // A close without any other sign: memory maps write so.
      open.modified = true;
      this.tell(open, nowMs, changes, true);
    }
  }

  private tell(open: Open, nowMs: number, changes: Change[], closed: boolean): void {
    if (open.created || open.modified) {
      changes.push({
        atMs: open.firstAtMs,
        operation: open.created ? 'created' : 'modified',
        kind: 'file',
        path: open.path,
        actor: open.actor,
        written: open.modified,
      });
    }
    if (closed || !open.modified) this.forget(open);
    else {
      // Still open: another modification within the pause is told after it; without one it is forgotten then.
      open.created = false;
      open.modified = false;
      open.dueMs = nowMs + repeatReportMs;
    }
  }

  /** Another file takes this name: what was written to the one before is told, and nobody writes to it under this name any more. */
  private replace(path: string, nowMs: number, changes: Change[]): void {
    for (const open of this.openOn(path)) {
      if (open.created) this.forget(open);
      else this.tell(open, nowMs, changes, true);
    }
  }

  /** Whoever still writes goes on writing under the new name. */
  private move(from: string, to: string, kind: EntryKind): void {
    for (const open of this.openOn(from)) {
      this.forget(open);
      // The rename tells that it is there.
      this.keep({ ...open, path: to, created: false, modified: open.modified || open.created });
    }
    if (kind !== 'directory') return;
    for (const open of [...this.open.values()]) {
      if (!open.path.startsWith(`${from}/`)) continue;
      this.forget(open);
      this.keep({ ...open, path: to + open.path.slice(from.length) });
    }
  }

  /** Writers of one path. The list is short: a storm has many paths, not many writers of one. */
  private openOn(path: string): Open[] {
    return [...(this.writers.get(path) ?? [])];
  }

  private keep(open: Open): void {
    const before = this.open.get(keyOf(open.path, open.actor));
    if (before !== undefined) this.forget(before);
    this.open.set(keyOf(open.path, open.actor), open);
    const writers = this.writers.get(open.path);
    if (writers === undefined) this.writers.set(open.path, new Set([open]));
    else writers.add(open);
  }

  private forget(open: Open): void {
    this.open.delete(keyOf(open.path, open.actor));
    const writers = this.writers.get(open.path);
    writers?.delete(open);
    if (writers?.size === 0) this.writers.delete(open.path);
  }
}

function keyOf(path: string, actor: Actor): string {
  return `${path}\0${actor.key}`;
}
