import type { ContentWindow, WindowPlan } from '@kuramori/content';
import type { ChunkStore } from './chunk-store';

/** Whole files up to this size are one chunk; longer ones are cut at its multiples. */
export const chunkBytes = 1024 * 1024;

/** Where the content of a version lies. */
export interface ContentRef {
  /** SHA-256 of the whole content, hex. */
  readonly sha256: string;
  readonly sizeBytes: number;
  /** Names of the chunks in order; null: the content is one chunk, named by `sha256`. */
  readonly chunks: readonly string[] | null;
}

/** Names of the chunks that hold a content, in order; none for an empty one. */
export function chunksOf({ sha256, sizeBytes, chunks }: ContentRef): readonly string[] {
  return chunks ?? (sizeBytes === 0 ? [] : [sha256]);
}

/** The bytes in order, at most {@link chunkBytes} at a time. @throws MissingContentError | DamagedContentError */
export function* readContent(store: ChunkStore, content: ContentRef): Generator<Buffer> {
  for (const name of chunksOf(content)) yield store.get(name);
}

/** The parts a plan asks for. @throws MissingContentError | DamagedContentError */
export function readWindows(store: ChunkStore, content: ContentRef, plan: readonly WindowPlan[]): ContentWindow[] {
  const names = chunksOf(content);
  let held: { index: number; bytes: Buffer } | undefined;
  return plan.map(({ offset, length }) => {
    const pieces: Buffer[] = [];
    for (let at = offset; at < Math.min(offset + length, content.sizeBytes);) {
      const index = Math.floor(at / chunkBytes);
      const name = names[index];
      if (name === undefined) break;
      if (held?.index !== index) held = { index, bytes: store.get(name) };
      const from = at - index * chunkBytes;
      const piece = held.bytes.subarray(from, from + offset + length - at);
      if (piece.length === 0) break;
      pieces.push(piece);
      at += piece.length;
    }
    return { offset, bytes: pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces) };
  });
}
