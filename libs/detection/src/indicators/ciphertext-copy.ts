import { typeOfExtension } from '@kuramori/content';
import { baseName, type Features, type Finding, isCiphertext } from '../observation';

/** What people call an extension, also of programs that we don't know. */
const anyExtension = /\.[a-z][a-z0-9]{0,7}$/iu;

/**
 * A new file that nobody can read, named after a document (`plan.xlsx.enc`): innocent by itself, one half of an attack when the original goes. Where the file says
 * itself that it is encrypted, the document may be of any type: it weighs nothing, but whoever made it in an attacker's own tree is undone with it.
 */
export function ciphertextCopy(path: string, content: Features): Finding | undefined {
  const name = baseName(path);
  const dot = name.lastIndexOf('.');
  if (dot <= 0 || !isCiphertext(content)) return undefined;
  const original = name.slice(0, dot);
  if (typeOfExtension(original) === '' && !(content.structure === 'encrypted' && anyExtension.test(original))) return undefined;
  return {
    indicator: 'ciphertext-copy',
    kind: 'half',
    weight: 0,
    technique: 'T1486',
    summary: `${name} was made, a copy of ${original} that nobody can read`,
  };
}
