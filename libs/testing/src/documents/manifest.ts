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

export function takeManifest(directory: string): Manifest {
  const entries = new Map<string, ManifestEntry>();
  for (const found of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const file = path.join(found.parentPath, found.name);
    const stat = lstatSync(file, { bigint: true });
    const kind = stat.isFile() ? 'file' : stat.isDirectory() ? 'directory' : stat.isSymbolicLink() ? 'symlink' : 'other';
    const content = kind === 'file' ? createHash('sha256').update(readFileSync(file)).digest('hex') : kind === 'symlink' ? readlinkSync(file) : '';
    entries.set(path.relative(directory, file), {
      kind,
      content,
      uid: Number(stat.uid),
      gid: Number(stat.gid),
      mode: Number(stat.mode & 0o7777n),
      mtimeNs: stat.mtimeNs,
    });
  }
  return entries;
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
