import { hash, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { type ChunkStore, DamagedContentError, MissingContentError, type StoredChunk, StoreFullError } from './chunk-store';
import { isDiskFull } from './disk-full';

/** `K`, `V`, format 1, codec. A reader refuses what it doesn't know. */
const headerBytes = 4;
const magic = [0x4b, 0x56, 1] as const;
const codecs = { raw: 0, zstd: 1 } as const;
/** Level 1 is 20 % faster than 3 on office files and within 3 % of its size. */
const compression = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
/** Below this a frame's own overhead and the read of a whole disk block leave nothing to win. */
const smallestCompressedBytes = 256;
/** Kept compressed only when it saves a sixteenth: decompression costs time at a restore. */
const worthwhileShare = 15 / 16;

/** Whether bytes are likely to shrink: a slice from the middle is tried first, since most of a share by volume is compressed already. */
function compressed(bytes: Uint8Array): Buffer | undefined {
  if (bytes.length < smallestCompressedBytes) return undefined;
  const probeBytes = 16 * 1024;
  if (bytes.length > 8 * probeBytes) {
    const from = (bytes.length - probeBytes) >> 1;
    if (zstdCompressSync(bytes.subarray(from, from + probeBytes), compression).length > probeBytes * worthwhileShare) return undefined;
  }
  const result = zstdCompressSync(bytes, compression);
  return result.length < bytes.length * worthwhileShare ? result : undefined;
}

/** Not hex: never taken for content. */
const temporaryPrefix = 't-';

/**
 * Each chunk is one file `content/<2 hex>/<62 hex>`; complete or absent, since it is renamed into place. It is written beside its place: threads that create files in one
 * common directory wait for each other, and so do renames from one directory to another (three threads: 1,100 files/s so, 6,000 like this).
 */
export class FileChunkStore implements ChunkStore {
  private readonly contentDirectory: string;

  constructor(directory: string) {
    this.contentDirectory = path.join(directory, 'content');
  }

  /** Makes the directories (0700). Called once, before any thread uses the store. */
  prepare(): void {
    mkdirSync(this.contentDirectory, { recursive: true, mode: 0o700 });
    const present = new Set(readdirSync(this.contentDirectory));
    for (let byte = 0; byte < 256; byte += 1) {
      const name = byte.toString(16).padStart(2, '0');
      if (!present.has(name)) mkdirSync(path.join(this.contentDirectory, name), { mode: 0o700 });
    }
  }

  /** Takes away what a crash left half-written before this moment; beside other work. */
  async sweep(beforeMs: number): Promise<void> {
    for (const name of await readdir(this.contentDirectory)) {
      const directory = path.join(this.contentDirectory, name);
      for (const file of (await readdir(directory)).filter((candidate) => candidate.startsWith(temporaryPrefix))) {
        const stat = statSync(path.join(directory, file), { throwIfNoEntry: false });
        if (stat !== undefined && stat.mtimeMs < beforeMs) rmSync(path.join(directory, file), { force: true });
      }
    }
  }

  put(sha256: string, bytes: Uint8Array): StoredChunk {
    const known = this.find(sha256);
    if (known !== undefined) return { ...known, sizeBytes: bytes.length };
    const packed = compressed(bytes);
    const body = packed ?? bytes;
    const frame = Buffer.allocUnsafe(headerBytes + body.length);
    frame.set([...magic, packed === undefined ? codecs.raw : codecs.zstd], 0);
    frame.set(body, headerBytes);
    const target = this.fileOf(sha256);
    const temporary = path.join(path.dirname(target), `${temporaryPrefix}${randomBytes(8).toString('hex')}`);
    try {
      writeFileSync(temporary, frame, { mode: 0o600, flag: 'wx' });
      renameSync(temporary, target);
    } catch (error) {
      rmSync(temporary, { force: true });
      if (isDiskFull(error)) throw new StoreFullError('the disk of dataDir is full', { cause: error });
      throw error;
    }
    return { sha256, sizeBytes: bytes.length, storedBytes: frame.length };
  }

  find(sha256: string): Pick<StoredChunk, 'sha256' | 'storedBytes'> | undefined {
    const stat = statSync(this.fileOf(sha256), { throwIfNoEntry: false });
    // Shorter than its header: a power cut came before the data reached the disk.
    return stat === undefined || stat.size < headerBytes ? undefined : { sha256, storedBytes: stat.size };
  }

  get(sha256: string): Buffer {
    let frame: Buffer;
    try {
      frame = readFileSync(this.fileOf(sha256));
    } catch (error) {
      throw new MissingContentError(`content ${sha256} is not in the vault`, { cause: error });
    }
    const bytes = this.unpack(frame, sha256);
    if (hash('sha256', bytes) !== sha256) throw new DamagedContentError(`content ${sha256} is damaged in the vault`);
    return bytes;
  }

  remove(sha256: string): void {
    rmSync(this.fileOf(sha256), { force: true });
  }

  private unpack(frame: Buffer, sha256: string): Buffer {
    if (frame.length < headerBytes || magic.some((byte, index) => frame[index] !== byte))
      throw new DamagedContentError(`content ${sha256} has no header of this version`);
    const body = frame.subarray(headerBytes);
    if (frame[3] === codecs.raw) return body;
    if (frame[3] !== codecs.zstd) throw new DamagedContentError(`content ${sha256} is packed in a way this version doesn't know (${frame[3] ?? -1})`);
    try {
      return zstdDecompressSync(body);
    } catch (error) {
      throw new DamagedContentError(`content ${sha256} is damaged in the vault`, { cause: error });
    }
  }

  private fileOf(sha256: string): string {
    return path.join(this.contentDirectory, sha256.slice(0, 2), sha256.slice(2));
  }
}
