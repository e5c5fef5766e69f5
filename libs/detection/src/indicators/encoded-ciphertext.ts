import { baseName, type Finding, isEncodedCiphertext, isReadable, type Replacement } from '../observation';

/** The new content is base64 or hex throughout and has nothing in common with what stood there. */
export function encodedCiphertext({ path, before, after, blocks }: Replacement): Finding | undefined {
  if (before === undefined || !isReadable(before) || isEncodedCiphertext(before) || !isEncodedCiphertext(after)) return undefined;
  if (blocks !== undefined && blocks.similarity > 0.3) return undefined;
  return {
    indicator: 'encoded-ciphertext',
    path,
    weight: 30,
    technique: 'T1486',
    summary: `${baseName(path)} was a readable ${before.type} file and now holds only encoded characters`,
  };
}
