/** Looks at one file on the disk: its state and what its bytes look like. */
import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync } from 'node:fs';
import path from 'node:path';
import type { ContentFeatures, EntryKind, FileStat } from '@kuramori/contracts';
import { type ContentWindow, describeContent, planSample } from '@kuramori/content';
import { fsPath, toFileStat } from '@kuramori/platform';

export interface SampleRequest {
  readonly path: string;
  /** Also look into the file; else its state alone. */
  readonly content: boolean;
  /** Hash it whole, whatever its size (it was announced). */
  readonly hash: boolean;
}

export interface Sample {
  readonly kind: EntryKind;
  readonly stat: FileStat;
  readonly content?: ContentFeatures;
}

/** Files up to this size are hashed as they are read: the vault and the detector recognise equal content. */
const hashedBytes = 256 * 1024;
const textHeadBytes = 64 * 1024;
const chunkBytes = 1024 * 1024;

/** Undefined when nothing stands there any more, or the system won't even show its state: the fact goes out without, and the vault says what it can't keep. */
export function sampleFile(request: SampleRequest): Sample | undefined {
  try {
    return lookAt(request);
  } catch {
    return undefined;
  }
}

/** Only regular files are opened: a pipe or device would hang or act. */
function lookAt(request: SampleRequest): Sample | undefined {
  const file = fsPath(request.path);
  const link = lstatSync(file, { bigint: true, throwIfNoEntry: false });
  if (link === undefined) return undefined;
  const kind = link.isFile() ? 'file' : link.isDirectory() ? 'directory' : link.isSymbolicLink() ? 'symlink' : 'other';
  if (kind !== 'file' || !request.content) return { kind, stat: toFileStat(link) };
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    // Gone or replaced between the look and the open; its state is still worth telling.
    return { kind, stat: toFileStat(link) };
  }
  try {
    const stat = fstatSync(fd, { bigint: true });
    if (!stat.isFile()) return { kind: 'other', stat: toFileStat(stat) };
    try {
      return { kind, stat: toFileStat(stat), content: readContent(fd, path.basename(request.path), Number(stat.size), request.hash) };
    } catch {
      // A disk that can't give the bytes just now.
      return { kind, stat: toFileStat(stat) };
    }
  } finally {
    closeSync(fd);
  }
}

function readContent(fd: number, name: string, sizeBytes: number, hashWhole: boolean): ContentFeatures {
  const windows: ContentWindow[] = [];
  for (const { offset, length } of planSample(sizeBytes)) {
    const bytes = Buffer.allocUnsafe(length);
    let filled = 0;
    while (filled < length) {
      const count = readSync(fd, bytes, filled, length - filled, offset + filled);
      if (count === 0) break;
      filled += count;
    }
    if (filled > 0) windows.push({ offset, bytes: bytes.subarray(0, filled) });
  }
  const features = describeContent({ name, sizeBytes, windows, wantTextHead: sizeBytes <= textHeadBytes });
  const [only] = windows;
  if (sizeBytes <= hashedBytes && (only === undefined || only.bytes.length === sizeBytes)) {
    return {
      ...features,
      sha256: createHash('sha256')
        .update(only?.bytes ?? new Uint8Array())
        .digest('hex'),
    };
  }
  return hashWhole ? { ...features, sha256: hashFile(fd) } : features;
}

function hashFile(fd: number): string {
  const hash = createHash('sha256');
  const chunk = Buffer.allocUnsafe(chunkBytes);
  for (let position = 0; ;) {
    const count = readSync(fd, chunk, 0, chunk.length, position);
    if (count === 0) return hash.digest('hex');
    hash.update(chunk.subarray(0, count));
    position += count;
  }
}
