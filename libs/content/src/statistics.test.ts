import { createCipheriv, randomBytes } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { addHistogram, chiSquareOf, looksRandom, randomShareOf, statisticsOf } from './statistics';

const ciphertext = (length: number): Buffer => createCipheriv('aes-256-ctr', randomBytes(32), randomBytes(16)).update(Buffer.alloc(length));
const statistics = (bytes: Uint8Array) => {
  const counts = new Uint32Array(256);
  addHistogram(bytes, 0, bytes.length, counts);
  return statisticsOf(counts);
};
/** Words in changing order: what documents hold before they are compressed. */
const text = Buffer.from(Array.from({ length: 60_000 }, (_, at) => ['plan', 'costs', '見積', 'of', String(at * 7919)][(at * at) % 5]).join(' '));

describe('figures of bytes', () => {
  it('are known by calculation for simple bytes', () => {
    expect(statistics(new Uint8Array())).toEqual({ bytes: 0, entropy: 0, chiSquare: 0, printableShare: 0, distinctBytes: 0 });
    expect(statistics(Uint8Array.of(0x41))).toEqual({ bytes: 1, entropy: 0, chiSquare: 255, printableShare: 1, distinctBytes: 1 });
    expect(statistics(Buffer.from('ABAB\0\0\0\0'))).toMatchObject({ entropy: 1.5, printableShare: 0.5, distinctBytes: 3 });
    const even = Uint8Array.from({ length: 4096 }, (_, at) => at % 256);
    expect(statistics(even)).toMatchObject({ entropy: 8, chiSquare: 0, distinctBytes: 256 });
    // All in one of 256 classes: (n − n/256)² / (n/256) + 255 · n/256 = 255 n.
    expect(chiSquareOf(Buffer.alloc(1000))).toBeCloseTo(255_000, 3);
  });
});

describe('what looks random', () => {
  it('is ciphertext of every size that can be judged', () => {
    for (const length of [4096, 16_384, 65_536, 262_144]) {
      const random = Array.from({ length: 50 }, () => ciphertext(length)).filter((bytes) => looksRandom(chiSquareOf(bytes), length));
      expect(random.length).toBeGreaterThanOrEqual(48); // 99.99 % each
    }
  });
  it('is neither text, nor zeros, nor a counter, nor base64 of ciphertext, nor 64 KiB of compressed text', () => {
    const counter = Uint8Array.from({ length: 65_536 }, (_, at) => at % 256);
    for (const bytes of [text.subarray(0, 65_536), Buffer.alloc(65_536), counter, Buffer.from(ciphertext(49_152).toString('base64'))])
      expect(randomShareOf([{ bytes }])).toBe(0);
    const compressed = deflateRawSync(text).subarray(0, 65_536);
    expect(looksRandom(chiSquareOf(compressed), compressed.length)).toBe(false);
  });
  it('is not judged below 512 bytes', () => {
    expect(randomShareOf([{ bytes: ciphertext(511) }])).toBeUndefined();
    expect(randomShareOf([])).toBeUndefined();
    expect(looksRandom(255, 511)).toBe(false);
  });
  it('is told as a share of the bytes', () => {
    const half = Buffer.concat([ciphertext(64 * 1024), Buffer.alloc(64 * 1024)]);
    expect(randomShareOf([{ bytes: half }])).toBeGreaterThan(0.3);
    expect(randomShareOf([{ bytes: half }])).toBeLessThanOrEqual(0.5);
  });
});
