import { statSync } from 'node:fs';
import { fsPath } from './path-text';
import { SensorUnavailableError } from './sensor';

/** What a sensor looks at: everything below the roots and not below what is ignored. Paths in path-text form; pure. */
export class Scope {
  constructor(
    private readonly roots: readonly string[],
    private readonly ignore: readonly string[],
  ) {}

  has(path: string): boolean {
    return this.roots.some((root) => isAtOrBelow(path, root)) && !this.isIgnored(path);
  }

  isIgnored(path: string): boolean {
    return this.ignore.some((top) => isAtOrBelow(path, top));
  }

  /** The roots that are this directory or lie in it: they go where it goes. */
  rootsIn(directory: string): string[] {
    return this.roots.filter((root) => isAtOrBelow(root, directory));
  }
}

export function isAtOrBelow(path: string, top: string): boolean {
  return path === top || path.startsWith(top.endsWith('/') ? top : `${top}/`);
}

/** @throws SensorUnavailableError naming the root that is not there, or is no directory */
export function requireDirectories(roots: readonly string[]): void {
  for (const root of roots) {
    const stat = statSync(fsPath(root), { throwIfNoEntry: false });
    if (stat === undefined) throw new SensorUnavailableError(`${root} is not there`);
    if (!stat.isDirectory()) throw new SensorUnavailableError(`${root} is not a directory`);
  }
}
