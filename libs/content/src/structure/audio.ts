/** MP3 frames, Ogg pages (RFC 3533), FLAC metadata blocks, RIFF chunks. */
import type { Structure } from '@kuramori/contracts';
import type { WindowReader } from '../reader';
import { mpegFrameBytes } from '../types';

export function checkAudio(reader: WindowReader): Structure {
  const magic = reader.text(0, 4);
  if (magic === 'RIFF') return checkRiff(reader);
  if (magic === 'OggS') return checkOgg(reader);
  if (magic === 'fLaC') return checkFlac(reader);
  return checkMp3(reader);
}

function checkRiff(reader: WindowReader): Structure {
  let at = 12;
  for (let chunk = 0; chunk < 1000 && at + 8 <= reader.sizeBytes; chunk += 1) {
    const name = reader.text(at, 4);
    const size = reader.uint32(at + 4);
    if (name.length < 4 || size === undefined) return chunk === 0 ? 'broken' : 'unknown';
    if (!/^[\x20-\x7e]{4}$/u.test(name)) return chunk === 0 ? 'broken' : 'unknown';
    at += 8 + size + (size & 1);
  }
  // A chunk that reaches beyond the end was cut, or its size is chance. An odd last chunk may lack its padding.
  return at > reader.sizeBytes + 1 ? 'unknown' : 'intact';
}

function checkOgg(reader: WindowReader): Structure {
  let at = 0;
  for (let page = 0; page < 5000 && at < reader.sizeBytes; page += 1) {
    const magic = reader.text(at, 4);
    if (magic.length < 4) return 'unknown';
    if (magic !== 'OggS') return 'broken';
    const flags = reader.uint8(at + 5);
    if (reader.uint8(at + 4) !== 0 || flags === undefined || flags > 7) return at + 6 > reader.sizeBytes ? 'unknown' : 'broken';
    const segments = reader.uint8(at + 26);
    const table = segments === undefined ? undefined : reader.slice(at + 27, segments);
    if (segments === undefined || table === undefined) return 'unknown';
    at += 27 + segments + table.reduce((sum, length) => sum + length, 0);
  }
  // A last page that reaches beyond the end was cut.
  return at === reader.sizeBytes ? 'intact' : 'unknown';
}

const streamInfoBytes = 34;

function checkFlac(reader: WindowReader): Structure {
  let at = 4;
  for (let block = 0; block < 128; block += 1) {
    const header = reader.uint32(at, false);
    if (header === undefined) return 'unknown';
    const kind = (header >>> 24) & 0x7f;
    // The stream's own description comes first and has a fixed length.
    if (block === 0 && (header & 0x7fff_ffff) !== streamInfoBytes) return 'broken';
    if ((kind > 6 && kind < 127) || kind === 127) return 'broken';
    at += 4 + (header & 0xff_ffff);
    if (header >>> 31 === 1) {
      const sync = reader.uint16(at, false);
      return sync === undefined ? 'unknown' : sync >>> 2 === 0x3ffe ? 'intact' : 'broken';
    }
  }
  return 'unknown';
}

/** After the ID3 tag, frames must follow each other: a few in a row are enough. */
function checkMp3(reader: WindowReader): Structure {
  let at = 0;
  if (reader.text(0, 3) === 'ID3') {
    const size = reader.slice(6, 4);
    if (size === undefined || size.some((value) => value > 127)) return 'broken';
    at = 10 + size.reduce((sum, value) => sum * 128 + value, 0);
  }
  // Padding before the first frame is common.
  const search = reader.available(at, 8192);
  if (search.length < 8) return 'unknown';
  for (let skipped = 0; skipped < Math.min(4096, search.length); skipped += 1) {
    const length = mpegFrameBytes(reader, at + skipped);
    if (length === undefined) continue;
    const second = mpegFrameBytes(reader, at + skipped + length);
    if (second !== undefined) return 'intact';
  }
  return 'unknown';
}
