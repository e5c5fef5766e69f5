import path from 'node:path';
import picomatch from 'picomatch';
import type { Settings } from './settings';

/** Whether the vault keeps a file (rules.md 18: `extensions` and `exclude` never limit what is judged). The path is absolute. */
export function keptFiles(protect: Settings['protect']): (file: string) => boolean {
  const excluded = picomatch([...protect.exclude], { dot: true });
  const extensions = protect.extensions === 'all' ? undefined : new Set(protect.extensions);
  return (file) => {
    if (extensions !== undefined && !extensions.has(path.extname(file).slice(1).toLowerCase())) return false;
    if (protect.exclude.length === 0) return true;
    const root = protect.roots.find((candidate) => file.startsWith(`${candidate}/`));
    return !excluded(file) && (root === undefined || !excluded(file.slice(root.length + 1)));
  };
}
