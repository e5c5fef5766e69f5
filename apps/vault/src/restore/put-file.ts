import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  readSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { restorePrefix } from '@kuramori/contracts';
import { cloneFile, HeldEntry } from '@kuramori/platform';
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

/** Something else came to a name while it was worked on: it is left alone. */
export class EntryReplacedError extends Error {
  override readonly name = 'EntryReplacedError';
}

/** Whoever owns the directory can take our temporary file's name away; from the one who keeps at it nothing is to be saved. */
const tries = 3;

/** A version under a temporary name of its directory, complete, on the disk and held: nobody can put another file in its place unnoticed. */
export class Beside {
  constructor(
    private readonly temporary: Buffer,
    readonly entry: HeldEntry,
  ) {}

  get isThere(): boolean {
    return this.entry.standsAt(this.temporary);
  }

  /**
   * @param over whether what stands at the place is safe elsewhere
   * @throws EntryReplacedError where the name isn't ours any more, or somebody came to a place that was empty; a moment remains between look and rename (ADR 14)
   */
  moveTo(place: Buffer, over: boolean): void {
    if (!over && lstatSync(place, { throwIfNoEntry: false }) !== undefined)
      throw new EntryReplacedError('something came to its place meanwhile: tried again with the next run');
    if (!this.isThere) throw new EntryReplacedError('somebody took the restored file away while it was written: tried again with the next run');
    renameSync(this.temporary, place);
    if (!this.entry.standsAt(place)) throw new EntryReplacedError('somebody took the place of the restored file: tried again with the next run');
  }

  /** Removes what is still under the temporary name, if it is ours. */
  discard(): void {
    try {
      if (this.isThere) rmSync(this.temporary, { force: true });
    } finally {
      this.entry.close();
    }
  }
}

/**
 * Writes a version into a temporary file of the directory, complete with owner, permissions and times, on the disk and read back. The caller moves it into place and
 * discards what is left.
 * @throws MissingContentError | DamagedContentError | EntryReplacedError, or a file error; nothing is left behind then
 */
export async function writeBeside(store: ChunkStore, directory: DirectoryHandle, wanted: Restorable): Promise<Beside> {
  for (let attempt = 1; ; attempt += 1) {
    const beside = await writeOnce(store, directory.at(`${restorePrefix}${randomBytes(8).toString('hex')}`), wanted);
    if (beside.isThere) return beside;
    beside.discard();
    if (attempt === tries) throw new EntryReplacedError(`somebody took the restored file away ${tries} times while it was written`);
  }
}

async function writeOnce(store: ChunkStore, place: Buffer, { kind, content, metadata }: Restorable): Promise<Beside> {
  const beside = new Beside(
    place,
    kind === 'symlink' ? makeLink(place, Buffer.concat([...readContent(store, content)])) : HeldEntry.createFile(place),
  );
  try {
    if (kind === 'file') await writeAll(store, beside.entry, content);
    applyMetadata(beside.entry, metadata, 'ours');
    return beside;
  } catch (error) {
    beside.discard();
    throw error;
  }
}

function makeLink(place: Buffer, target: Buffer): HeldEntry {
  symlinkSync(target, place);
  const entry = HeldEntry.hold(place);
  if (entry.stat().isSymbolicLink()) return entry;
  entry.close();
  throw new EntryReplacedError('something else stands where the link was made');
}

async function writeAll(store: ChunkStore, entry: HeldEntry, content: ContentRef): Promise<void> {
  const file = await open(entry.itself, 'r+');
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
    // A disk that is nearly full takes a part, and says so with the next call only.
    for (let done = isZero(bytes) ? bytes.length : 0; done < bytes.length;)
      done += (await file.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
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

/**
 * For a file with several names: its content is put back into the inode itself, else the other names would keep the foreign content. Not atomic; done again after a
 * crash.
 */
export function writeInto(store: ChunkStore, entry: HeldEntry, { content, metadata }: Restorable): void {
  // Nothing is cut off before what comes in its place is known to be whole.
  const digest = createHash('sha256');
  for (const bytes of readContent(store, content)) digest.update(bytes);
  if (digest.digest('hex') !== content.sha256) throw new DamagedContentError('what the vault holds is damaged');
  const fd = entry.openContent('write');
  try {
    ftruncateSync(fd, 0);
    let offset = 0;
    for (const bytes of readContent(store, content)) {
      writeFully(fd, bytes, bytes.length, offset);
      offset += bytes.length;
    }
    ftruncateSync(fd, content.sizeBytes);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  applyMetadata(entry, metadata, 'theirs');
}

/** Set-user-ID and set-group-ID: what runs with the rights of its owner. */
const raisesRights = 0o6000;

/** Whether a file of this mode must be one that we wrote ourselves. */
export function raises({ mode }: Pick<Metadata, 'mode'>): boolean {
  return (mode & raisesRights) !== 0;
}

/**
 * Owner first, since a change of owner clears the set-user-ID bit; but what has the bit loses it before that, so that at no moment somebody's content runs with another
 * one's rights. Times last: everything else changes them.
 * @param content who wrote it: theirs (they may still hold it open) does not get the bit unless it has it and keeps its owner
 */
export function applyMetadata(entry: HeldEntry, { mode, uid, gid, mtimeNs }: Metadata, content: 'ours' | 'theirs'): void {
  const now = entry.stat();
  const modeNow = Number(now.mode) & 0o7777;
  const newOwner = Number(now.uid) !== uid || Number(now.gid) !== gid;
  const hasMode = !now.isSymbolicLink();
  if (newOwner) {
    if (hasMode && raises({ mode: modeNow })) entry.setMode(modeNow & ~raisesRights);
    entry.setOwner(uid, gid);
  }
  const mayRaise = content === 'ours' || !now.isFile() ? raisesRights : newOwner ? 0 : modeNow & raisesRights;
  const wanted = mode & ((0o7777 & ~raisesRights) | mayRaise);
  if (hasMode && (Number(entry.stat().mode) & 0o7777) !== wanted) entry.setMode(wanted);
  entry.setTimes(now.atimeNs, BigInt(mtimeNs));
}

/** @returns the directory, held; the caller closes it. @throws a file error, EEXIST where something stands there, or EntryReplacedError */
export function makeDirectoryAt(place: Buffer, metadata: Metadata | undefined): HeldEntry {
  mkdirSync(place, { mode: 0o700 });
  const entry = HeldEntry.hold(place);
  try {
    // The owner of the directory above may have put another one here, whose rights are not ours to give: an empty one holds nothing.
    if (!entry.stat().isDirectory() || readdirSync(entry.itself).length > 0) throw new EntryReplacedError('another directory took its place');
    if (metadata !== undefined) applyMetadata(entry, metadata, 'ours');
    return entry;
  } catch (error) {
    entry.close();
    throw error;
  }
}

/**
 * A copy of anything but a directory, with owner, permissions and times, on the disk. Pipes, sockets and devices are never opened: they hold no data and are made anew.
 * @param place where the entry stands: a link's text is read there
 * @throws a file error, EEXIST where something stands at the target; nothing is left behind then
 */
export function copyEntry(entry: HeldEntry, place: Buffer, target: Buffer): void {
  const stat = entry.stat();
  const copy = stat.isSymbolicLink()
    ? makeLink(target, readlinkSync(place, { encoding: 'buffer' }))
    : stat.isFile()
      ? HeldEntry.createFile(target)
      : HeldEntry.createLike(target, stat);
  try {
    if (stat.isFile()) copyContent(entry, copy);
    applyMetadata(copy, { mode: Number(stat.mode), uid: Number(stat.uid), gid: Number(stat.gid), mtimeNs: String(stat.mtimeNs) }, 'ours');
    if (!copy.standsAt(target)) throw new EntryReplacedError('somebody took the copy away');
  } catch (error) {
    if (copy.standsAt(target)) rmSync(target, { force: true });
    throw error;
  } finally {
    copy.close();
  }
}

function copyContent(entry: HeldEntry, copy: HeldEntry): void {
  const from = entry.openContent('read');
  try {
    const to = copy.openContent('write');
    try {
      if (!cloneFile(from, to)) copyBytes(from, to);
      fsyncSync(to);
    } finally {
      closeSync(to);
    }
  } finally {
    closeSync(from);
  }
}

function copyBytes(from: number, to: number): void {
  const buffer = Buffer.allocUnsafe(chunkBytes);
  let offset = 0;
  for (;;) {
    const count = readSync(from, buffer, 0, buffer.length, offset);
    if (count === 0) break;
    if (!isZero(buffer.subarray(0, count))) writeFully(to, buffer, count, offset);
    offset += count;
  }
  ftruncateSync(to, offset);
}

/** A disk that is nearly full takes a part of the bytes, and says so with the next call only. */
function writeFully(to: number, buffer: Buffer, count: number, offset: number): void {
  for (let done = 0; done < count;) done += writeSync(to, buffer, done, count - done, offset + done);
}

/** SHA-256 of a regular file; undefined for anything else, or where it can't be read. */
export function hashOfEntry(entry: HeldEntry): string | undefined {
  let fd: number;
  try {
    fd = entry.openContent('read');
  } catch {
    return undefined;
  }
  try {
    const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, Math.max(1, Number(entry.stat().size))));
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
