import { runGuardWorker } from '@kuramori/platform';

runGuardWorker();
