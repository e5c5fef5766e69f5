/** One piece of content as it lies in the store. */
export interface StoredChunk {
  /** SHA-256 of the plain bytes, hex: the chunk's name. */
  readonly sha256: string;
  /** Plain bytes. */
  readonly sizeBytes: number;
  /** Bytes on the disk, header included. */
  readonly storedBytes: number;
}

/**
 * Content by its name. Synchronous, since it is used in worker threads of its own; several threads may use one store at once.
 * What was put survives `kill -9` at once (rules.md 20); after a power cut a chunk may be missing or damaged, which {@link get} says.
 */
export interface ChunkStore {
  /**
   * Keeps the bytes under `sha256`, which the caller computed from them. A chunk that is there already is not written again.
   * @throws StoreFullError when the disk has no room; nothing is left behind then
   */
  put(sha256: string, bytes: Uint8Array): StoredChunk;
  /** The chunk, if it is there; its content is not checked. */
  find(sha256: string): Pick<StoredChunk, 'sha256' | 'storedBytes'> | undefined;
  /** The bytes, checked against their name. @throws MissingContentError | DamagedContentError */
  get(sha256: string): Buffer;
  /** Frees the room; a chunk that isn't there is no error. Nobody may be putting the same content meanwhile. */
  remove(sha256: string): void;
}

/** The disk below dataDir is full. */
export class StoreFullError extends Error {
  override readonly name = 'StoreFullError';
}
export class MissingContentError extends Error {
  override readonly name = 'MissingContentError';
}
/** The bytes on the disk are not those that were stored. */
export class DamagedContentError extends Error {
  override readonly name = 'DamagedContentError';
}
