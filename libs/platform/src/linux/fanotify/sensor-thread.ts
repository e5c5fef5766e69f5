/** The sensor's own thread: reads the kernel's queue and names the actor at once; the main thread's work never delays it. */
import type { Actor } from '@kuramori/contracts';
import { OwnProcesses } from '../../own-processes';
import { isAtOrBelow, Scope } from '../../scope';
import type { RawEvent, SensorFigures } from '../../sensor';
import { spoolAtMountOf } from '../guard/spool';
import { poll, runBeforeOthers, SystemCallError } from '../libc';
import { readMounts } from '../mounts';
import { ProcessConnector } from '../process-events';
import { ProcessTable } from '../process-table';
import { type FanotifyEvent, masks } from './events';
import { type Interpreted, Interpreter } from './interpreter';
import { Handles } from './handles';
import { Places } from './places';
import { FanotifyQueue } from './queue';

export interface SensorThreadOptions {
  readonly roots: readonly string[];
  readonly ignore: readonly string[];
  readonly dataDir: string;
}

/** One event with the number of its actor, who is sent once before. */
export type SentEvent = Omit<RawEvent, 'actor'> & { readonly actor: number };

export interface Loss {
  readonly root: string;
  readonly reason: string;
}

export interface SensorMessage {
  readonly actors: readonly (readonly [number: number, actor: Actor])[];
  readonly events: readonly SentEvent[];
  readonly losses: readonly Loss[];
  readonly figures: SensorFigures;
}

/** How the thread is told to settle, and tells that it has. */
export interface SettleWishes {
  wanted(): number;
  done(wish: number, figures: SensorFigures): void;
}

const changes = masks.modify | masks.attrib | masks.closeWrite | masks.create | masks.delete | masks.rename;
const interest = changes | masks.openToExecute | masks.onDirectory | masks.onChild;
/** Events read before their turn, to learn what happened to directories meanwhile. About 50 MB; beyond it paths are those of now. */
const aheadLimit = 50_000;
/** Events handled between two looks at the processes: who is born must be seen before it ends. */
const batchEvents = 2000;
/** Between two reads while much happens: a read for every single event would take half a processor, and slow down whoever works on the share. */
const pauseMs = 1;
/** Also the time in which a wish to settle or stop is seen. */
const pollMs = 20;
const pollIn = 0x1;
const pollErrorHangUpInvalid = 0x8 | 0x10 | 0x20;
/** Actors already sent that are remembered; one sent twice does no harm. */
export const sentActorLimit = 50_000;
/** Files whose path can't be told are reported as a loss this often at most: the comparison that follows looks every file up, and so makes it known. */
const lostTrackPauseMs = 10_000;

export class SensorThread {
  private readonly scope: Scope;
  private readonly connector: ProcessConnector | undefined;
  private readonly table: ProcessTable;
  private readonly handles = new Handles();
  private readonly places: Places;
  private readonly interpreter: Interpreter;
  private readonly queue: FanotifyQueue;
  private readonly actorNumbers = new Map<Actor, number>();
  private readonly pollFds = Buffer.alloc(16);
  private readonly connectorPollFd = this.pollFds.subarray(8);
  private readAtMs = Number.NEGATIVE_INFINITY;
  /** Read already, not handled yet. */
  private readonly ahead: FanotifyEvent[] = [];
  /** Events since the start. */
  private read = 0;
  private handled = 0;
  private nextActorNumber = 0;
  private lostTrackToldAtMs = Number.NEGATIVE_INFINITY;
  private seen = 0;
  private ignored = 0;
  private overflows = 0;
  /** Mounts below a root that can't be watched; to be told once. */
  private unwatched: Loss[] = [];

  /** @throws SystemCallError where fanotify with names is not to be had */
  constructor(private readonly options: SensorThreadOptions) {
    // Copies that the guard makes are Kuramori's own, also where their place is inside a root.
    this.scope = new Scope(options.roots, [...options.ignore, ...options.roots.map(spoolAtMountOf)]);
    this.places = new Places(this.scope, this.handles, () => this.readAhead());
    this.interpreter = new Interpreter(this.places, this.handles, this.scope);
    // The connector first: who starts between both is then in the table.
    this.connector = openConnector();
    let queue: FanotifyQueue | undefined;
    try {
      this.table = new ProcessTable(new OwnProcesses(options.dataDir));
      this.queue = queue = new FanotifyQueue();
      for (const root of options.roots) this.watch(root, interest);
      this.watchMountsWithin();
      this.watchPrograms();
    } catch (error) {
      // Descriptors outlive the thread, and a queue that nobody reads grows without end.
      queue?.close();
      this.handles.close();
      this.connector?.close();
      throw error;
    }
    this.pollFds.writeInt32LE(this.queue.fd, 0);
    this.pollFds.writeInt16LE(pollIn, 4);
    this.pollFds.writeInt32LE(this.connector?.fd ?? -1, 8);
    this.pollFds.writeInt16LE(pollIn, 12);
    // Who lives for a millisecond is named only by a reader that is quicker.
    runBeforeOthers();
  }

  get hasConnector(): boolean {
    return this.connector !== undefined;
  }

  /**
   * Reads until `stopped` says so; hands on what each read brought. Closes everything.
   * @throws SystemCallError when the kernel doesn't let it read any more
   */
  run(stopped: () => boolean, send: (message: SensorMessage) => void, settle: SettleWishes): void {
    try {
      let settled = 0;
      let pending: { readonly wish: number; readonly afterEvents: number } | undefined;
      while (!stopped()) {
        const wish = settle.wanted();
        if (wish !== settled && pending === undefined) {
          this.readAhead();
          // What happened before the wish has been read now, however much happens meanwhile.
          if (this.queue.isEmpty) pending = { wish, afterEvents: this.read };
        }
        this.handle(this.next(wish === settled ? pollMs : 0), send);
        if (pending !== undefined && this.handled >= pending.afterEvents) {
          settled = pending.wish;
          pending = undefined;
          settle.done(settled, this.figures());
        }
      }
    } finally {
      this.queue.close();
      this.connector?.close();
      this.handles.close();
    }
  }

  private figures(): SensorFigures {
    return { eventsSeen: this.seen, eventsIgnored: this.ignored, overflows: this.overflows, unresolvedActors: this.table.unresolved };
  }

  private isAtRest(): boolean {
    return this.queue.isEmpty && this.ahead.length === 0;
  }

  private watch(directory: string, mask: bigint): void {
    this.queue.watchFilesystem(directory, mask);
    this.handles.addMount(directory);
  }

  /** Which programs are begun from the system's own filesystem, and nothing else there: names processes that have ended before /proc could be read. */
  private watchPrograms(): void {
    try {
      this.watch('/', masks.openToExecute);
    } catch (error) {
      // An overlay of a container, for example: those processes stay without a program, and are counted.
      if (!(error instanceof SystemCallError)) throw error;
    }
  }

  /** Other filesystems inside a root are part of it. */
  private watchMountsWithin(): void {
    for (const { point } of readMounts()) {
      if (!this.scope.has(point) || this.options.roots.includes(point)) continue;
      try {
        this.watch(point, interest);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        const root = this.options.roots.find((candidate) => isAtOrBelow(point, candidate)) ?? point;
        this.unwatched.push({ root, reason: `what is mounted at ${point} can't be watched: ${reason}` });
      }
    }
  }

  /** Events in their order; waits at most this long for some. */
  private next(timeoutMs: number): FanotifyEvent[] {
    if (this.ahead.length > 0) {
      this.drainProcesses();
      return this.ahead.splice(0, batchEvents);
    }
    this.places.rest();
    if (timeoutMs > 0) this.pause();
    const ready = poll(this.pollFds, 2, timeoutMs);
    // Otherwise this loop would spin. The connector says by itself what it suffers from.
    if (ready > 0 && (this.pollFds.readInt16LE(6) & pollErrorHangUpInvalid) !== 0) throw new Error('the fanotify group was closed');
    if (ready > 0) this.drainProcesses();
    const events = this.readQueue();
    // A process forked between the two reads must be known before its event is named.
    if (events.length > 0) {
      this.drainProcesses();
      this.readAtMs = performance.now();
    }
    return events;
  }

  /** While much happens many events are read at once; processes are looked at as they are born. Without their events a name can be had only at once. */
  private pause(): void {
    if (this.connector === undefined) return;
    for (let leftMs = this.leftMs(); leftMs > 0; leftMs = this.leftMs()) {
      if (poll(this.connectorPollFd, 1, Math.ceil(leftMs)) > 0) this.drainProcesses();
    }
  }

  private leftMs(): number {
    return this.readAtMs + pauseMs - performance.now();
  }

  private readQueue(): FanotifyEvent[] {
    const events = this.queue.read();
    this.read += events.length;
    this.places.learn(events);
    return events;
  }

  /** Until nothing waits, or the bound is reached. */
  private readAhead(): void {
    do {
      if (this.ahead.length >= aheadLimit) return;
      this.ahead.push(...this.readQueue());
    } while (!this.queue.isEmpty);
  }

  private drainProcesses(): void {
    this.connector?.drain(
      (event) => this.table.apply(event),
      () => this.table.readAnew(),
    );
  }

  private handle(parsed: readonly FanotifyEvent[], send: (message: SensorMessage) => void): void {
    const atMs = performance.timeOrigin + performance.now();
    const actors: (readonly [number, Actor])[] = [];
    const events: SentEvent[] = [];
    const losses: Loss[] = [];
    const tell = ({ event, pid }: Interpreted) => events.push({ atMs, actor: this.numberOf(this.table.actorOf(pid), actors), ...event });
    for (const event of parsed) {
      if ((event.mask & masks.openToExecute) !== 0n) {
        this.noteProgram(event);
        if ((event.mask & changes) === 0n) continue;
      }
      this.seen += 1;
      if ((event.mask & masks.queueOverflow) !== 0n) losses.push(...this.everywhere("the kernel's event queue overflowed"));
      for (const root of this.interpreter.movedRoots(event)) losses.push({ root, reason: `${root} itself was renamed, removed or made anew` });
      const located = this.interpreter.read(event);
      if (located === undefined) this.ignored += 1;
      else tell({ event: located, pid: event.pid });
    }
    if (this.isAtRest()) for (const merged of this.interpreter.mergedAway()) tell(merged);
    this.handled += parsed.length;
    losses.push(...this.otherLosses());
    if (events.length > 0 || losses.length > 0) send({ actors, events, losses, figures: this.figures() });
  }

  private noteProgram({ pid, entry }: FanotifyEvent): void {
    const program = this.places.anyPathOf(entry);
    if (program !== undefined) this.table.begins(pid, program);
  }

  /** What was lost without an event that says so. */
  private otherLosses(): Loss[] {
    const losses = this.unwatched;
    this.unwatched = [];
    if (this.places.lostTrack) this.interpreter.lostTrack = 'more happened to directories at once than can be followed';
    this.places.lostTrack = false;
    const { lostTrack } = this.interpreter;
    if (lostTrack !== undefined && performance.now() - this.lostTrackToldAtMs >= lostTrackPauseMs) {
      this.interpreter.lostTrack = undefined;
      this.lostTrackToldAtMs = performance.now();
      losses.push(...this.everywhere(lostTrack));
    }
    return losses;
  }

  private everywhere(reason: string): Loss[] {
    this.overflows += 1;
    return this.options.roots.map((root) => ({ root, reason }));
  }

  /** An actor who changed (by exec) is another object, and so gets another number. */
  private numberOf(actor: Actor, fresh: (readonly [number, Actor])[]): number {
    const known = this.actorNumbers.get(actor);
    if (known !== undefined) return known;
    if (this.actorNumbers.size >= sentActorLimit) this.actorNumbers.clear();
    const number = this.nextActorNumber;
    this.nextActorNumber += 1;
    this.actorNumbers.set(actor, number);
    fresh.push([number, actor]);
    return number;
  }
}

/** Undefined where the kernel or the privileges don't have it: short-lived processes may then stay unnamed. */
function openConnector(): ProcessConnector | undefined {
  try {
    return ProcessConnector.open();
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    return undefined;
  }
}
