import { parentPort } from 'node:worker_threads';
import { sampleFile } from './sample/sample-file';
import type { SampleJob, SampleResult } from './sample/sampler';

parentPort?.on('message', (jobs: readonly SampleJob[]) => {
  parentPort?.postMessage(jobs.map(({ id, request }): SampleResult => ({ id, sample: sampleFile(request) })));
});
// No result yet: it has loaded.
parentPort?.postMessage([] satisfies SampleResult[]);
