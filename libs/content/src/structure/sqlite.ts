/** SQLite 3 database files (sqlite.org/fileformat2): header, size, and the kinds of the b-tree pages at hand. */
import type { Structure } from '@kuramori/contracts';
import type { WindowReader } from '../reader';

const pageKinds = new Set([2, 5, 10, 13]);

export function checkSqlite(reader: WindowReader): Structure {
  const declared = reader.uint16(16, false);
  if (declared === undefined) return 'broken';
  const pageBytes = declared === 1 ? 65_536 : declared;
  if (pageBytes < 512 || (pageBytes & (pageBytes - 1)) !== 0) return 'broken';
  if (reader.uint8(21) !== 64 || reader.uint8(22) !== 32 || reader.uint8(23) !== 32) return 'broken';
  if (!pageKinds.has(reader.uint8(100) ?? 0)) return 'broken';
  return 'intact';
}
