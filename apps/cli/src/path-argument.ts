import { readFileSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { fsPath, pathFromBytes, pathToBytes } from '@kuramori/platform';

/**
 * The arguments as path text. Node replaces bytes that are not UTF-8; the kernel still has them, in our command line or in that of our parent: bin/kuramori.mjs, which
 * hands on what its Node has replaced already. What doesn't read like our arguments is somebody else's command line.
 */
export function exactArguments(args: readonly string[]): readonly string[] {
  if (!args.some((argument) => argument.includes(replacement))) return args;
  const candidates = [process.pid, process.ppid].map(commandLineOf).map((all) => all.slice(-args.length));
  return (
    candidates.find((exact) => sameText(exact, args) && exact.some((argument, index) => argument !== args[index])) ??
    // A name may hold the replacement character itself.
    args
  );
}

/** As {@link exactArguments}, by what the command line's parser gives back: it says no places, so that names which read alike are taken in their order. */
export function exactLookup(shown: readonly string[] = process.argv.slice(2)): (argument: string) => string {
  const exact = exactArguments(shown);
  const taken = new Set<number>();
  return (argument) => {
    const place = shown.findIndex((candidate, index) => candidate === argument && !taken.has(index));
    taken.add(place);
    return exact[place] ?? argument;
  };
}

/** For people whose name was not found: npx replaces bytes as Node does, and overwrites its own command line. Guessing what is on the disk could mean another file. */
export function lostBytesHint(path: string): string {
  return path.includes(replacement)
    ? ' Bytes of the name that are no UTF-8 may have been lost on the way: npx replaces them. Run node bin/kuramori.mjs instead.'
    : '';
}

const replacement = '\u{FFFD}';

function commandLineOf(pid: number): string[] {
  try {
    return pathFromBytes(readFileSync(`/proc/${pid}/cmdline`))
      .split('\0')
      .slice(0, -1);
  } catch {
    return [];
  }
}

function sameText(exact: readonly string[], args: readonly string[]): boolean {
  return exact.length === args.length && exact.every((argument, index) => pathToBytes(argument).toString('utf8') === args[index]);
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

/** Links resolved as far as the path exists. */
export function realAsFarAs(absolute: string): string {
  try {
    return pathFromBytes(realpathSync(fsPath(absolute), { encoding: 'buffer' }));
  } catch {
    const parent = path.dirname(absolute);
    return parent === absolute ? absolute : path.join(realAsFarAs(parent), path.basename(absolute));
  }
}
