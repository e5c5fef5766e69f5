/** Whether bytes are text, and in which encoding. */
export type TextEncodingName = 'utf-8' | 'utf-16le' | 'utf-16be' | 'shift_jis' | 'euc-jp' | 'latin-1';

const utf8 = new TextDecoder('utf-8', { fatal: true });
const decoders = { shift_jis: new TextDecoder('shift_jis', { fatal: true }), 'euc-jp': new TextDecoder('euc-jp', { fatal: true }) } as const;

/** Control characters that text doesn't hold (form feed, escape and the DOS end-of-file mark do occur). */
function controlShare(bytes: Uint8Array): number {
  let control = 0;
  for (const value of bytes) {
    if (
      (value < 0x20 && value !== 9 && value !== 10 && value !== 13 && value !== 12 && value !== 27 && value !== 26 && value !== 8) ||
      value === 0x7f
    )
      control += 1;
  }
  return bytes.length === 0 ? 0 : control / bytes.length;
}

/** A smaller file is one window, which begins and ends with a character: with up to six bytes left out nearly every few bytes would read as anything. */
const smallestCutBytes = 256;

/** A window may begin and end inside a character: at most 3 bytes at either side are not judged. */
function decodes(bytes: Uint8Array, decoder: { decode(input: Uint8Array): string }): boolean {
  const frames = bytes.length < smallestCutBytes ? 1 : 4;
  for (let start = 0; start < frames; start += 1) {
    for (let cut = 0; cut < frames; cut += 1) {
      try {
        decoder.decode(bytes.subarray(start, Math.max(start, bytes.length - cut)));
        return true;
      } catch {
        // Try the next frame.
      }
    }
  }
  return false;
}

/** The encoding in which a window reads as text, or undefined. */
export function textEncodingOf(bytes: Uint8Array): TextEncodingName | undefined {
  if (bytes.length === 0) return undefined;
  if (bytes.length >= 4 && bytes.length % 2 === 0) {
    const little = zeroShare(bytes, 1);
    const big = zeroShare(bytes, 0);
    if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (little > 0.4 && big < 0.05)) return 'utf-16le';
    if ((bytes[0] === 0xfe && bytes[1] === 0xff) || (big > 0.4 && little < 0.05)) return 'utf-16be';
  }
  if (controlShare(bytes) > 0.002) return undefined;
  if (decodes(bytes, utf8)) return 'utf-8';
  if (decodes(bytes, decoders.shift_jis)) return 'shift_jis';
  if (decodes(bytes, decoders['euc-jp'])) return 'euc-jp';
  let high = 0;
  for (const value of bytes) if (value >= 0x80) high += 1;
  return high / bytes.length < 0.3 ? 'latin-1' : undefined;
}

function zeroShare(bytes: Uint8Array, from: number): number {
  let zeros = 0;
  for (let index = from; index < bytes.length; index += 2) if (bytes[index] === 0) zeros += 1;
  return zeros / Math.ceil(bytes.length / 2);
}
