/** SQLite 3 database files (sqlite.org/fileformat2): header, size, and the kinds of the b-tree pages at hand. */
import type { Structure } from '@kuramori/contracts';
import type { WindowReader } from '../reader';

const pageKinds = new Set([2, 5, 10, 13]);
/** First bytes of the other pages: overflow and freelist pages begin with a page number, in all but enormous files 0; pointer maps with 1 to 5. */
const otherKinds = new Set([0, 1, 3, 4]);
/** Enough to tell: random pages begin with one of these eight values once in 32. */
const judgedPages = 256;

export function checkSqlite(reader: WindowReader): Structure {
  const declared = reader.uint16(16, false);
  if (declared === undefined) return 'broken';
  const pageBytes = declared === 1 ? 65_536 : declared;
  if (pageBytes < 512 || (pageBytes & (pageBytes - 1)) !== 0) return 'broken';
  if (reader.uint8(21) !== 64 || reader.uint8(22) !== 32 || reader.uint8(23) !== 32) return 'broken';
  if (!pageKinds.has(reader.uint8(100) ?? 0)) return 'broken';
  let wrong = 0;
  let seen = 0;
  for (const at of reader.multiplesOf(pageBytes)) {
    if (at === 0) continue;
    if (seen === judgedPages) break;
    const kind = reader.uint8(at) ?? 0;
    seen += 1;
    if (!pageKinds.has(kind) && !otherKinds.has(kind)) wrong += 1;
  }
  return wrong > 2 && wrong > seen / 2 ? 'broken' : 'intact';
}
