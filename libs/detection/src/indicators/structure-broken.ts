import { baseName, isCiphertext, isReadable } from '../observation';
import type { Indicator } from './indicator';

/** A readable file is no longer one of its type, without looking random: simple ciphers, partial overwriting. Five of these are an attack. */
export const structureBroken: Indicator = {
  name: 'structure-broken',
  judge({ path, before, after, how }) {
    if (how === 'new-and-deleted' || before === undefined || !isReadable(before) || isCiphertext(after)) return undefined;
    const lostType = after.type === 'data' && after.sizeBytes > 0 && after.distinctBytes > 1;
    if (!lostType && after.structure !== 'broken') return undefined;
    return {
      indicator: 'structure-broken',
      kind: 'harm',
      weight: 20,
      technique: 'T1486',
      summary: `${baseName(path)} was a readable ${before.type} file and can no longer be opened as one`,
    };
  },
};
