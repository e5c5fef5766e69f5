import { baseName, type Finding, isCiphertext, isEncodedCiphertext, isReadable, type Replacement } from '../observation';

/** A readable file became something that nobody can read: the heart of encryption, whichever way it was written. */
export function contentReplaced({ path, before, after, how }: Replacement): Finding | undefined {
  if (!isCiphertext(after) || isEncodedCiphertext(after)) return undefined;
  if (before === undefined) {
    // What stood there isn't known (yet): the name alone promises a readable type.
    if (how !== 'in-place' || after.extensionType === '' || after.structure === 'encrypted') return undefined;
    return {
      indicator: 'content-replaced',
      path,
      weight: 10,
      technique: 'T1486',
      summary: `${baseName(path)} was written and is no ${after.extensionType} file: its bytes look random`,
    };
  }
  if (!isReadable(before)) return undefined;
  const became = after.structure === 'encrypted' ? `an encrypted container (${after.type})` : 'bytes that look random';
  // A user who protects one document with a password does the same; it takes several.
  return {
    indicator: 'content-replaced',
    path,
    weight: after.structure === 'encrypted' ? 25 : 30,
    technique: 'T1486',
    summary: `${baseName(path)} was a readable ${before.type} file and is now ${became}`,
  };
}
