import { setTimeout as delay } from 'node:timers/promises';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { type Actor, unknownActor } from '@kuramori/contracts';
import { type FileSensor, type SensorFigures, type SensorListener, SensorUnavailableError } from '../../sensor';
import { type SensorMessage, SensorThread, type SensorThreadOptions } from './sensor-thread';

interface WorkerInput extends SensorThreadOptions {
  readonly stop: SharedArrayBuffer;
}
type WorkerReply =
  | { readonly kind: 'started'; readonly connector: boolean }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'settled'; readonly wish: number }
  | ({ readonly kind: 'events' } & SensorMessage);

/** Entry point of the worker thread. */
export function runFanotifyWorker(): void {
  const { stop, ...options } = workerData as WorkerInput;
  const flag = new Int32Array(stop);
  const send = (reply: WorkerReply) => parentPort?.postMessage(reply);
  try {
    const thread = new SensorThread(options);
    send({ kind: 'started', connector: thread.hasConnector });
    thread.run(
      () => Atomics.load(flag, 0) === 1,
      (message) => send({ kind: 'events', ...message }),
      { wanted: () => Atomics.load(flag, 1), done: (wish) => send({ kind: 'settled', wish }) },
    );
  } catch (error) {
    send({ kind: 'failed', reason: error instanceof Error ? error.message : String(error) });
  }
}

/** Actors remembered by key; each is sent once by the thread. Twice the thread's own bound, so that none is forgotten that the thread takes for known. */
const actorLimit = 100_000;

/** fanotify on the roots' filesystems: everything that happens, and who did it. Needs CAP_SYS_ADMIN and a kernel from 5.17 on. */
export class FanotifySensor implements FileSensor {
  readonly name = 'fanotify';
  readonly knowsActors = true;
  private readonly stopFlag = new Int32Array(new SharedArrayBuffer(8));
  private readonly actors = new Map<string, Actor>();
  private readonly wishes = new Map<number, () => void>();
  private worker: Worker | undefined;
  private latest = { seen: 0, ignored: 0, unresolved: 0 };
  private overflows = 0;
  /** Without the process connector short-lived processes may stay unnamed. */
  hasProcessEvents = false;

  constructor(
    private readonly workerUrl: URL,
    private readonly dataDir: string,
  ) {}

  async start(roots: readonly string[], ignore: readonly string[], listener: SensorListener): Promise<void> {
    const worker = new Worker(this.workerUrl, {
      workerData: { roots, ignore, dataDir: this.dataDir, stop: this.stopFlag.buffer } satisfies WorkerInput,
    });
    this.worker = worker;
    await new Promise<void>((resolve, reject) => {
      worker.once('error', (error) => reject(new SensorUnavailableError(`fanotify: ${error instanceof Error ? error.message : String(error)}`)));
      worker.on('message', (reply: WorkerReply) => {
        if (reply.kind === 'started') {
          this.hasProcessEvents = reply.connector;
          resolve();
        } else if (reply.kind === 'failed') {
          reject(
            new SensorUnavailableError(
              `fanotify is not to be had: ${reply.reason}. It needs root (CAP_SYS_ADMIN) and Linux 5.17 or newer; protect.sensor: chokidar works without, but knows no actor`,
            ),
          );
          for (const root of roots) listener.lost(root, reply.reason);
        } else if (reply.kind === 'settled') this.settled(reply.wish);
        else this.deliver(reply, roots, listener);
      });
    });
  }

  /** The thread answers when it found the kernel's queue empty after the wish; messages of one port keep their order. */
  async settle(timeoutMs: number): Promise<void> {
    const wish = Atomics.add(this.stopFlag, 1, 1) + 1;
    await Promise.race([
      new Promise<void>((resolve) => {
        this.wishes.set(wish, resolve);
      }),
      delay(timeoutMs, undefined, { ref: false }),
    ]);
    this.wishes.delete(wish);
  }

  private settled(wish: number): void {
    for (const [known, resolve] of this.wishes) if (known <= wish) resolve();
  }

  figures(): SensorFigures {
    return { eventsSeen: this.latest.seen, eventsIgnored: this.latest.ignored, overflows: this.overflows, unresolvedActors: this.latest.unresolved };
  }

  async stop(): Promise<void> {
    const { worker } = this;
    this.worker = undefined;
    if (worker === undefined) return;
    Atomics.store(this.stopFlag, 0, 1);
    const ended = new Promise<void>((resolve) => {
      worker.once('exit', () => resolve());
    });
    await ended;
  }

  private deliver(message: SensorMessage, roots: readonly string[], listener: SensorListener): void {
    for (const actor of message.actors) {
      if (this.actors.size >= actorLimit) {
        const oldest = this.actors.keys().next();
        if (oldest.done !== true) this.actors.delete(oldest.value);
      }
      this.actors.set(actor.key, actor);
    }
    this.latest = { seen: message.seen, ignored: message.ignored, unresolved: message.unresolved };
    if (this.worker === undefined) return;
    if (message.events.length > 0)
      listener.events(message.events.map((event) => ({ ...event, actor: this.actors.get(event.actor) ?? unknownActor })));
    if (message.overflow) {
      this.overflows += 1;
      for (const root of roots) listener.lost(root, "the kernel's event queue overflowed");
    }
  }
}
