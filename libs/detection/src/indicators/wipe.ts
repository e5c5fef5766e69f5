import { baseName, type Finding, type Replacement } from '../observation';

/** Zeros, one repeated byte, or nothing in place of a content. */
export function wipe({ path, before, after }: Replacement): Finding | undefined {
  if (before === undefined || before.sizeBytes === 0 || before.distinctBytes <= 1) return undefined;
  // Programs empty logs and locks: it takes many.
  if (after.sizeBytes === 0)
    return { indicator: 'wipe', path, weight: 8, technique: 'T1485', summary: `${baseName(path)} (${before.sizeBytes} bytes) was emptied` };
  if (after.distinctBytes !== 1 || after.sampledBytes < 64) return undefined;
  return { indicator: 'wipe', path, weight: 25, technique: 'T1485', summary: `${baseName(path)} was overwritten with one repeated byte` };
}
