/** PDF (ISO 32000): header, end, and the cross-reference where the end points; and streams that still are what they say. */
import type { Structure } from '@kuramori/contracts';
import { inflateSync } from 'node:zlib';
import { latin1, type WindowReader } from '../reader';

const probedStreams = 8;
const probeBytes = 64 * 1024;
/** Beginnings of streams that are looked at to find those, and how far before them their dictionary may begin. */
const lookedStreams = 256;
const dictionaryBytes = 1024;

export function checkPdf(reader: WindowReader): Structure {
  if (!reader.text(0, 1024).includes('%PDF-')) return 'broken';
  const tail = reader.tail(4096);
  const text = latin1(tail.bytes);
  const start = /startxref\s+(\d+)\s+%%EOF/u.exec(text);
  if (start === null) return reader.seesEnd && !text.includes('%%EOF') && !text.includes('startxref') ? 'broken' : 'unknown';
  const offset = Number(start[1]);
  const at = reader.text(offset, 64);
  // An offset that points nowhere is repaired by every reader: not a sign of encryption by itself.
  const reference = at === '' || /^\s*(?:xref|\d+\s+\d+\s+obj)/u.test(at);
  const streams = probeStreams(reader);
  if (streams.bad > 0 && streams.bad >= streams.good) return 'broken';
  return reference ? 'intact' : 'unknown';
}

/** Flate streams at hand must inflate; encrypted PDFs are left alone (their streams are ciphertext by design). */
function probeStreams(reader: WindowReader): { good: number; bad: number } {
  const bytes = reader.head;
  const text = latin1(bytes);
  const result = { good: 0, bad: 0 };
  if (text.includes('/Encrypt') || latin1(reader.tail(8192).bytes).includes('/Encrypt')) return result;
  let at = -1;
  for (let looked = 0; looked < lookedStreams && result.good + result.bad < probedStreams; looked += 1) {
    at = text.indexOf('stream', at + 1);
    if (at < 0) break;
    // One expression over the whole text would take hours for a text that was made for it.
    const dictionary = text.slice(Math.max(0, at - dictionaryBytes), at);
    const own = dictionary.slice(dictionary.lastIndexOf(' obj') + 1);
    const eol = /^\r?\n/u.exec(text.slice(at + 6, at + 8));
    if (eol === null || !/>>\s*$/u.test(own) || !/\/Filter\s*\[?\s*\/FlateDecode/u.test(own)) continue;
    const from = at + 6 + eol[0].length;
    const end = text.indexOf('endstream', from);
    if (end < 0 || end - from > probeBytes || end - from < 8) continue;
    try {
      inflateSync(bytes.subarray(from, end), { maxOutputLength: 16 * 1024 * 1024 });
      result.good += 1;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE') result.good += 1;
      else result.bad += 1;
    }
  }
  return result;
}
