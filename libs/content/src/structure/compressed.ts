/** gzip (RFC 1952), xz, 7z, RAR: the containers' own headers, and the beginning of the compressed data where it can be read. */
import type { Structure } from '@kuramori/contracts';
import { constants, crc32, gunzipSync } from 'node:zlib';
import { latin1, type WindowReader } from '../reader';

export function checkCompressed(reader: WindowReader): Structure {
  const first = reader.uint8(0);
  if (first === 0x1f) return checkGzip(reader);
  if (first === 0xfd) return reader.seesEnd ? (reader.text(reader.sizeBytes - 2, 2) === 'YZ' ? 'intact' : 'unknown') : 'unknown';
  return first === 0x37 ? check7z(reader) : checkRar(reader);
}

function checkGzip(reader: WindowReader): Structure {
  try {
    // A window that ends in the middle is no error; bits that can't be are.
    const plain = gunzipSync(reader.head, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: 64 * 1024 * 1024 });
    // Nothing came out: a header that goes on and on, or the empty file.
    return plain.length > 0 || reader.sizeBytes < 64 ? 'intact' : 'unknown';
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE') return 'intact';
    // Other data behind the last member is allowed; a broken first member isn't.
    return 'broken';
  }
}

/** 7zFormat.txt: the start header points to the end header; coder 06F10701 is AES. An encoded header that is itself encrypted shows the coder too. */
function check7z(reader: WindowReader): Structure {
  const offset = reader.uint32(12);
  const offsetHigh = reader.uint32(16);
  const size = reader.uint32(20);
  if (offset === undefined || offsetHigh === undefined || size === undefined) return 'broken';
  const at = 32 + offset + offsetHigh * 2 ** 32;
  if (at + size > reader.sizeBytes) return 'broken';
  const header = reader.available(at, size);
  if (header.length === 0) return 'unknown';
  if (![0x01, 0x17].includes(header[0] ?? 0)) return 'broken';
  return latin1(header).includes('\x06\xf1\x07\x01') ? 'encrypted' : 'intact';
}

/**
 * RAR 5 technote: an archive encryption header (type 4) right after the signature; RAR 4: flag 0x80 of the main header, or 0x04 of a file. The first header's own
 * checksum tells it from chance.
 */
function checkRar(reader: WindowReader): Structure {
  return reader.text(6, 2) === '\x01\0' ? checkRar5(reader) : checkRar4(reader);
}

function checkRar5(reader: WindowReader): Structure {
  const checksum = reader.uint32(8);
  const size = reader.uint8(12);
  // A size of more than one byte is allowed, and written by nobody for a first header.
  if (size !== undefined && size > 127) return 'unknown';
  const header = size === undefined ? undefined : reader.slice(12, 1 + size);
  if (checksum === undefined || header === undefined || header.length < 2 || crc32(header) !== checksum) return 'broken';
  return header[1] === 4 ? 'encrypted' : 'intact';
}

function checkRar4(reader: WindowReader): Structure {
  const size = reader.uint16(12);
  const header = size === undefined || size < 7 ? undefined : reader.slice(9, size - 2);
  if (header?.[0] !== 0x73 || (crc32(header) & 0xffff) !== reader.uint16(7)) return 'broken';
  const mainFlags = reader.uint16(10) ?? 0;
  const fileFlags = reader.uint16(7 + (size ?? 0) + 3) ?? 0;
  return (mainFlags & 0x80) !== 0 || (fileFlags & 0x04) !== 0 ? 'encrypted' : 'intact';
}
