/** Figures of byte histograms. Chi-square against the uniform distribution (255 degrees of freedom): random bytes give 255 ± 22.6 at every size from about 512 bytes. */
export interface ByteStatistics {
  readonly bytes: number;
  readonly entropy: number;
  readonly chiSquare: number;
  readonly printableShare: number;
  readonly distinctBytes: number;
}

/** +3.8 standard deviations: 99.99 % of random windows lie below. */
export const randomChiSquareLimit = 340;
/** −4.5 standard deviations: bytes spread more evenly than chance are a counter or a table, not ciphertext. */
const evenChiSquareLimit = 155;
/** Below this the histogram says too little. */
export const smallestRandomBytes = 512;

export function addHistogram(bytes: Uint8Array, from: number, to: number, counts: Uint32Array): void {
  for (let index = from; index < to; index += 1) {
    const value = bytes[index] ?? 0;
    counts[value] = (counts[value] ?? 0) + 1;
  }
}

export function statisticsOf(counts: Uint32Array): ByteStatistics {
  let bytes = 0;
  for (const count of counts) bytes += count;
  if (bytes === 0) return { bytes: 0, entropy: 0, chiSquare: 0, printableShare: 0, distinctBytes: 0 };
  const expected = bytes / 256;
  let entropy = 0;
  let chiSquare = 0;
  let printable = 0;
  let distinctBytes = 0;
  for (let value = 0; value < 256; value += 1) {
    const count = counts[value] ?? 0;
    chiSquare += ((count - expected) * (count - expected)) / expected;
    if (count === 0) continue;
    distinctBytes += 1;
    entropy -= (count / bytes) * Math.log2(count / bytes);
    if ((value >= 0x20 && value < 0x7f) || value === 0x09 || value === 0x0a || value === 0x0d) printable += count;
  }
  return { bytes, entropy: Math.min(8, Math.max(0, entropy)), chiSquare, printableShare: printable / bytes, distinctBytes };
}

export function chiSquareOf(bytes: Uint8Array, from = 0, to = bytes.length): number {
  const counts = new Uint32Array(256);
  addHistogram(bytes, from, to, counts);
  return statisticsOf(counts).chiSquare;
}

/** Whether these bytes can't be told from random ones. */
export function looksRandom(chiSquare: number, bytes: number): boolean {
  return bytes >= smallestRandomBytes && chiSquare < randomChiSquareLimit && chiSquare > evenChiSquareLimit;
}

const pieceBytes = 16 * 1024;

/** Share of 16 KiB pieces (the rest of a window counts when it is large enough) that look random, weighted by bytes; undefined when everything is too small. */
export function randomShareOf(windows: readonly { readonly bytes: Uint8Array }[]): number | undefined {
  let judged = 0;
  let random = 0;
  for (const { bytes } of windows) {
    for (let from = 0; from < bytes.length;) {
      let to = Math.min(bytes.length, from + pieceBytes);
      // A short rest is judged together with the piece before it.
      if (bytes.length - to < pieceBytes / 4) to = bytes.length;
      if (to - from >= smallestRandomBytes) {
        judged += to - from;
        if (looksRandom(chiSquareOf(bytes, from, to), to - from)) random += to - from;
      }
      from = to;
    }
  }
  return judged === 0 ? undefined : random / judged;
}
