/** The sensor's own thread: reads the kernel's queue and names the actor at once; the main thread's work never delays it. */
import { closeSync, openSync, readlinkSync } from 'node:fs';
import type { Actor } from '@kuramori/contracts';
import { OwnProcesses } from '../../own-processes';
import { fsPath, pathFromBytes, pathToBytes } from '../../path-text';
import type { RawEvent } from '../../sensor';
import {
  atCurrentDirectory,
  checked,
  close,
  fanotifyInit,
  fanotifyMark,
  filesystemId,
  openByHandleAt,
  poll,
  read,
  SystemCallError,
  zeroTerminated,
} from '../libc';
import { ProcessConnector } from '../process-events';
import { ProcessTable } from '../process-table';
import { type FanotifyEvent, masks, type NamedEntry, parseFanotifyEvents } from './events';

export interface SensorThreadOptions {
  readonly roots: readonly string[];
  readonly ignore: readonly string[];
  readonly dataDir: string;
}

/** One event with its actor's key; a new actor is sent once before. */
export type SentEvent = Omit<RawEvent, 'actor'> & { readonly actor: string };

export interface SensorMessage {
  readonly actors: readonly Actor[];
  readonly events: readonly SentEvent[];
  readonly overflow: boolean;
  readonly seen: number;
  readonly ignored: number;
  readonly unresolved: number;
  readonly connector: boolean;
}

const classNotification = 0;
const reportNames = 0x1e00; // FAN_REPORT_DFID_NAME_TARGET
const initFlags = classNotification | reportNames | 0x20 | 0x10 | 0x2 | 0x1; // unlimited marks, unlimited queue, non-blocking, close on exec
const markAddFilesystem = 0x1 | 0x100;
const interest = masks.modify | masks.attrib | masks.closeWrite | masks.create | masks.delete | masks.rename | masks.onDirectory | masks.onChild;
const openPathOnly = 0o10_000_000 | 0o2_000_000; // O_PATH | O_CLOEXEC
const readBytes = 256 * 1024;
/** Directories whose path is remembered; about 30 MB at the bound. */
const directoryLimit = 100_000;
/** Also the time in which a wish to settle or stop is seen. */
const pollMs = 20;
/** Actors already sent that are remembered; one sent twice does no harm. */
const sentActorLimit = 50_000;

export class SensorThread {
  private readonly group: number;
  private readonly connector: ProcessConnector | undefined;
  private readonly table: ProcessTable;
  private readonly mounts = new Map<string, number>();
  private readonly directories = new Map<string, string | undefined>();
  private readonly sentActors = new Set<string>();
  private readonly buffer = Buffer.alloc(readBytes);
  private readonly pollFds: Buffer;
  private seen = 0;
  private ignored = 0;

  /** @throws SystemCallError where fanotify with names is not to be had */
  constructor(private readonly options: SensorThreadOptions) {
    // The connector first: who starts between both is then in the table.
    let connector: ProcessConnector | undefined;
    try {
      connector = ProcessConnector.open();
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
    }
    this.connector = connector;
    this.table = new ProcessTable(new OwnProcesses(options.dataDir));
    this.group = checked('fanotify_init', fanotifyInit(initFlags, 0));
    for (const root of options.roots) {
      const bytes = pathToBytes(root);
      checked(`fanotify_mark(${root})`, fanotifyMark(this.group, markAddFilesystem, interest, atCurrentDirectory, zeroTerminated(bytes)));
      const id = filesystemId(bytes);
      if (!this.mounts.has(id)) this.mounts.set(id, openSync(fsPath(root), 'r'));
    }
    this.pollFds = Buffer.alloc(16);
    this.pollFds.writeInt32LE(this.group, 0);
    this.pollFds.writeInt16LE(1, 4);
    this.pollFds.writeInt32LE(this.connector?.fd ?? -1, 8);
    this.pollFds.writeInt16LE(1, 12);
  }

  get hasConnector(): boolean {
    return this.connector !== undefined;
  }

  /** Reads until `stopped` says so; hands on what each read brought. */
  run(
    stopped: () => boolean,
    send: (message: SensorMessage) => void,
    settle: { readonly wanted: () => number; readonly done: (wish: number) => void },
  ): void {
    let settled = 0;
    while (!stopped()) {
      // Taken before the look: what happened before the wish is then in the queue or has been read.
      const wish = settle.wanted();
      const ready = poll(this.pollFds, 2, wish === settled ? pollMs : 0);
      if (ready <= 0 || (this.pollFds.readInt16LE(6) & 1) === 0) {
        if (ready > 0) this.drainProcesses();
        if (wish !== settled) {
          settled = wish;
          settle.done(wish);
        }
        continue;
      }
      this.drainProcesses();
      const length = Number(read(this.group, this.buffer, this.buffer.length));
      if (length <= 0) continue;
      // A process forked between the two reads must be known before its event is named.
      this.drainProcesses();
      this.handle(parseFanotifyEvents(this.buffer, length), send);
    }
    close(this.group);
    this.connector?.close();
    for (const fd of this.mounts.values()) closeSync(fd);
  }

  private drainProcesses(): void {
    this.connector?.drain(
      (event) => this.table.apply(event),
      // Whoever was missed is read from /proc when it does something.
      () => undefined,
    );
  }

  private handle(parsed: readonly FanotifyEvent[], send: (message: SensorMessage) => void): void {
    const atMs = performance.timeOrigin + performance.now();
    const events: SentEvent[] = [];
    const actors: Actor[] = [];
    let overflow = false;
    for (const event of parsed) {
      this.seen += 1;
      if ((event.mask & masks.queueOverflow) !== 0n) {
        overflow = true;
        continue;
      }
      const located = this.locate(event);
      if (located === undefined) {
        this.ignored += 1;
        continue;
      }
      const actor = this.table.actorOf(event.pid);
      if (!this.sentActors.has(actor.key)) {
        if (this.sentActors.size >= sentActorLimit) this.sentActors.clear();
        this.sentActors.add(actor.key);
        actors.push(actor);
      }
      events.push({ atMs, actor: actor.key, ...located });
    }
    if (events.length > 0 || overflow) {
      send({
        actors,
        events,
        overflow,
        seen: this.seen,
        ignored: this.ignored,
        unresolved: this.table.unresolved,
        connector: this.connector !== undefined,
      });
    }
  }

  private locate(event: FanotifyEvent): Omit<SentEvent, 'atMs' | 'actor'> | undefined {
    const { mask } = event;
    const has = (bit: bigint) => (mask & bit) !== 0n;
    const path = this.pathOf(event.entry);
    const oldPath = this.pathOf(event.oldEntry);
    const directory = has(masks.onDirectory);
    // From here on the handles below it have another path.
    if (directory && has(masks.rename)) this.directories.clear();
    if (path === undefined && oldPath === undefined) return undefined;
    const base = {
      kind: directory ? ('directory' as const) : ('file' as const),
      created: has(masks.create),
      modified: has(masks.modify),
      closedAfterWrite: has(masks.closeWrite),
      deleted: has(masks.delete),
      renamed: false,
      metadata: has(masks.attrib),
    };
    if (has(masks.rename)) {
      // Moved out of the roots: for the roots it is gone.
      if (path === undefined) return { ...base, path: oldPath ?? '', deleted: true };
      return { ...base, path, renamed: true, ...(oldPath === undefined ? {} : { oldPath }) };
    }
    return path === undefined ? undefined : { ...base, path };
  }

  /** The entry's path when it lies below a root and not in an ignored directory. */
  private pathOf(entry: NamedEntry | undefined): string | undefined {
    if (entry === undefined) return undefined;
    const directory = this.directoryOf(entry);
    if (directory === undefined) return undefined;
    const name = pathFromBytes(entry.name);
    return name === '.' ? directory : `${directory}/${name}`;
  }

  /** The directory's path when it is a root or below one, else undefined. */
  private directoryOf({ filesystem, directory }: NamedEntry): string | undefined {
    const key = filesystem + directory.toString('latin1');
    if (this.directories.has(key)) return this.directories.get(key);
    const mount = this.mounts.get(filesystem);
    if (mount === undefined) return undefined;
    const fd = openByHandleAt(mount, directory, openPathOnly);
    // Deleted since, with everything in it: its own deletion is reported by its parent.
    if (fd < 0) return undefined;
    let found: string | undefined;
    try {
      const path = pathFromBytes(readlinkSync(`/proc/self/fd/${fd}`, { encoding: 'buffer' }));
      found = this.isWatched(path) ? path : undefined;
    } finally {
      close(fd);
    }
    if (this.directories.size >= directoryLimit) this.directories.clear();
    this.directories.set(key, found);
    return found;
  }

  private isWatched(directory: string): boolean {
    const below = (top: string) => directory === top || directory.startsWith(`${top}/`);
    return this.options.roots.some(below) && !this.options.ignore.some(below);
  }
}
