import { baseName, isReadable } from '../observation';
import type { Indicator } from './indicator';

/** Types without a check of their structure that hold no compressed or encrypted parts of their own: random blocks in them are damage. */
const neverRandom = new Set(['text', 'rtf', 'postscript', 'font', 'bmp', 'elf', 'pe']);

/** Some blocks turned random, others are as they were: encryption in pieces, faster and harder to see (LockFile, BlackCat, Play, LockBit). */
export const intermittentEncryption: Indicator = {
  name: 'intermittent-encryption',
  judge({ path, before, after, blocks }) {
    if (blocks === undefined || before === undefined || !isReadable(before)) return undefined;
    if (blocks.turnedRandomShare === 0 || blocks.changedShare > 0.98) return undefined;
    // A picture inside a document may be replaced by an editor: the document then still holds together.
    const damaged = after.structure === 'broken' || after.type === 'data';
    if (!damaged && !(neverRandom.has(after.type) && blocks.turnedRandomShare >= 0.2)) return undefined;
    const share = Math.max(1, Math.round(blocks.turnedRandomShare * 100));
    return {
      indicator: 'intermittent-encryption',
      kind: 'harm',
      weight: 25,
      technique: 'T1486',
      summary: `${share} % of the blocks of ${baseName(path)} turned into random bytes while others stayed as they were`,
    };
  },
};
