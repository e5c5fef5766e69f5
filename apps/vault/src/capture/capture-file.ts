import { createHash, hash } from 'node:crypto';
import { closeSync, constants, fstatSync, lstatSync, openSync, readlinkSync, readSync } from 'node:fs';
import { compareContents, type ContentWindow, describeContent, planComparison, planSample, type WindowPlan } from '@kuramori/content';
import type { ContentFeatures } from '@kuramori/contracts';
import { fsPath, pathToBytes, toFileStat } from '@kuramori/platform';
import type { ChunkStore, StoredChunk } from '../store/chunk-store';
import { StoreFullError } from '../store/chunk-store';
import { chunkBytes, type ContentRef, readWindows } from '../store/content';
import type { Capture, CaptureRequest, DescribeRequest, Observation } from './capture';
import { sameState } from './file-state';

const attempts = 3;
/** Reading must not change the access time: backup tools and users look at it. Refused to those who don't own the file; then without. */
const openFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const withoutAccessTime = openFlags | constants.O_NOATIME;

/**
 * Reads one consistent state of a file and keeps it: the state before and after reading is the same, or it is tried again.
 * Never throws for anything the file or the disk does.
 */
export function captureFile(store: ChunkStore, request: CaptureRequest): Capture {
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    const result = captureOnce(store, request);
    if (result !== undefined) return result;
  }
  return { outcome: 'changing' };
}

/** undefined: it changed meanwhile. */
function captureOnce(store: ChunkStore, request: CaptureRequest): Capture | undefined {
  const atMs = performance.timeOrigin + performance.now();
  let fd: number;
  try {
    fd = openWithoutTrace(request.path);
  } catch (error) {
    return refused(store, request, error, atMs);
  }
  try {
    const before = fstatSync(fd, { bigint: true });
    if (!before.isFile()) return { outcome: 'no-content', stat: toFileStat(before) };
    const place = placeOf(fd, request.path);
    if (place !== 'here') return { outcome: place };
    const sizeBytes = Number(before.size);
    const stat = toFileStat(before);
    const keep = request.keep && sizeBytes <= (request.atMostBytes ?? Infinity);
    const read = keep ? keepContent(store, fd, sizeBytes) : undefined;
    const observed =
      request.compare === undefined
        ? undefined
        : observe(store, request, sizeBytes, (plan) => (read?.whole === undefined ? windowsOf(fd, plan) : slicesOf(read.whole, plan)));
    if (!sameState(before, fstatSync(fd, { bigint: true })) || (read !== undefined && read.content.sizeBytes !== sizeBytes)) return undefined;
    const seen = observed === undefined ? {} : { observed };
    if (read === undefined) return { outcome: request.keep ? 'too-long' : 'not-kept', stat, ...seen };
    return { outcome: 'captured', stat, entry: 'file', atMs, content: read.content, stored: read.stored, ...seen };
  } catch (error) {
    if (error instanceof StoreFullError) return { outcome: 'full', detail: error.message };
    return { outcome: 'unreadable', detail: messageOf(error) };
  } finally {
    closeSync(fd);
  }
}

function openWithoutTrace(path: string): number {
  try {
    return openSync(fsPath(path), withoutAccessTime);
  } catch (error) {
    if (codeOf(error) !== 'EPERM') throw error;
    return openSync(fsPath(path), openFlags);
  }
}

function refused(store: ChunkStore, request: CaptureRequest, error: unknown, atMs: number): Capture | undefined {
  switch (codeOf(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return { outcome: 'gone' };
    case 'ELOOP':
      return captureLink(store, request, atMs);
    case 'ENXIO':
      return { outcome: 'no-content' };
    default:
      return { outcome: 'unreadable', detail: messageOf(error) };
  }
}

/** A symbolic link's content is its target. */
function captureLink(store: ChunkStore, { path, keep }: CaptureRequest, atMs: number): Capture | undefined {
  try {
    const before = lstatSync(fsPath(path), { bigint: true });
    if (!before.isSymbolicLink()) return undefined;
    const target = readlinkSync(fsPath(path), { encoding: 'buffer' });
    if (!sameState(before, lstatSync(fsPath(path), { bigint: true }))) return undefined;
    const stat = toFileStat(before);
    if (!keep) return { outcome: 'not-kept', stat };
    const sha256 = hash('sha256', target);
    return {
      outcome: 'captured',
      stat,
      entry: 'symlink',
      atMs,
      content: { sha256, sizeBytes: target.length, chunks: null },
      stored: [store.put(sha256, target)],
    };
  } catch (error) {
    if (error instanceof StoreFullError) return { outcome: 'full', detail: error.message };
    return codeOf(error) === 'ENOENT' ? { outcome: 'gone' } : { outcome: 'unreadable', detail: messageOf(error) };
  }
}

/** O_NOFOLLOW guards the last component alone; the kernel knows where the descriptor really leads. */
function placeOf(fd: number, path: string): 'here' | 'gone' | 'elsewhere' {
  const real = readlinkSync(`/proc/self/fd/${fd}`, { encoding: 'buffer' });
  const wanted = pathToBytes(path);
  if (real.equals(wanted)) return 'here';
  return real.subarray(0, wanted.length).equals(wanted) && real.subarray(wanted.length).toString() === ' (deleted)' ? 'gone' : 'elsewhere';
}

function keepContent(store: ChunkStore, fd: number, sizeBytes: number): { content: ContentRef; stored: StoredChunk[]; whole?: Buffer } {
  if (sizeBytes <= chunkBytes) {
    const whole = readAt(fd, 0, sizeBytes, scratch);
    const sha256 = hash('sha256', whole);
    return { content: { sha256, sizeBytes: whole.length, chunks: null }, stored: whole.length === 0 ? [] : [store.put(sha256, whole)], whole };
  }
  const digest = createHash('sha256');
  const chunks: string[] = [];
  const stored: StoredChunk[] = [];
  let readBytes = 0;
  while (readBytes < sizeBytes) {
    const bytes = readAt(fd, readBytes, Math.min(chunkBytes, sizeBytes - readBytes), scratch);
    if (bytes.length === 0) break;
    digest.update(bytes);
    const sha256 = hash('sha256', bytes);
    stored.push(store.put(sha256, bytes));
    chunks.push(sha256);
    readBytes += bytes.length;
  }
  return { content: { sha256: digest.digest('hex'), sizeBytes: readBytes, chunks }, stored };
}

/** Each thread reads one file at a time: what it reads is used up before the next one. */
const scratch = Buffer.allocUnsafeSlow(chunkBytes);

/** As many bytes as are there, at most `length`. */
function readAt(fd: number, offset: number, length: number, target?: Buffer): Buffer {
  const bytes = target ?? Buffer.allocUnsafeSlow(length);
  let filled = 0;
  while (filled < length) {
    const count = readSync(fd, bytes, filled, length - filled, offset + filled);
    if (count === 0) break;
    filled += count;
  }
  return bytes.subarray(0, filled);
}

function windowsOf(fd: number, plan: readonly WindowPlan[]): ContentWindow[] {
  return plan.map(({ offset, length }) => ({ offset, bytes: readAt(fd, offset, length) }));
}

function slicesOf(whole: Buffer, plan: readonly WindowPlan[]): ContentWindow[] {
  return plan.map(({ offset, length }) => ({ offset, bytes: whole.subarray(offset, offset + length) }));
}

function observe(
  store: ChunkStore,
  { path, compare }: CaptureRequest,
  sizeBytes: number,
  read: (plan: readonly WindowPlan[]) => ContentWindow[],
): Observation {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const after = describeContent({ name, sizeBytes, windows: read(planSample(sizeBytes)) });
  const old = compare?.before;
  if (old === undefined) return { after };
  try {
    const plan = planComparison(old.sizeBytes, sizeBytes);
    const before = old.features ?? describeStored(store, old, name);
    const blocks = compareContents({ sizeBytes: old.sizeBytes, windows: readWindows(store, old, plan) }, { sizeBytes, windows: read(plan) });
    return { before, after, blocks };
  } catch {
    // The old content can't be read: verify and restore tell that; the new one is still described.
    return { after };
  }
}

/** Features of content that is in the store; undefined where it can't be read. */
export function tryDescribeStored(store: ChunkStore, { content, name }: DescribeRequest): ContentFeatures | undefined {
  try {
    return describeStored(store, content, name);
  } catch {
    return undefined;
  }
}

/** @throws MissingContentError | DamagedContentError */
function describeStored(store: ChunkStore, content: ContentRef, name: string): ContentFeatures {
  return describeContent({ name, sizeBytes: content.sizeBytes, windows: readWindows(store, content, planSample(content.sizeBytes)) });
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
