import { runFanotifyWorker } from '@kuramori/platform';

runFanotifyWorker();
