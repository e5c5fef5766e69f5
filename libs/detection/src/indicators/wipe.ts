import { baseName, extensionOf, type Finding } from '../observation';
import type { Indicator } from './indicator';

/** Programs empty logs and locks every night; nobody empties documents. */
const emptiedByPrograms = /^(?:log|out|err|lock|pid|tmp|cache|state|journal|\d+)?$/u;
const weights = { overwritten: 25, emptiedDocument: 25, emptiedText: 8 };

/** Zeros, one repeated byte, or nothing in place of a content. Deletion alone is no evidence: it is restorable, and people tidy up. */
export const wipe: Indicator = {
  name: 'wipe',
  judge({ path, before, after, how }) {
    if (how === 'new-and-deleted' || before === undefined || before.sizeBytes === 0 || before.distinctBytes <= 1) return undefined;
    if (after.sizeBytes === 0) {
      const plain = before.type === 'text' || before.type === 'data';
      if (plain && emptiedByPrograms.test(extensionOf(path))) return undefined;
      return destroyed(plain ? weights.emptiedText : weights.emptiedDocument, `${baseName(path)} (${before.sizeBytes} bytes) was emptied`);
    }
    if (after.distinctBytes !== 1 || after.sampledBytes < 64) return undefined;
    return destroyed(weights.overwritten, `${baseName(path)} was overwritten with one repeated byte`);
  },
};

function destroyed(weight: number, summary: string): Finding {
  return { indicator: 'wipe', kind: 'harm', weight, technique: 'T1485', summary };
}
