import type { Finding, Replacement } from '../observation';
import { contentReplaced } from './content-replaced';
import { encodedCiphertext } from './encoded-ciphertext';
import { intermittentEncryption } from './intermittent-encryption';
import { structureBroken } from './structure-broken';
import { wipe } from './wipe';
import { writeNewDeleteOld } from './write-new-delete-old';

/** An indicator looks at one replaced content and says what it finds, or nothing. */
export type Indicator = (replacement: Replacement) => Finding | undefined;

/** Those that judge contents; the others look at names and times and are called where these happen. */
export const contentIndicators: readonly Indicator[] = [
  contentReplaced,
  structureBroken,
  intermittentEncryption,
  encodedCiphertext,
  wipe,
  writeNewDeleteOld,
];
