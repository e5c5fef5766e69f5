import { baseName, type Finding, isReadable, type Replacement } from '../observation';

/** Some blocks turned random, others are as they were: encryption in pieces, faster and harder to see (LockFile, BlackCat, Play, LockBit). */
export function intermittentEncryption({ path, before, after, blocks }: Replacement): Finding | undefined {
  if (blocks === undefined || before === undefined || !isReadable(before)) return undefined;
  if (blocks.turnedRandomShare === 0 || blocks.changedShare > 0.98) return undefined;
  // A picture or archive inside a document may be replaced by an editor: the document then still holds together.
  const damaged = after.structure === 'broken' || after.type !== before.type;
  if (!damaged && blocks.turnedRandomShare < 0.2) return undefined;
  if (!damaged && after.structure === 'intact' && after.type !== 'text') return undefined;
  const share = Math.round(blocks.turnedRandomShare * 100);
  return {
    indicator: 'intermittent-encryption',
    path,
    weight: 25,
    technique: 'T1486',
    summary: `${baseName(path)}: ${share} % of its blocks turned into random bytes, the others are unchanged`,
  };
}
