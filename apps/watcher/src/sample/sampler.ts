import { Worker } from 'node:worker_threads';
import { type Sample, sampleFile, type SampleRequest } from './sample-file';

export interface SampleJob {
  readonly id: number;
  readonly request: SampleRequest;
}
export interface SampleResult {
  readonly id: number;
  readonly sample: Sample | undefined;
}

/** Samples files away from the main thread; without a worker file (in tests of the rules) at once. */
export class Sampler {
  private readonly workers: Worker[];
  private readonly loaded: Promise<void>[];
  private readonly waiting = new Map<number, (sample: Sample | undefined) => void>();
  private jobs: SampleJob[] = [];
  private nextId = 1;
  private nextWorker = 0;

  constructor(workerUrl: URL | undefined, threads: number) {
    this.workers = workerUrl === undefined ? [] : Array.from({ length: threads }, () => new Worker(workerUrl));
    for (const worker of this.workers) {
      worker.on('message', (results: readonly SampleResult[]) => {
        for (const { id, sample } of results) {
          this.waiting.get(id)?.(sample);
          this.waiting.delete(id);
        }
      });
    }
    this.loaded = this.workers.map(
      (worker) =>
        new Promise<void>((resolve) => {
          worker.once('message', () => resolve());
          worker.once('exit', () => resolve());
        }),
    );
  }

  sample(request: SampleRequest): Promise<Sample | undefined> {
    if (this.workers.length === 0) return Promise.resolve(sampleFile(request));
    return new Promise((resolve) => {
      const id = this.nextId;
      this.nextId += 1;
      this.waiting.set(id, resolve);
      this.jobs.push({ id, request });
      // What one read of the sensor brought goes over in one message.
      if (this.jobs.length === 1) queueMicrotask(() => this.dispatch());
    });
  }

  /** A thread that is ended while it loads its native addons takes the whole process with it: first they have loaded. */
  async stop(): Promise<void> {
    await Promise.all(this.loaded);
    await Promise.all(this.workers.map((worker) => worker.terminate()));
  }

  private dispatch(): void {
    const { jobs } = this;
    this.jobs = [];
    // Small portions, so that the first results don't wait for the last file of a storm.
    for (let from = 0; from < jobs.length; from += 16) {
      this.workers[this.nextWorker]?.postMessage(jobs.slice(from, from + 16));
      this.nextWorker = (this.nextWorker + 1) % this.workers.length;
    }
  }
}
