import { parentPort, workerData } from 'node:worker_threads';
import { FileChunkStore } from '../store/file-chunk-store';
import type { Capture, CaptureRequest, DescribeRequest } from './capture';
import { captureFile, tryDescribeStored } from './capture-file';
import type { ContentFeatures } from '@kuramori/contracts';

/** What the pool sends, and gets back with the same `id`. */
export interface CaptureTask {
  readonly id: number;
  readonly captures?: readonly CaptureRequest[];
  readonly descriptions?: readonly DescribeRequest[];
}

export interface CaptureTaskResult {
  readonly id: number;
  readonly captures: readonly Capture[];
  readonly descriptions: readonly (ContentFeatures | undefined)[];
}

/** The body of a worker thread. */
export function runCaptureWorker(): void {
  const { directory } = workerData as { directory: string };
  const store = new FileChunkStore(directory);
  parentPort?.on('message', ({ id, captures = [], descriptions = [] }: CaptureTask) => {
    parentPort?.postMessage({
      id,
      captures: captures.map((request) => captureFile(store, request)),
      descriptions: descriptions.map((request) => tryDescribeStored(store, request)),
    } satisfies CaptureTaskResult);
  });
}
