import { typeOfExtension } from '@kuramori/content';
import { baseName, type Finding, isCiphertext, isEncodedCiphertext, isReadable } from '../observation';
import type { Indicator } from './indicator';

const weights = { random: 30, encoded: 25, container: 22, unknownBefore: 12 };

/** A new file nobody can read appeared and the readable one it was made from is gone. Compressors and converters leave readable output. */
export const writeNewDeleteOld: Indicator = {
  name: 'write-new-delete-old',
  judge({ path, before, after, newPath, how }) {
    if (how !== 'new-and-deleted' || newPath === undefined || !isCiphertext(after)) return undefined;
    if (before === undefined) {
      // The vault hasn't told yet what it held: its name, with something appended, speaks more quietly.
      if (typeOfExtension(baseName(path)) === '' || !newPath.startsWith(`${path}.`)) return undefined;
      return harm(weights.unknownBefore, `${baseName(path)} is gone and beside it stands ${baseName(newPath)}, which nobody can read`);
    }
    // Encoded as it was before: logs of tokens, mails with attachments.
    if (!isReadable(before) || (isEncodedCiphertext(before) && isEncodedCiphertext(after))) return undefined;
    const weight = after.structure === 'encrypted' ? weights.container : isEncodedCiphertext(after) ? weights.encoded : weights.random;
    return harm(weight, `${baseName(path)} is gone and in its place stands ${baseName(newPath)}, which nobody can read`);
  },
};

function harm(weight: number, summary: string): Finding {
  return { indicator: 'write-new-delete-old', kind: 'harm', weight, technique: 'T1486', summary };
}
