/** The state of a tree, to compare before and after: content, owner, mode and modification time of every entry. */
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import path from 'node:path';

export interface ManifestEntry {
  readonly kind: 'file' | 'directory' | 'symlink' | 'other';
  /** SHA-256 (hex) of a file's content, a symlink's target; empty for others. */
  readonly content: string;
  readonly uid: number;
  readonly gid: number;
  /** Permission bits. */
  readonly mode: number;
  readonly mtimeNs: bigint;
}

export type Manifest = ReadonlyMap<string, ManifestEntry>;

/** What vanishes while it is read is left out: someone may be at work there. */
export function takeManifest(directory: string): Manifest {
  const entries = new Map<string, ManifestEntry>();
  const waiting = [directory];
  for (let parent = waiting.pop(); parent !== undefined; parent = waiting.pop()) {
    for (const name of unlessGone(() => readdirSync(parent)) ?? []) {
      const file = path.join(parent, name);
      const entry = unlessGone(() => entryOf(file));
      if (entry === undefined) continue;
      entries.set(path.relative(directory, file), entry);
      if (entry.kind === 'directory') waiting.push(file);
    }
  }
  return entries;
}

function entryOf(file: string): ManifestEntry {
  const stat = lstatSync(file, { bigint: true });
  const kind = stat.isFile() ? 'file' : stat.isDirectory() ? 'directory' : stat.isSymbolicLink() ? 'symlink' : 'other';
  return {
    kind,
    content: kind === 'file' ? createHash('sha256').update(readFileSync(file)).digest('hex') : kind === 'symlink' ? readlinkSync(file) : '',
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    mode: Number(stat.mode & 0o7777n),
    mtimeNs: stat.mtimeNs,
  };
}

function unlessGone<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

export interface ManifestDifference {
  /** Files of `before` that no longer exist or have another content. */
  readonly lost: string[];
  /** Files with the same content but another owner, mode or modification time; with what differs. */
  readonly changedMetadata: string[];
  /** Entries that were not there before. */
  readonly added: string[];
}

/** Compares files by content, owner, mode and nanosecond mtime; directories by existence only (their times change whenever an entry comes or goes). */
export function compareManifests(before: Manifest, after: Manifest): ManifestDifference {
  const lost: string[] = [];
  const changedMetadata: string[] = [];
  for (const [name, was] of before) {
    const is = after.get(name);
    if (is?.kind !== was.kind || is.content !== was.content) lost.push(name);
    else if (was.kind !== 'directory') {
      const differing = (['uid', 'gid', 'mode', 'mtimeNs'] as const).filter((field) => is[field] !== was[field]);
      if (differing.length > 0) changedMetadata.push(`${name} (${differing.join(', ')})`);
    }
  }
  return { lost, changedMetadata, added: [...after.keys()].filter((name) => !before.has(name)) };
}
