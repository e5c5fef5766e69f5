import { Worker } from 'node:worker_threads';
import type { ContentFeatures } from '@kuramori/contracts';
import type { ChunkStore } from '../store/chunk-store';
import type { Capture, CaptureRequest, DescribeRequest } from './capture';
import { captureFile, tryDescribeStored } from './capture-file';
import type { CaptureTask, CaptureTaskResult } from './capture-worker';

/** In the order in which they are served: live changes first, then what was put off, then the baseline. */
export type Lane = 'live' | 'late' | 'baseline';

/** Reads files and keeps their content away from the main thread. */
export interface CapturePool {
  /** One result per request, in their order. Never rejects for what files do. */
  capture(lane: Lane, requests: readonly CaptureRequest[]): Promise<Capture[]>;
  /** Features of stored contents, before anything else is done. */
  describe(requests: readonly DescribeRequest[]): Promise<(ContentFeatures | undefined)[]>;
  stop(): Promise<void>;
}

/** Without threads, for the tests of the rules. */
export class InlineCapture implements CapturePool {
  constructor(private readonly store: ChunkStore) {}

  async capture(_lane: Lane, requests: readonly CaptureRequest[]): Promise<Capture[]> {
    await new Promise((resolve) => setImmediate(resolve));
    return requests.map((request) => captureFile(this.store, request));
  }

  async describe(requests: readonly DescribeRequest[]): Promise<(ContentFeatures | undefined)[]> {
    return requests.map((request) => tryDescribeStored(this.store, request));
  }

  async stop(): Promise<void> {
    // Nothing runs by itself.
  }
}

interface Waiting {
  readonly lane: Lane;
  readonly task: CaptureTask;
  readonly done: (result: CaptureTaskResult) => void;
  /** Threads that died over it. */
  deaths: number;
}
interface Thread {
  readonly worker: Worker;
  busy: Waiting | undefined;
}

/** The changes of one batch are spread over the threads in pieces of this size. */
const livePiece = 4;
/** What was put off may be many gigabytes long: one at a time, so that a thread is always left for what happens now. */
const lateAtOnce = 1;

/** A task over which so many threads died is given up: something in it kills them. */
const mostDeaths = 2;
/** Before a dead thread is replaced: a script that can't be loaded must not be tried without a pause. */
const replaceMs = 500;

/** A few threads; what happens now goes before the baseline, which is handed over in small pieces so that nothing waits long behind it. */
export class ThreadCapture implements CapturePool {
  private readonly threads: Thread[] = [];
  private readonly queues: Record<Lane, Waiting[]> = { live: [], late: [], baseline: [] };
  private nextId = 1;
  private stopping = false;

  /**
   * @param script the bundled worker beside the service's own bundle
   * @param directory of the chunk store
   */
  constructor(
    private readonly script: URL,
    private readonly directory: string,
    threads: number,
  ) {
    for (let index = 0; index < threads; index += 1) this.startThread();
  }

  async capture(lane: Lane, requests: readonly CaptureRequest[]): Promise<Capture[]> {
    const pieces = inPieces(requests, lane === 'live' ? livePiece : requests.length);
    return (await Promise.all(pieces.map((captures) => this.run(lane, { captures })))).flatMap(({ captures }) => captures);
  }

  async describe(requests: readonly DescribeRequest[]): Promise<(ContentFeatures | undefined)[]> {
    const pieces = inPieces(requests, livePiece);
    return (await Promise.all(pieces.map((descriptions) => this.run('live', { descriptions })))).flatMap(({ descriptions }) => descriptions);
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await Promise.all(this.threads.map(({ worker }) => worker.terminate()));
  }

  private async run(lane: Lane, work: Omit<CaptureTask, 'id'>): Promise<CaptureTaskResult> {
    const id = this.nextId;
    this.nextId += 1;
    const result = new Promise<CaptureTaskResult>((done) => this.queues[lane].push({ lane, task: { id, ...work }, done, deaths: 0 }));
    this.pump();
    return result;
  }

  private startThread(): void {
    const thread: Thread = { worker: new Worker(this.script, { workerData: { directory: this.directory } }), busy: undefined };
    thread.worker.on('message', (result: CaptureTaskResult) => {
      const { busy } = thread;
      thread.busy = undefined;
      busy?.done(result);
      this.pump();
    });
    thread.worker.on('error', (error) => this.lostThread(thread, error));
    this.threads.push(thread);
  }

  /** A thread that died (out of memory …) takes its task along, not the service. */
  private lostThread(thread: Thread, error: unknown): void {
    if (this.stopping) return;
    this.threads.splice(this.threads.indexOf(thread), 1);
    const { busy } = thread;
    if (busy !== undefined) {
      busy.deaths += 1;
      if (busy.deaths < mostDeaths) this.queues[busy.lane].unshift(busy);
      else giveUp(busy, `the reading thread ended: ${error instanceof Error ? error.message : String(error)}`);
    }
    setTimeout(() => {
      if (this.stopping) return;
      this.startThread();
      this.pump();
    }, replaceMs);
  }

  private pump(): void {
    for (const thread of this.threads) {
      if (thread.busy !== undefined) continue;
      const next = this.next();
      if (next === undefined) return;
      thread.busy = next;
      thread.worker.postMessage(next.task);
    }
  }

  private next(): Waiting | undefined {
    const late = this.threads.filter(({ busy }) => busy?.lane === 'late').length;
    return this.queues.live.shift() ?? (late < lateAtOnce ? this.queues.late.shift() : undefined) ?? this.queues.baseline.shift();
  }
}

function giveUp({ task, done }: Waiting, detail: string): void {
  done({
    id: task.id,
    captures: (task.captures ?? []).map(() => ({ outcome: 'unreadable', detail })),
    descriptions: (task.descriptions ?? []).map(() => undefined),
  });
}

function inPieces<T>(items: readonly T[], size: number): T[][] {
  const pieces: T[][] = [];
  for (let from = 0; from < items.length; from += size) pieces.push(items.slice(from, from + size));
  return pieces;
}
