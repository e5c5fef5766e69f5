import { runCaptureWorker } from './capture/capture-worker';

runCaptureWorker();
