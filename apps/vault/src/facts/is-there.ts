import { lstatSync } from 'node:fs';
import { fsPath } from '@kuramori/platform';

/** What can't be looked at (a damaged inode, a path that became too long) is not gone. */
export function isThere(path: string): boolean {
  try {
    return lstatSync(fsPath(path), { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}
