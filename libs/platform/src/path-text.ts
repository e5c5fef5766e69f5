/**
 * Paths as text without loss. A path on Linux is bytes; JSON, NATS and SQLite carry Unicode. Valid UTF-8 stands as it is; every other byte 0xNN becomes
 * U+F00NN (plane 15, private use). Bytes that spell such a character themselves are mapped too, so that the mapping can be undone exactly.
 */
const offset = 0xf_0000;
const suspicious = /[�\u{F0000}-\u{F00FF}]/u;

/** Bytes of a path → path text. */
export function pathFromBytes(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  // U+FFFD appears for invalid bytes, but may also stand in the name itself.
  if (!suspicious.test(text)) return text;
  let result = '';
  for (let at = 0; at < bytes.length;) {
    const length = validSequenceLength(bytes, at);
    const piece = length === 0 ? '' : bytes.toString('utf8', at, at + length);
    if (length === 0 || (length === 4 && isMapped(piece.codePointAt(0) ?? 0))) {
      const count = Math.max(1, length);
      for (let index = 0; index < count; index += 1) result += String.fromCodePoint(offset + (bytes[at + index] ?? 0));
      at += count;
    } else {
      result += piece;
      at += length;
    }
  }
  return result;
}

/** Path text → the bytes the system calls need. */
export function pathToBytes(text: string): Buffer {
  if (!suspicious.test(text)) return Buffer.from(text, 'utf8');
  const pieces: Buffer[] = [];
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    pieces.push(isMapped(code) ? Buffer.from([code - offset]) : Buffer.from(character, 'utf8'));
  }
  return Buffer.concat(pieces);
}

/** What node:fs takes: the text itself where it is plain, bytes where it is mapped. */
export function fsPath(text: string): string | Buffer {
  return suspicious.test(text) ? pathToBytes(text) : text;
}

function isMapped(code: number): boolean {
  return code >= offset && code <= offset + 0xff;
}

/** Length of the well-formed UTF-8 sequence at `at` (RFC 3629), 0 where there is none. */
function validSequenceLength(bytes: Buffer, at: number): number {
  const first = bytes[at] ?? 0;
  if (first < 0x80) return 1;
  const length = first >= 0xc2 && first <= 0xdf ? 2 : first >= 0xe0 && first <= 0xef ? 3 : first >= 0xf0 && first <= 0xf4 ? 4 : 0;
  if (length === 0 || at + length > bytes.length) return 0;
  for (let index = 1; index < length; index += 1) {
    const next = bytes[at + index] ?? 0;
    if (next < 0x80 || next > 0xbf) return 0;
  }
  const second = bytes[at + 1] ?? 0;
  if (
    (first === 0xe0 && second < 0xa0) ||
    (first === 0xed && second > 0x9f) ||
    (first === 0xf0 && second < 0x90) ||
    (first === 0xf4 && second > 0x8f)
  )
    return 0;
  return length;
}
