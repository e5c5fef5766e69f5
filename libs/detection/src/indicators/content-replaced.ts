import { baseName, type Features, type Finding, isCiphertext, isEncodedCiphertext, isReadable } from '../observation';
import type { Indicator } from './indicator';

/**
 * Three or four of these are an attack. A container that says itself that it is encrypted weighs less: a user who protects three documents makes such ones.
 * Without knowledge of what stood there the name alone promises a readable type: a dozen of those, while the vault is silent (rules.md 16 lets them reach
 * suspicion; a vault that was killed first must not blind the detector).
 */
const weights = { random: 30, container: 22, unknownFormat: 10, unknownBefore: 8 };

/** A readable file became something that nobody can read: the heart of encryption, whichever way it was written. */
export const contentReplaced: Indicator = {
  name: 'content-replaced',
  judge({ path, before, after, blocks, how }) {
    if (how === 'new-and-deleted' || !isCiphertext(after) || isEncodedCiphertext(after)) return undefined;
    const name = baseName(path);
    if (before === undefined) {
      if (after.extensionType === '' || after.structure === 'encrypted' || after.randomShare < 0.9) return undefined;
      return harm(weights.unknownBefore, `${name} was written and is no ${after.extensionType} file: its bytes look random`);
    }
    if (isReadable(before)) {
      if (after.structure === 'encrypted')
        return harm(weights.container, `${name} was a readable ${before.type} file and is now an encrypted container (${after.type})`);
      return harm(weights.random, `${name} was a readable ${before.type} file and now holds bytes that look random`);
    }
    const replaced = after.randomShare >= 0.95 && blocks !== undefined && blocks.changedShare >= 0.95 && blocks.similarity < 0.02;
    if (!replaced || before.type !== 'data' || !hadStructure(before)) return undefined;
    return harm(weights.unknownFormat, `${name} had a structure of its own and now holds nothing but bytes that look random`);
  },
};

function harm(weight: number, summary: string): Finding {
  return { indicator: 'content-replaced', kind: 'harm', weight, technique: 'T1486', summary };
}

/** A format that is not known, but a format: neither random nor padding. */
function hadStructure({ randomShare, distinctBytes, structure, sampledBytes }: Features): boolean {
  return randomShare <= 0.1 && distinctBytes > 16 && structure !== 'encrypted' && sampledBytes >= 4096;
}
