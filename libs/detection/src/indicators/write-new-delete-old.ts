import { baseName, type Finding, isCiphertext, isReadable, type Replacement } from '../observation';

/** A new file nobody can read appeared and the readable one it was made from is gone. Compressors and converters leave readable output. */
export function writeNewDeleteOld({ path, before, after, newPath, how }: Replacement): Finding | undefined {
  if (how !== 'new-and-deleted' || before === undefined || newPath === undefined || !isReadable(before) || !isCiphertext(after)) return undefined;
  return { indicator: 'write-new-delete-old', path, weight: 25, technique: 'T1486', summary: `${baseName(path)} is gone; in its place stands ${baseName(newPath)}, which nobody can read` };
}
