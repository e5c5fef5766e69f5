export { Guard, runGuardWorker } from './guard';
export type { GuardCounter, GuardOptions } from './guard-thread';
export { ensureSpoolDirectories, readSpooledCopy, spoolDirectoryFor, type SpooledCopy } from './spool';
