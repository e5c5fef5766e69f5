import { readFileSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { fsPath, parseCommandLine, pathFromBytes } from '@kuramori/platform';

/** The arguments as path text. Node replaces bytes that are not UTF-8; the kernel still has them. */
export function exactArguments(args: readonly string[]): readonly string[] {
  if (!args.some((argument) => argument.includes('\u{FFFD}'))) return args;
  try {
    const all = parseCommandLine(readFileSync('/proc/self/cmdline'));
    return all.length >= args.length ? all.slice(all.length - args.length) : args;
  } catch {
    return args;
  }
}

/**
 * The path by which the vault knows a file: absolute, links in its directories resolved as far as they exist. The last part stays what it is, since the file may
 * be gone, unless only the whole resolved path lies below a root (a link to a protected directory).
 */
export function vaultPath(given: string, roots: readonly string[], cwd = process.cwd()): string {
  const absolute = path.resolve(cwd, given);
  const candidates = [absolute, path.join(realAsFarAs(path.dirname(absolute)), path.basename(absolute)), realAsFarAs(absolute)];
  const below = (candidate: string) => roots.some((root) => candidate === root || candidate.startsWith(`${root}/`));
  // The second is right unless it leads out of every root where another one doesn't.
  const [lexical = absolute, parentResolved = absolute, resolved = absolute] = candidates;
  return [parentResolved, resolved, lexical].find(below) ?? parentResolved;
}

function realAsFarAs(absolute: string): string {
  try {
    return pathFromBytes(realpathSync(fsPath(absolute), { encoding: 'buffer' }));
  } catch {
    const parent = path.dirname(absolute);
    return parent === absolute ? absolute : path.join(realAsFarAs(parent), path.basename(absolute));
  }
}
