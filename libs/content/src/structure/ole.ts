/** OLE2 compound files ([MS-CFB]): header, FAT and directory. */
import type { Structure } from '@kuramori/contracts';
import type { WindowReader } from '../reader';

export function checkOle(reader: WindowReader): Structure {
  const major = reader.uint16(26);
  const byteOrder = reader.uint16(28);
  const shift = reader.uint16(30);
  const directory = reader.uint32(48);
  if (byteOrder !== 0xfffe || (major !== 3 && major !== 4) || (shift !== 9 && shift !== 12) || directory === undefined) return 'broken';
  const sectorBytes = 2 ** shift;
  const at = (directory + 1) * sectorBytes;
  if (at + 128 > reader.sizeBytes) return 'broken';
  const first = reader.slice(at, 128);
  if (first === undefined) return 'unknown';
  const nameBytes = reader.uint16(at + 64) ?? 0;
  if (reader.uint8(at + 66) !== 5 || nameBytes < 2 || nameBytes > 64) return 'broken';
  for (let entry = 1; entry < 64; entry += 1) {
    const name = reader.text(at + entry * 128, 64).replaceAll('\0', '');
    const kind = reader.uint8(at + entry * 128 + 66);
    if (kind === undefined || (entry + 1) * 128 > sectorBytes * 8) break;
    if (name.startsWith('EncryptedPackage')) return 'encrypted';
  }
  // The first FAT sector: entries are free, end, special, or a sector that exists.
  const fat = reader.uint32(76);
  if (fat === undefined || fat >= 0xffff_fffa) return 'intact';
  const fatAt = (fat + 1) * sectorBytes;
  const sectors = Math.ceil(reader.sizeBytes / sectorBytes);
  let wrong = 0;
  let seen = 0;
  for (let index = 0; index < sectorBytes / 4; index += 1) {
    const next = reader.uint32(fatAt + index * 4);
    if (next === undefined) break;
    seen += 1;
    if (next < 0xffff_fff8 && next > sectors + 1) wrong += 1;
  }
  return seen > 16 && wrong > seen / 8 ? 'broken' : 'intact';
}
