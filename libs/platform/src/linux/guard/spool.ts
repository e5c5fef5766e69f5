/**
 * The guard's spool (rules.md 9): copies of files from before they were opened, waiting for the vault to adopt them. One copy is `<id>.data` with `<id>.json` beside it; the
 * sidecar is renamed into place last, so a pair that has it is whole. The vault removes what it adopted.
 */
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import type { FileStat } from '@kuramori/contracts';
import { fsPath } from '../../path-text';

export const spoolDirectoryName = '.kuramori-spool';

/** What `<id>.json` holds. */
export interface SpooledCopy {
  /** Path text at the time of the open. */
  readonly path: string;
  /** State of the file when it was copied. */
  readonly stat: FileStat;
}

/** The mount point a path is on: the highest directory with the same device. */
export function mountPointOf(directory: string): string {
  let current = path.resolve(directory);
  const { dev } = statSync(fsPath(current));
  for (;;) {
    const parent = path.dirname(current);
    if (parent === current || statSync(fsPath(parent)).dev !== dev) return current;
    current = parent;
  }
}

/** Whether a path lies on the filesystem of `/`, which is never marked as a whole. */
export function isOnSystemFilesystem(directory: string): boolean {
  return statSync(fsPath(directory)).dev === statSync('/').dev;
}

/**
 * Where copies of files below `root` go: on the same filesystem, out of the way. Below dataDir where that is the same filesystem, else in a hidden directory at the mount point.
 * The directory may not exist yet.
 */
export function spoolDirectoryFor(root: string, dataDir: string): string {
  if (statSync(fsPath(root)).dev === statSync(fsPath(dataDir)).dev) return path.join(dataDir, 'guard-spool');
  return spoolAtMountOf(root);
}

/** Where the spool is when it can't be in dataDir. It may lie inside a root that is a mount point: no sensor may take what happens there for a user's doing. */
export function spoolAtMountOf(root: string): string {
  return path.join(mountPointOf(root), spoolDirectoryName);
}

/** The spools of all roots, each once, made where missing (0700). */
export function ensureSpoolDirectories(roots: readonly string[], dataDir: string): string[] {
  const directories = [...new Set(roots.map((root) => spoolDirectoryFor(root, dataDir)))];
  for (const directory of directories) mkdirSync(fsPath(directory), { recursive: true, mode: 0o700 });
  return directories;
}

/** Reads a sidecar. @throws SyntaxError or a file error when it is not one */
export function readSpooledCopy(sidecar: string): SpooledCopy {
  return JSON.parse(readFileSync(sidecar, 'utf8')) as SpooledCopy;
}
