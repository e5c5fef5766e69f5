import { parentPort } from 'node:worker_threads';
import { sampleFile } from './sample/sample-file';
import type { SampleJob, SampleResult } from './sample/sampler';

parentPort?.on('message', (jobs: readonly SampleJob[]) => {
  const results = jobs.map(({ id, request }): SampleResult => {
    try {
      return { id, sample: sampleFile(request) };
    } catch {
      // Unreadable just now: the fact goes out without a look at the bytes, and the vault says what it can't keep.
      return { id, sample: undefined };
    }
  });
  parentPort?.postMessage(results);
});
