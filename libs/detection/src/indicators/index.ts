import { contentReplaced } from './content-replaced';
import { encodedCiphertext } from './encoded-ciphertext';
import type { Indicator } from './indicator';
import { intermittentEncryption } from './intermittent-encryption';
import { structureBroken } from './structure-broken';
import { wipe } from './wipe';
import { writeNewDeleteOld } from './write-new-delete-old';

/** Those that judge contents; the others look at names and times and are called where these happen. */
export const contentIndicators: readonly Indicator[] = [
  contentReplaced,
  structureBroken,
  intermittentEncryption,
  encodedCiphertext,
  wipe,
  writeNewDeleteOld,
];
