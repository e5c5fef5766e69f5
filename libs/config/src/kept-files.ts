import path from 'node:path';
import picomatch from 'picomatch';
import type { KeyProblem } from './directories';
import type { Settings } from './settings';

/** Whether the vault keeps a file (rules.md 18: `extensions` and `exclude` never limit what is judged). The path is absolute. */
export function keptFiles(protect: Pick<Settings['protect'], 'roots' | 'extensions' | 'exclude'>): (file: string) => boolean {
  const excluded = picomatch([...protect.exclude], { dot: true });
  const extensions = protect.extensions === 'all' ? undefined : new Set(protect.extensions);
  return (file) => {
    if (extensions !== undefined && !extensions.has(path.extname(file).slice(1).toLowerCase())) return false;
    if (protect.exclude.length === 0) return true;
    const root = protect.roots.find((candidate) => file.startsWith(`${candidate}/`));
    return !excluded(file) && (root === undefined || !excluded(file.slice(root.length + 1)));
  };
}

/** Patterns that picomatch would take literally, and such that nothing would be left to keep: neither is what anybody means. */
export function checkExclude(roots: readonly string[], exclude: readonly string[]): KeyProblem[] {
  const problem = (text: string) => ({ key: 'protect.exclude', text });
  const wrong = exclude.flatMap((pattern) => {
    try {
      picomatch.makeRe(pattern, { dot: true, strictBrackets: true });
      return [];
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return [problem(`${JSON.stringify(pattern)} is not a pattern (${why}); write \\ before a bracket that belongs to the name`)];
    }
  });
  if (wrong.length > 0 || roots.length === 0) return wrong;
  const kept = keptFiles({ roots, exclude, extensions: 'all' });
  if (roots.some((root) => probes.some((name) => kept(path.join(root, name))))) return [];
  return [problem(`${JSON.stringify(exclude)} leaves out everything below every root: nothing could be restored. Name less, such as "**/*.iso"`)];
}

/** Names of files that no pattern means in particular: at the top, deep down, with an extension and without. */
const probes = ['kuramori probe', 'kuramori probe/kuramori probe/kuramori probe.kuramori'];
