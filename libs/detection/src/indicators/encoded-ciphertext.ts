import { baseName, isEncodedCiphertext, isReadable } from '../observation';
import type { Indicator } from './indicator';

/** The new content is base64 or hex throughout and has nothing in common with what stood there. */
export const encodedCiphertext: Indicator = {
  name: 'encoded-ciphertext',
  judge({ path, before, after, blocks, how }) {
    if (how === 'new-and-deleted' || before === undefined || !isReadable(before)) return undefined;
    if (isEncodedCiphertext(before) || !isEncodedCiphertext(after)) return undefined;
    if (blocks !== undefined && blocks.similarity > 0.3) return undefined;
    return {
      indicator: 'encoded-ciphertext',
      kind: 'harm',
      weight: 25,
      technique: 'T1486',
      summary: `${baseName(path)} was a readable ${before.type} file and now holds only encoded characters`,
    };
  },
};
