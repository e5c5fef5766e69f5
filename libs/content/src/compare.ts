import type { BlockComparison } from '@kuramori/contracts';
import type { ContentWindow } from './features';
import { chiSquareOf, looksRandom } from './statistics';

const blockBytes = 4096;
/** Pieces of a block: intermittent encryption changes some and leaves others (every other 16 bytes, 64-byte pieces). */
const pieceBytes = 16;
/** 16 KiB around a block are judged with it: 4 KiB alone can't tell deflate from ciphertext. */
const neighbourhoodBytes = 16 * 1024;

export interface ComparedContent {
  readonly sizeBytes: number;
  readonly windows: readonly ContentWindow[];
}

/** Compares two contents where the plan had both read; blocks are judged at the same offsets, likeness by what is in them wherever it stands. */
export function compareContents(before: ComparedContent, after: ComparedContent): BlockComparison {
  let compared = 0;
  let changed = 0;
  let turnedRandom = 0;
  for (const old of before.windows) {
    const now = after.windows.find((window) => window.offset === old.offset);
    if (now === undefined) continue;
    const length = Math.min(old.bytes.length, now.bytes.length);
    for (let from = 0; from < length; from += blockBytes) {
      const to = Math.min(length, from + blockBytes);
      compared += 1;
      if (same(old.bytes, now.bytes, from, to)) continue;
      changed += 1;
      if (becameRandom(old.bytes, now.bytes, from, to, length)) turnedRandom += 1;
    }
  }
  return {
    comparedBlocks: compared,
    changedShare: compared === 0 ? 0 : changed / compared,
    turnedRandomShare: compared === 0 ? 0 : turnedRandom / compared,
    similarity: similarityOf(before.windows, after.windows),
  };
}

function same(a: Uint8Array, b: Uint8Array, from: number, to: number): boolean {
  for (let index = from; index < to; index += 1) if (a[index] !== b[index]) return false;
  return true;
}

function becameRandom(before: Uint8Array, after: Uint8Array, from: number, to: number, length: number): boolean {
  const size = to - from;
  if (size >= 512) {
    const blockChi = chiSquareOf(after, from, to);
    if (looksRandom(blockChi, size) && !looksRandom(chiSquareOf(before, from, to), size)) {
      const start = Math.max(0, Math.min(from, length - neighbourhoodBytes));
      const end = Math.min(length, start + neighbourhoodBytes);
      // Where the neighbours are not random either the block itself must be: the head alone may have been encrypted.
      const neighbours = chiSquareOf(after, start, end);
      if (looksRandom(neighbours, end - start) || blockChi < 300) return true;
    }
  }
  return mixedPieces(before, after, from, to);
}

/** Some aligned pieces changed completely while others stayed as they were, many times over: what no editor does. */
function mixedPieces(before: Uint8Array, after: Uint8Array, from: number, to: number): boolean {
  let replaced = 0;
  let kept = 0;
  let switches = 0;
  let last = 0;
  for (let piece = from; piece + pieceBytes <= to; piece += pieceBytes) {
    let differing = 0;
    for (let index = 0; index < pieceBytes; index += 1) if (before[piece + index] !== after[piece + index]) differing += 1;
    const state = differing === 0 ? 1 : differing >= pieceBytes - 3 ? 2 : 0;
    if (state === 1) kept += 1;
    if (state === 2) replaced += 1;
    if (state !== 0 && last !== 0 && state !== last) switches += 1;
    if (state !== 0) last = state;
  }
  const pieces = Math.floor((to - from) / pieceBytes);
  return pieces >= 32 && replaced >= pieces / 8 && kept >= pieces / 8 && switches >= pieces / 8;
}

const shingleBytes = 32;
const keptShingles = 256;

/** Likeness by the smallest hashes of what stands at content-defined places (min-hash): an insertion moves bytes, not their neighbours. */
function similarityOf(before: readonly ContentWindow[], after: readonly ContentWindow[]): number {
  const a = sketch(before);
  const b = sketch(after);
  if (a.size === 0 && b.size === 0)
    return before.length === after.length && before.every(({ bytes }, index) => equal(bytes, after[index]?.bytes)) ? 1 : 0;
  if (a.size === 0 || b.size === 0) return 0;
  let common = 0;
  for (const hash of a) if (b.has(hash)) common += 1;
  return common / Math.min(a.size, b.size);
}

function equal(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return a.length === b?.length && same(a, b, 0, a.length);
}

/** FNV-1a over 32 bytes at every position whose rolling sum says so (about one in 32). */
function sketch(windows: readonly ContentWindow[]): Set<number> {
  const hashes: number[] = [];
  for (const { bytes } of windows) {
    let rolling = 0;
    for (let index = 0; index < bytes.length; index += 1) {
      rolling = (Math.imul(rolling, 31) + (bytes[index] ?? 0) - Math.imul(bytes[index - 8] ?? 0, 852_891_037_441 | 0)) | 0;
      if (index < shingleBytes || ((rolling ^ (rolling >>> 15)) & 31) !== 7) continue;
      let hash = 0x811c_9dc5;
      for (let back = index - shingleBytes; back < index; back += 1) hash = Math.imul(hash ^ (bytes[back] ?? 0), 0x0100_0193);
      hashes.push(hash >>> 0);
    }
  }
  return new Set([...new Set(hashes)].sort((x, y) => x - y).slice(0, keptShingles));
}
