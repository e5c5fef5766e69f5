import { setTimeout as delay } from 'node:timers/promises';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { type Actor, unknownActor } from '@kuramori/contracts';
import { requireDirectories } from '../../scope';
import { type FileSensor, type SensorFigures, type SensorListener, SensorUnavailableError } from '../../sensor';
import { sentActorLimit, type SensorMessage, SensorThread, type SensorThreadOptions } from './sensor-thread';

interface WorkerInput extends SensorThreadOptions {
  readonly control: SharedArrayBuffer;
}
type WorkerReply =
  | { readonly kind: 'started'; readonly connector: boolean }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'settled'; readonly wish: number; readonly figures: SensorFigures }
  | ({ readonly kind: 'events' } & SensorMessage);

/** Cells of the memory that both threads share. */
const stopCell = 0;
const wishCell = 1;

/** Entry point of the worker thread. */
export function runFanotifyWorker(): void {
  const { control, ...options } = workerData as WorkerInput;
  const cells = new Int32Array(control);
  const send = (reply: WorkerReply) => parentPort?.postMessage(reply);
  try {
    const thread = new SensorThread(options);
    send({ kind: 'started', connector: thread.hasConnector });
    thread.run(
      () => Atomics.load(cells, stopCell) === 1,
      (message) => send({ kind: 'events', ...message }),
      { wanted: () => Atomics.load(cells, wishCell), done: (wish, figures) => send({ kind: 'settled', wish, figures }) },
    );
  } catch (error) {
    send({ kind: 'failed', reason: textOf(error) });
  }
}

/** Twice the thread's own bound, so that none is forgotten that the thread takes for known. */
const actorLimit = 2 * sentActorLimit;
/** Pauses before a thread that broke off is started again: a fault that stays must not become a busy loop. */
const firstPauseMs = 100;
const longestPauseMs = 30_000;
/** After that long without a break the pauses begin anew. */
const steadyMs = 60_000;
const withoutConnector =
  "the kernel's process events are not to be had here (CONFIG_PROC_EVENTS and CAP_NET_ADMIN): a process that lives only a few milliseconds may stay unnamed";
const noFigures: SensorFigures = { eventsSeen: 0, eventsIgnored: 0, overflows: 0, unresolvedActors: 0 };

/**
 * fanotify on the roots' filesystems, and on those mounted below the roots when it starts: everything that happens, and who did it. Needs CAP_SYS_ADMIN and a kernel
 * from 5.17 on. A thread that breaks off is started again; what happened meanwhile is reported as lost.
 */
export class FanotifySensor implements FileSensor {
  readonly name = 'fanotify';
  readonly knowsActors = true;
  private readonly control = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
  private readonly actors = new Map<number, Actor>();
  private readonly wishes = new Map<number, () => void>();
  /** Resolves when the thread that was started last has ended. */
  private threadEnd: Promise<void> = Promise.resolve();
  private readonly stopping = new AbortController();
  private begunAtMs = 0;
  private pauseMs = firstPauseMs;
  private latest = noFigures;
  /** Of the threads before this one. */
  private before = noFigures;
  limitation: string | undefined;

  constructor(
    private readonly workerUrl: URL,
    private readonly dataDir: string,
  ) {}

  async start(roots: readonly string[], ignore: readonly string[], listener: SensorListener): Promise<void> {
    requireDirectories(roots);
    try {
      await this.begin(roots, ignore, listener);
    } catch (error) {
      throw new SensorUnavailableError(
        `fanotify is not to be had: ${textOf(error)}. It needs root (CAP_SYS_ADMIN), Linux 5.17 or newer and a filesystem with file handles; protect.sensor: chokidar works without, but knows no actor`,
        { cause: error },
      );
    }
  }

  /** The thread answers when it found the kernel's queue empty after the wish; messages of one port keep their order. */
  async settle(timeoutMs: number): Promise<void> {
    if (this.stopping.signal.aborted) return;
    const wish = Atomics.add(this.control, wishCell, 1) + 1;
    await Promise.race([
      new Promise<void>((resolve) => {
        this.wishes.set(wish, resolve);
      }),
      delay(timeoutMs, undefined, { ref: false }),
    ]);
    this.wishes.delete(wish);
  }

  figures(): SensorFigures {
    return sum(this.before, this.latest);
  }

  /** What was read before the thread saw the wish is still delivered. */
  async stop(): Promise<void> {
    this.stopping.abort();
    Atomics.store(this.control, stopCell, 1);
    await this.threadEnd;
    this.settled(Number.POSITIVE_INFINITY);
  }

  /** Resolves when the thread watches. @throws Error with what is missing */
  private async begin(roots: readonly string[], ignore: readonly string[], listener: SensorListener): Promise<void> {
    const worker = new Worker(this.workerUrl, {
      workerData: { roots, ignore, dataDir: this.dataDir, control: this.control.buffer } satisfies WorkerInput,
    });
    this.actors.clear();
    let reason = 'its thread ended';
    let started = false;
    await new Promise<void>((resolve, reject) => {
      worker.on('error', (error) => {
        reason = textOf(error);
      });
      worker.on('message', (reply: WorkerReply) => {
        if (reply.kind === 'started') {
          this.limitation = reply.connector ? undefined : withoutConnector;
          started = true;
          this.begunAtMs = performance.now();
          resolve();
        } else if (reply.kind === 'failed') reason = reply.reason;
        else if (reply.kind === 'settled') {
          this.latest = reply.figures;
          this.settled(reply.wish);
        } else this.deliver(reply, listener);
      });
      this.threadEnd = new Promise((ended) => {
        worker.once('exit', () => {
          ended();
          reject(new Error(reason));
          if (started && !this.stopping.signal.aborted) void this.beginAgain(reason, roots, ignore, listener);
        });
      });
    });
  }

  private async beginAgain(reason: string, roots: readonly string[], ignore: readonly string[], listener: SensorListener): Promise<void> {
    this.before = sum(this.before, { ...this.latest, overflows: this.latest.overflows + 1 });
    this.latest = noFigures;
    for (const root of roots) listener.lost(root, `the sensor broke off: ${reason}; it is started again`);
    if (performance.now() - this.begunAtMs > steadyMs) this.pauseMs = firstPauseMs;
    for (let begun = false; !begun && !this.stopping.signal.aborted; this.pauseMs = Math.min(2 * this.pauseMs, longestPauseMs)) {
      try {
        await delay(this.pauseMs, undefined, this.stopping);
        await this.begin(roots, ignore, listener);
        begun = true;
      } catch {
        // Told already that nothing is seen; the next attempt may do it.
      }
    }
    if (this.stopping.signal.aborted) return;
    for (const root of roots) listener.lost(root, 'the sensor works again; nobody saw what happened meanwhile');
  }

  private settled(wish: number): void {
    for (const [known, resolve] of this.wishes) if (known <= wish) resolve();
  }

  private deliver({ actors, events, losses, figures }: SensorMessage, listener: SensorListener): void {
    for (const [number, actor] of actors) {
      if (this.actors.size >= actorLimit) {
        const oldest = this.actors.keys().next();
        if (oldest.done !== true) this.actors.delete(oldest.value);
      }
      this.actors.set(number, actor);
    }
    this.latest = figures;
    if (events.length > 0) listener.events(events.map((event) => ({ ...event, actor: this.actors.get(event.actor) ?? unknownActor })));
    for (const { root, reason } of losses) listener.lost(root, reason);
  }
}

function sum(left: SensorFigures, right: SensorFigures): SensorFigures {
  return {
    eventsSeen: left.eventsSeen + right.eventsSeen,
    eventsIgnored: left.eventsIgnored + right.eventsIgnored,
    overflows: left.overflows + right.overflows,
    unresolvedActors: left.unresolvedActors + right.unresolvedActors,
  };
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
