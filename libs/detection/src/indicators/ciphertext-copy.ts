import { typeOfExtension } from '@kuramori/content';
import { baseName, type Features, type Finding, isCiphertext } from '../observation';

/** A new file that nobody can read, named after a document (`plan.xlsx.enc`): innocent by itself, one half of an attack when the original goes. */
export function ciphertextCopy(path: string, content: Features): Finding | undefined {
  const name = baseName(path);
  const dot = name.lastIndexOf('.');
  if (dot <= 0 || typeOfExtension(name.slice(0, dot)) === '' || !isCiphertext(content)) return undefined;
  return {
    indicator: 'ciphertext-copy',
    kind: 'half',
    weight: 0,
    technique: 'T1486',
    summary: `${name} was made, a copy of ${name.slice(0, dot)} that nobody can read`,
  };
}
