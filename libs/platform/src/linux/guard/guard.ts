/** Starts the guard's thread and watches over it: an open must never wait for a thread that has stopped working. */
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { type GuardCounter, GuardFigures, type GuardOptions, GuardThread } from './guard-thread';
import { close } from '../libc';

interface GuardWorkerData extends GuardOptions {
  readonly counters: SharedArrayBuffer;
}
type GuardMessage = { readonly fd: number } | { readonly error: string };

/** A copy in one chunk may take long on a slow disk; the thread beats between chunks. Beyond this it is taken for stuck. */
const stalledAfterMs = 1000;
const watchEveryMs = 50;

/** Entry point of the worker thread. */
export function runGuardWorker(): void {
  const { counters, ...options } = workerData as GuardWorkerData;
  try {
    const thread = new GuardThread(options, new GuardFigures(counters));
    parentPort?.postMessage({ fd: thread.fd } satisfies GuardMessage);
    thread.run();
  } catch (error) {
    parentPort?.postMessage({ error: error instanceof Error ? error.message : String(error) } satisfies GuardMessage);
  }
}

/** Holds opens until what stands there is copied. Fails open: stuck or dead, it lets everyone go and says so. */
export class Guard {
  private worker: Worker | undefined;
  private descriptor: number | undefined;
  private watch: NodeJS.Timeout | undefined;
  private readonly figures = new GuardFigures();

  constructor(
    private readonly workerUrl: URL,
    private readonly options: GuardOptions,
    /** Called once when the guard ended without being stopped; nobody is held any more, and nothing is copied before it is opened. */
    private readonly onFailure: (reason: string) => void,
  ) {}

  /** Resolves when opens are held. @throws Error with what is missing */
  async start(): Promise<void> {
    const worker = new Worker(this.workerUrl, { workerData: { ...this.options, counters: this.figures.buffer } satisfies GuardWorkerData });
    this.worker = worker;
    await new Promise<void>((resolve, reject) => {
      worker.once('error', reject);
      worker.once('exit', () => reject(new Error('the guard thread ended before it began')));
      worker.once('message', (message: GuardMessage) => {
        if ('error' in message) reject(new Error(message.error));
        else {
          this.descriptor = message.fd;
          resolve();
        }
      });
    });
    worker.once('exit', () => this.fail('its thread ended'));
    let lastBeat = this.figures.get('heartbeat');
    let lastBeatMs = performance.now();
    this.watch = setInterval(() => {
      const beat = this.figures.get('heartbeat');
      if (beat !== lastBeat) {
        lastBeat = beat;
        lastBeatMs = performance.now();
      } else if (performance.now() - lastBeatMs > stalledAfterMs) {
        this.fail(`its thread gave no sign for ${stalledAfterMs} ms`);
      }
    }, watchEveryMs);
    this.watch.unref();
  }

  get running(): boolean {
    return this.descriptor !== undefined;
  }

  count(counter: GuardCounter): number {
    return this.figures.get(counter);
  }

  /** Lets everyone go and ends the thread. May be called twice. */
  async stop(): Promise<void> {
    clearInterval(this.watch);
    const { worker } = this;
    this.worker = undefined;
    // The thread closes the group itself, so that the number can't be another file's by then.
    this.descriptor = undefined;
    if (worker === undefined) return;
    this.figures.requestStop();
    await new Promise<void>((resolve) => {
      worker.once('exit', () => resolve());
    });
  }

  private fail(reason: string): void {
    const { descriptor, worker } = this;
    if (descriptor === undefined) return;
    clearInterval(this.watch);
    this.descriptor = undefined;
    this.worker = undefined;
    // The last reference to the group: the kernel answers every waiting open with "allow".
    close(descriptor);
    void worker?.terminate();
    this.onFailure(reason);
  }
}
