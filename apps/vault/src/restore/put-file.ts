import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  constants,
  fstatSync,
  lchownSync,
  lstatSync,
  openSync,
  closeSync,
  readSync,
  rmSync,
  symlinkSync,
  ftruncateSync,
  writeSync,
} from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { restorePrefix } from '@kuramori/contracts';
import { setTimesNs } from '@kuramori/platform';
import type { Metadata } from '../catalogue/rows';
import type { ChunkStore } from '../store/chunk-store';
import { DamagedContentError } from '../store/chunk-store';
import { chunkBytes, type ContentRef, readContent } from '../store/content';
import type { DirectoryHandle } from './directory-handle';

/** A stored version as it is to stand in the tree. */
export interface Restorable {
  readonly kind: 'file' | 'symlink';
  readonly content: ContentRef;
  readonly metadata: Metadata;
}

/**
 * Writes a version into a temporary file of the directory, complete with owner, permissions and times, on the disk and read back. The caller renames it into place.
 * @returns the temporary name
 * @throws MissingContentError | DamagedContentError, or a file error; nothing is left behind then
 */
export async function writeBeside(store: ChunkStore, directory: DirectoryHandle, { kind, content, metadata }: Restorable): Promise<string> {
  const name = `${restorePrefix}${randomBytes(8).toString('hex')}`;
  const place = directory.at(name);
  try {
    if (kind === 'symlink') symlinkSync(Buffer.concat([...readContent(store, content)]), place);
    else await writeAll(store, place, content);
    applyMetadata(place, metadata, kind === 'symlink');
    return name;
  } catch (error) {
    rmSync(place, { force: true });
    throw error;
  }
}

async function writeAll(store: ChunkStore, place: Buffer, content: ContentRef): Promise<void> {
  const file = await open(place, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
  try {
    await fill(store, file, content);
    await file.sync();
    if ((await hashOf(file, content.sizeBytes)) !== content.sha256) throw new DamagedContentError('what was written is not what the vault holds');
  } finally {
    await file.close();
  }
}

/** Zeros are left out: a sparse file becomes one again. */
async function fill(store: ChunkStore, file: FileHandle, content: ContentRef): Promise<void> {
  let offset = 0;
  for (const bytes of readContent(store, content)) {
    if (!isZero(bytes)) await file.write(bytes, 0, bytes.length, offset);
    offset += bytes.length;
  }
  await file.truncate(content.sizeBytes);
}

function isZero(bytes: Buffer): boolean {
  return bytes.length >= 4096 && bytes[0] === 0 && bytes.subarray(1).equals(bytes.subarray(0, -1));
}

async function hashOf(file: FileHandle, sizeBytes: number): Promise<string> {
  const digest = createHash('sha256');
  const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, sizeBytes + 1));
  for (let offset = 0; ;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
    if (bytesRead === 0) return digest.digest('hex');
    digest.update(buffer.subarray(0, bytesRead));
    offset += bytesRead;
  }
}

/** For a file with several names: its content is put back into the inode itself, else the other names would keep the foreign content. Not atomic; done again after a crash. */
export function writeInto(store: ChunkStore, place: Buffer, { content, metadata }: Restorable): void {
  const fd = openSync(place, constants.O_RDWR | constants.O_NOFOLLOW);
  try {
    ftruncateSync(fd, 0);
    let offset = 0;
    for (const bytes of readContent(store, content)) {
      writeSync(fd, bytes, 0, bytes.length, offset);
      offset += bytes.length;
    }
    ftruncateSync(fd, content.sizeBytes);
  } finally {
    closeSync(fd);
  }
  applyMetadata(place, metadata, false);
}

/** Owner first: a change of owner clears the set-user-ID bit. Times last: everything else changes them. */
export function applyMetadata(place: Buffer, { mode, uid, gid, mtimeNs }: Metadata, isLink: boolean): void {
  const now = lstatSync(place, { bigint: true });
  if (Number(now.uid) !== uid || Number(now.gid) !== gid) lchownSync(place, uid, gid);
  if (!isLink && (Number(now.mode) & 0o7777) !== (mode & 0o7777)) chmodSync(place, mode & 0o7777);
  setTimesNs(place, now.atimeNs, BigInt(mtimeNs));
}

/** SHA-256 of what stands at a place; undefined where it is no regular file or link, or can't be read. */
export function hashOfPlace(place: Buffer): string | undefined {
  let fd: number;
  try {
    fd = openSync(place, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  try {
    const { size } = fstatSync(fd);
    if (!fstatSync(fd).isFile()) return undefined;
    const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, Math.max(1, size)));
    const digest = createHash('sha256');
    for (let offset = 0; ;) {
      const count = readSync(fd, buffer, 0, buffer.length, offset);
      if (count === 0) return digest.digest('hex');
      digest.update(buffer.subarray(0, count));
      offset += count;
    }
  } catch {
    return undefined;
  } finally {
    closeSync(fd);
  }
}
