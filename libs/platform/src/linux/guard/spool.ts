/**
 * The guard's spool (rules.md 9): copies of files from before they were opened, waiting for the vault to adopt them. One copy is `<id>.data` with `<id>.copy` beside it: a
 * sealed {@link SpooledCopy} in JSON, renamed into place last, so that a pair that has it is whole. The vault removes what it adopted.
 */
import { renameSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { FileStat } from '@kuramori/contracts';
import { fsPath } from '../../path-text';
import type { SpoolDirectory, SpooledData } from './spool-directory';
import type { SpoolSeal } from './spool-seal';

export const spoolDirectoryName = '.kuramori-spool';
export const dataSuffix = '.data';
export const sidecarSuffix = '.copy';

/** What a sidecar holds. */
export interface SpooledCopy {
  /** Path text at the time of the open. */
  readonly path: string;
  /** State of the file when it was copied. */
  readonly stat: FileStat;
  /** When it had been copied, epoch milliseconds: before the open that waited for it. */
  readonly copiedAtMs: number;
  /** The copy. */
  readonly data: SpooledData;
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

/** Puts the sidecar beside a copy that is complete. */
export function writeSidecar(spool: SpoolDirectory, seal: SpoolSeal, id: string, copy: SpooledCopy): void {
  const sidecar = spool.at(`${id}${sidecarSuffix}`);
  writeFileSync(`${sidecar}.tmp`, seal.seal(JSON.stringify(copy)), { flag: 'wx', mode: 0o600 });
  renameSync(`${sidecar}.tmp`, sidecar);
}
