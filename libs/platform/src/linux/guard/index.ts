export { Guard, runGuardWorker } from './guard';
export type { GuardCounter, GuardOptions } from './guard-thread';
export { ensureSpoolDirectories, readSpooledCopy, spoolAtMountOf, spoolDirectoryFor, type SpooledCopy } from './spool';
