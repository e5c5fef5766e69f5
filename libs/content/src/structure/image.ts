/** JPEG (ITU T.81), PNG (W3C), GIF89a, TIFF 6.0. */
import type { Structure } from '@kuramori/contracts';
import { crc32 } from 'node:zlib';
import { latin1, type WindowReader } from '../reader';

export function checkImage(reader: WindowReader): Structure {
  const first = reader.uint8(0);
  if (first === 0xff) return checkJpeg(reader);
  if (first === 0x89) return checkPng(reader);
  return first === 0x47 ? checkGif(reader) : checkTiff(reader);
}

/** Markers up to the scan; in the scan 0xFF is followed only by 0x00, a restart marker, fill bytes or the next segment. */
function checkJpeg(reader: WindowReader): Structure {
  let at = 2;
  for (let segment = 0; segment < 512; segment += 1) {
    const marker = reader.uint16(at, false);
    if (marker === undefined) return 'unknown';
    if (marker === 0xffff) {
      at += 1;
      continue;
    }
    if (marker >>> 8 !== 0xff) return 'broken';
    const length = reader.uint16(at + 2, false);
    if (length === undefined) return 'unknown';
    if (length < 2) return 'broken';
    at += 2 + length;
    if (marker === 0xffda) return checkScan(reader, at);
  }
  return 'unknown';
}

function checkScan(reader: WindowReader, from: number): Structure {
  const windowBytes = 64 * 1024;
  let judged = 0;
  let wrong = 0;
  for (let offset = from; offset < reader.sizeBytes && judged < 16; offset += windowBytes) {
    const bytes = reader.available(offset, windowBytes);
    if (bytes.length > 1) judged += 1;
    for (let index = 0; index + 1 < bytes.length; index += 1) {
      if (bytes[index] !== 0xff) continue;
      const next = bytes[index + 1] ?? 0;
      if (next === 0xd9) return wrong > 2 ? 'broken' : 'intact';
      // 0xC0–0xFE: segments of a progressive picture; 0x01–0xBF is reserved and never written.
      if (next !== 0 && next !== 0xff && next < 0xc0) wrong += 1;
    }
  }
  return wrong > 2 ? 'broken' : 'intact';
}

function checkPng(reader: WindowReader): Structure {
  let at = 8;
  for (let chunk = 0; chunk < 2000; chunk += 1) {
    const length = reader.uint32(at, false);
    const type = reader.text(at + 4, 4);
    if (length === undefined || type.length < 4) return at >= reader.sizeBytes ? 'broken' : 'unknown';
    if (!/^[A-Za-z]{4}$/u.test(type) || length > 0x7fff_ffff || (chunk === 0 && type !== 'IHDR')) return 'broken';
    const body = reader.slice(at + 4, length + 4);
    const checksum = reader.uint32(at + 8 + length, false);
    if (body !== undefined && checksum !== undefined && crc32(body) !== checksum) return 'broken';
    if (at + 12 + length > reader.sizeBytes) return 'broken';
    at += 12 + length;
    if (type === 'IEND') return 'intact';
  }
  return 'unknown';
}

function checkGif(reader: WindowReader): Structure {
  const flags = reader.uint8(10);
  if (flags === undefined) return 'broken';
  let at = 13 + ((flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1));
  let images = 0;
  for (let block = 0; block < 20_000; block += 1) {
    const kind = reader.uint8(at);
    if (kind === undefined) return 'unknown';
    // The trailer is one byte, which chance brings: without a picture before it, it says nothing.
    if (kind === 0x3b) return images > 0 ? 'intact' : 'unknown';
    if (kind === 0x21) at += 2;
    else if (kind === 0x2c) {
      const local = reader.uint8(at + 9);
      if (local === undefined) return 'unknown';
      at += 10 + ((local & 0x80) === 0 ? 0 : 3 * 2 ** ((local & 7) + 1));
      const codeBits = reader.uint8(at);
      if (codeBits === undefined) return 'unknown';
      if (codeBits < 2 || codeBits > 8) return 'broken';
      at += 1;
      images += 1;
    } else return 'broken';
    for (;;) {
      const length = reader.uint8(at);
      if (length === undefined) return 'unknown';
      at += length + 1;
      if (length === 0) break;
    }
  }
  return 'unknown';
}

function checkTiff(reader: WindowReader): Structure {
  const little = latin1(reader.available(0, 2)) === 'II';
  const directory = reader.uint32(4, little);
  if (directory === undefined || directory < 8 || directory >= reader.sizeBytes) return 'broken';
  const count = reader.uint16(directory, little);
  if (count === undefined) return 'unknown';
  if (count === 0 || count > 1000) return 'broken';
  let previous = 0;
  for (let entry = 0; entry < count; entry += 1) {
    const tag = reader.uint16(directory + 2 + entry * 12, little);
    const type = reader.uint16(directory + 4 + entry * 12, little);
    if (tag === undefined || type === undefined) return 'unknown';
    // Tags ascend by the specification; some writers leave the order, none leaves the types.
    if (type === 0 || type > 18) return 'broken';
    previous = Math.max(previous, tag);
  }
  return previous > 0 ? 'intact' : 'broken';
}
