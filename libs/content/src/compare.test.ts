import { createCipheriv, randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareContents } from './compare';
import { planComparison, planSample } from './plan';

const encrypt = (bytes: Uint8Array): Buffer => createCipheriv('aes-256-ctr', randomBytes(32), randomBytes(16)).update(bytes);
const text = Buffer.from(Array.from({ length: 30_000 }, (_, at) => `line ${at * 7919} of the plan\n`).join(''));

function compare(before: Uint8Array, after: Uint8Array) {
  const plan = planComparison(before.length, after.length);
  const windows = (bytes: Uint8Array) => plan.map(({ offset, length }) => ({ offset, bytes: bytes.subarray(offset, offset + length) }));
  return compareContents({ sizeBytes: before.length, windows: windows(before) }, { sizeBytes: after.length, windows: windows(after) });
}
/** Encrypts the pieces of `size` bytes for which `chosen` says so. */
function intermittent(bytes: Buffer, size: number, chosen: (piece: number) => boolean): Buffer {
  const cipher = encrypt(bytes);
  const result = Buffer.from(bytes);
  for (let at = 0; at < bytes.length; at += size) if (chosen(at / size)) cipher.copy(result, at, at, at + size);
  return result;
}

describe('old against new', () => {
  it('nothing changed', () => {
    expect(compare(text, text)).toMatchObject({ changedShare: 0, turnedRandomShare: 0, similarity: 1 });
    expect(compare(Buffer.alloc(0), Buffer.alloc(0))).toEqual({ comparedBlocks: 0, changedShare: 0, turnedRandomShare: 0, similarity: 1 });
  });
  it('all of it was encrypted', () => {
    const { changedShare, turnedRandomShare, similarity } = compare(text, encrypt(text));
    expect(changedShare).toBe(1);
    expect(turnedRandomShare).toBeGreaterThan(0.95);
    expect(similarity).toBeLessThan(0.05);
  });
  it.each<[string, number, (piece: number) => boolean]>([
    ['every other 16 bytes (LockFile)', 16, (piece) => piece % 2 === 0],
    ['every other 64 bytes (Black Basta)', 64, (piece) => piece % 2 === 0],
    ['the first 4 KiB (LockBit)', 4096, (piece) => piece === 0],
    ['every other MiB (Play), of which one is there', 256 * 1024, (piece) => piece % 2 === 0],
  ])('%s were encrypted', (_what, size, chosen) => {
    const { changedShare, turnedRandomShare } = compare(text, intermittent(text, size, chosen));
    expect(changedShare).toBeGreaterThan(0);
    expect(turnedRandomShare).toBeGreaterThan(0);
  });
  it('a line was added at the beginning: likeness does not depend on the place', () => {
    const small = text.subarray(0, 200_000);
    const { turnedRandomShare, similarity } = compare(small, Buffer.concat([Buffer.from('a new line\n'), small]));
    expect(turnedRandomShare).toBe(0);
    expect(similarity).toBeGreaterThan(0.9);
  });
  it('other innocent work turns no block random: another text, zeros, a new compression of what was compressed', () => {
    const other = Buffer.from(text.toString().replaceAll('plan', 'memo').replaceAll('1', '5'));
    expect(compare(text, other).turnedRandomShare).toBe(0);
    expect(compare(text, Buffer.alloc(text.length)).turnedRandomShare).toBe(0);
    expect(compare(encrypt(text), encrypt(text)).turnedRandomShare).toBeLessThan(0.02);
    expect(compare(gzipSync(text, { level: 1 }), gzipSync(text, { level: 9 })).turnedRandomShare).toBeLessThan(0.2);
  });
  it('base64 of ciphertext is no random block, but has nothing in common with what was there', () => {
    const encoded = Buffer.from(encrypt(text).toString('base64'));
    expect(compare(text, encoded)).toMatchObject({ changedShare: 1, turnedRandomShare: 0, similarity: 0 });
  });
  it('gives shares between 0 and 1 for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 9000 }), fc.uint8Array({ maxLength: 9000 }), (before, after) => {
        const { changedShare, turnedRandomShare, similarity } = compare(before, after);
        for (const share of [changedShare, turnedRandomShare, similarity]) expect(share >= 0 && share <= 1).toBe(true);
        expect(turnedRandomShare).toBeLessThanOrEqual(changedShare);
      }),
    );
  });
});

describe('what is read of a file', () => {
  it('is within it, in order, without overlap, with its beginning and its end, and bounded', () => {
    fc.assert(
      fc.property(fc.oneof(fc.nat({ max: 2_000_000 }), fc.maxSafeNat()), (sizeBytes) => {
        const plan = planSample(sizeBytes);
        let end = 0;
        for (const { offset, length } of plan) {
          expect(offset).toBeGreaterThanOrEqual(end);
          expect(length).toBeGreaterThan(0);
          end = offset + length;
        }
        expect(end).toBe(sizeBytes);
        expect(plan[0]?.offset ?? 0).toBe(0);
        expect(plan.reduce((sum, { length }) => sum + length, 0)).toBeLessThanOrEqual(448 * 1024);
      }),
    );
  });
});
