/** ZIP (PKWARE APPNOTE 6.3): end record, central directory and local headers must agree. */
import type { Structure } from '@kuramori/contracts';
import { crc32, inflateRawSync } from 'node:zlib';
import { lastIndexOf, view, type WindowReader } from '../reader';

const endRecordBytes = 22;
const commentLimit = 65_535;
/** Entries verified by their CRC: the first ones that are small and at hand. */
const verifiedEntries = 64;
const verifiedBytes = 1024 * 1024;

export function checkZip(reader: WindowReader): Structure {
  const tail = reader.tail(endRecordBytes + commentLimit);
  const end = lastIndexOf(tail.bytes, 'PK\x05\x06');
  // Without its end record a ZIP can't be opened; a window that shows only part of the last 64 KiB still holds a record without a comment.
  if (end < 0) return reader.seesEnd ? 'broken' : 'unknown';
  const record = view(tail.bytes.subarray(end));
  if (record.byteLength < endRecordBytes) return 'broken';
  const entries = record.getUint16(10, true);
  const directoryBytes = record.getUint32(12, true);
  const directoryOffset = record.getUint32(16, true);
  if (directoryOffset === 0xffff_ffff || entries === 0xffff) return 'intact';
  if (entries === 0) return 'intact';
  // Bytes in front of the archive (self-extracting) shift all offsets.
  const shift = tail.offset + end - directoryBytes - directoryOffset;
  if (shift < 0) return 'broken';
  const directory = reader.slice(directoryOffset + shift, directoryBytes);
  if (directory === undefined) return localHeader(reader, shift) ?? 'unknown';
  return walk(reader, directory, entries, shift);
}

function localHeader(reader: WindowReader, offset: number): Structure | undefined {
  const flags = reader.uint16(offset + 6);
  if (flags === undefined || reader.text(offset, 4) !== 'PK\x03\x04') return reader.slice(offset, 4) === undefined ? undefined : 'broken';
  return (flags & 1) === 0 ? undefined : 'encrypted';
}

function walk(reader: WindowReader, directory: Uint8Array, entries: number, shift: number): Structure {
  const data = view(directory);
  let at = 0;
  let encrypted = 0;
  let verified = 0;
  for (let entry = 0; entry < entries; entry += 1) {
    if (at + 46 > directory.length || data.getUint32(at, true) !== 0x0201_4b50) return 'broken';
    const flags = data.getUint16(at + 8, true);
    const method = data.getUint16(at + 10, true);
    const checksum = data.getUint32(at + 16, true);
    const compressed = data.getUint32(at + 20, true);
    const plain = data.getUint32(at + 24, true);
    const nameBytes = data.getUint16(at + 28, true);
    const localOffset = data.getUint32(at + 42, true) + shift;
    at += 46 + nameBytes + data.getUint16(at + 30, true) + data.getUint16(at + 32, true);
    if ((flags & 1) !== 0) encrypted += 1;
    const magic = reader.slice(localOffset, 4);
    if (magic !== undefined && view(magic).getUint32(0, true) !== 0x0403_4b50) return 'broken';
    const small = plain <= verifiedBytes && compressed <= verifiedBytes;
    if ((flags & 1) === 0 && magic !== undefined && small && verified < verifiedEntries && (method === 0 || method === 8)) {
      const result = verify(reader, localOffset, { method, checksum, compressed, plain });
      if (result === false) return 'broken';
      if (result === true) verified += 1;
    }
  }
  return encrypted > 0 ? 'encrypted' : 'intact';
}

/** True when the entry's bytes give its checksum, false when they don't, undefined when they aren't all at hand. */
function verify(
  reader: WindowReader,
  offset: number,
  entry: { method: number; checksum: number; compressed: number; plain: number },
): boolean | undefined {
  const nameBytes = reader.uint16(offset + 26);
  const extraBytes = reader.uint16(offset + 28);
  if (nameBytes === undefined || extraBytes === undefined) return undefined;
  const body = reader.slice(offset + 30 + nameBytes + extraBytes, entry.compressed);
  if (body === undefined) return undefined;
  try {
    const plain = entry.method === 0 ? body : inflateRawSync(body, { maxOutputLength: verifiedBytes + 1 });
    return crc32(plain) === entry.checksum;
  } catch {
    return false;
  }
}
