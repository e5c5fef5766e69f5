import { baseName, type Finding, isCiphertext, isReadable, type Replacement } from '../observation';

/** A readable file is no longer one of its type, without looking random: simple ciphers, partial overwriting. */
export function structureBroken({ path, before, after }: Replacement): Finding | undefined {
  if (before === undefined || !isReadable(before) || isCiphertext(after)) return undefined;
  const lostType = after.type === 'data' && after.sizeBytes > 0 && after.distinctBytes > 1;
  if (!lostType && after.structure !== 'broken') return undefined;
  return {
    indicator: 'structure-broken',
    path,
    weight: 20,
    technique: 'T1486',
    summary: `${baseName(path)} was a readable ${before.type} file and can no longer be opened as one`,
  };
}
