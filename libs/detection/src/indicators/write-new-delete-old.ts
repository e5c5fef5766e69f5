import type { ContentFeatures } from '@kuramori/contracts';
import { typeOfExtension } from '@kuramori/content';
import { baseName, type Finding, isCiphertext, isReadable, type Replacement } from '../observation';

/** A new file nobody can read appeared and the readable one it was made from is gone. Compressors and converters leave readable output. */
export function writeNewDeleteOld({ path, before, after, newPath, how }: Replacement): Finding | undefined {
  if (how !== 'new-and-deleted' || newPath === undefined || !isCiphertext(after)) return undefined;
  if (before === undefined) {
    // The vault hasn't told yet what it held: its name, with something appended, speaks more quietly.
    if (typeOfExtension(baseName(path)) === '' || !newPath.startsWith(`${path}.`)) return undefined;
    return {
      indicator: 'write-new-delete-old',
      path,
      weight: 12,
      technique: 'T1486',
      summary: `${baseName(path)} is gone; beside it stands ${baseName(newPath)}, which nobody can read`,
    };
  }
  if (!isReadable(before)) return undefined;
  return {
    indicator: 'write-new-delete-old',
    path,
    weight: 25,
    technique: 'T1486',
    summary: `${baseName(path)} is gone; in its place stands ${baseName(newPath)}, which nobody can read`,
  };
}

/**
 * A copy nobody can read beside a file whose name it bears: no harm by itself (backups do so), but in a tree that is attacking it tells whose work it is.
 * Weight 0: it names members, it never adds up.
 */
export function unreadableCopy(newPath: string, after: ContentFeatures): Finding | undefined {
  const name = baseName(newPath);
  const original = name.slice(0, name.lastIndexOf('.'));
  if (!isCiphertext(after) || typeOfExtension(original) === '') return undefined;
  return {
    indicator: 'unreadable-copy',
    path: newPath,
    weight: 0,
    technique: 'T1486',
    summary: `${name} was made beside ${original}; nobody can read it`,
  };
}
