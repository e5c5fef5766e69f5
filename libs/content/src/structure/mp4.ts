/** ISO base media (ISO 14496-12): boxes follow each other to the end of the file. */
import type { Structure } from '@kuramori/contracts';
import type { WindowReader } from '../reader';

export function checkMp4(reader: WindowReader): Structure {
  let at = 0;
  let boxes = 0;
  while (at + 8 <= reader.sizeBytes && boxes < 10_000) {
    const size = reader.uint32(at, false);
    const type = reader.text(at + 4, 4);
    if (size === undefined || type.length < 4) return boxes > 0 ? 'unknown' : 'broken';
    if (!/^[\w\xa9 .-]{4}$/u.test(type)) return 'broken';
    boxes += 1;
    if (size === 0) return 'intact';
    let length = size;
    if (size === 1) {
      const high = reader.uint32(at + 8, false);
      const low = reader.uint32(at + 12, false);
      if (high === undefined || low === undefined) return 'unknown';
      length = high * 2 ** 32 + low;
    }
    if (length < 8) return 'broken';
    at += length;
  }
  return at > reader.sizeBytes + 8 ? 'broken' : 'intact';
}
