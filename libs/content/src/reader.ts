import type { ContentWindow } from './features';

/** Reads numbers and text of a file of which only some windows are at hand. A place that isn't gives undefined. */
export class WindowReader {
  constructor(
    private readonly windows: readonly ContentWindow[],
    readonly sizeBytes: number,
  ) {}

  /** Bytes from `offset`, exactly `length`, or undefined. */
  slice(offset: number, length: number): Uint8Array | undefined {
    const window = this.windows.find((candidate) => offset >= candidate.offset && offset + length <= candidate.offset + candidate.bytes.length);
    return window?.bytes.subarray(offset - window.offset, offset - window.offset + length);
  }

  /** What is at hand from `offset`, at most `length`. */
  available(offset: number, length: number): Uint8Array {
    const window = this.windows.find((candidate) => offset >= candidate.offset && offset < candidate.offset + candidate.bytes.length);
    return window?.bytes.subarray(offset - window.offset, offset - window.offset + length) ?? new Uint8Array();
  }

  uint8(offset: number): number | undefined {
    return this.slice(offset, 1)?.[0];
  }
  uint16(offset: number, littleEndian = true): number | undefined {
    const bytes = this.slice(offset, 2);
    return bytes === undefined ? undefined : view(bytes).getUint16(0, littleEndian);
  }
  uint32(offset: number, littleEndian = true): number | undefined {
    const bytes = this.slice(offset, 4);
    return bytes === undefined ? undefined : view(bytes).getUint32(0, littleEndian);
  }
  /** ASCII text (bytes above 127 become their Latin-1 characters). */
  text(offset: number, length: number): string {
    return latin1(this.available(offset, length));
  }
  /** Places at hand that are a multiple of `step`, ascending. */
  *multiplesOf(step: number): Generator<number> {
    for (const { offset, bytes } of this.windows) {
      for (let at = Math.ceil(offset / step) * step; at < offset + bytes.length; at += step) yield at;
    }
  }
  get head(): Uint8Array {
    return this.available(0, 64 * 1024);
  }
  /** The last bytes of the file, with where they begin. */
  tail(length: number): { readonly offset: number; readonly bytes: Uint8Array } {
    // No further back than the last window reaches.
    const offset = Math.max(0, this.sizeBytes - length, this.windows.at(-1)?.offset ?? 0);
    return { offset, bytes: this.available(offset, length) };
  }
  /** The windows reach the end of the file. */
  get seesEnd(): boolean {
    return this.sizeBytes === 0 || this.slice(this.sizeBytes - 1, 1) !== undefined;
  }
  get seesAll(): boolean {
    return this.windows.length === 1 && this.windows[0]?.bytes.length === this.sizeBytes;
  }
}

export function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function latin1(bytes: Uint8Array): string {
  let text = '';
  for (let from = 0; from < bytes.length; from += 8192) text += String.fromCharCode(...bytes.subarray(from, from + 8192));
  return text;
}

/** Position of an ASCII pattern in bytes, from the end; -1 where there is none. */
export function lastIndexOf(bytes: Uint8Array, pattern: string): number {
  for (let at = bytes.length - pattern.length; at >= 0; at -= 1) {
    let index = 0;
    while (index < pattern.length && bytes[at + index] === pattern.charCodeAt(index)) index += 1;
    if (index === pattern.length) return at;
  }
  return -1;
}
