export { Guard, runGuardWorker } from './guard';
export type { GuardCounter, GuardOptions } from './guard-thread';
export { dataSuffix, sidecarSuffix, spoolAtMountOf, spoolDirectoryFor, type SpooledCopy, writeSidecar } from './spool';
export { dataOf, sameData, SpoolDirectory, type SpooledData, StrangeSpoolError } from './spool-directory';
export { SpoolSeal } from './spool-seal';
