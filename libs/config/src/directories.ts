/** What the disk says about the directories that the settings name, beyond what their text says. */
import { accessSync, constants, lstatSync, realpathSync, statfsSync, statSync } from 'node:fs';
import path from 'node:path';

export interface KeyProblem {
  readonly key: string;
  readonly text: string;
}

/** Symbolic links resolved as far as the path exists: the kernel reports real paths. */
export function realOrResolved(directory: string): string {
  const absolute = path.resolve(directory);
  try {
    return realpathSync(absolute);
  } catch {
    const parent = path.dirname(absolute);
    return parent === absolute ? absolute : path.join(realOrResolved(parent), path.basename(absolute));
  }
}

/** Where the kernel shows itself: nothing there is a file that somebody could lose. */
const systemDirectories = ['/proc', '/sys', '/dev'];
/** statfs(2) magic numbers of such filesystems, wherever they are mounted: proc, sysfs, devpts, cgroup, cgroup2, debugfs, tracefs, securityfs, configfs, bpf, pstore, efivarfs. */
const systemFilesystems = new Set([
  ...[0x9fa0, 0x62656572, 0x1cd1, 0x27e0eb, 0x63677270, 0x64626720, 0x74726163, 0x73636673, 0x62656570, 0xcafe4a11, 0x6165676c, 0xde5e81e4],
]);

function isOfTheSystem(real: string): boolean {
  if (systemDirectories.some((directory) => isInside(real, directory))) return true;
  try {
    return systemFilesystems.has(statfsSync(real).type);
  } catch {
    // It isn't there: said elsewhere, where that is wrong.
    return false;
  }
}

/** A symbolic link in the path that leads nowhere: a directory can't be made through it. */
function deadLink(absolute: string): string | undefined {
  try {
    const isLink = lstatSync(absolute).isSymbolicLink();
    return isLink && statSync(absolute, { throwIfNoEntry: false }) === undefined ? absolute : undefined;
  } catch {
    const parent = path.dirname(absolute);
    return parent === absolute ? undefined : deadLink(parent);
  }
}

/** Of a directory that is made when missing. */
function problemOfOwnDirectory(given: string): string | undefined {
  const absolute = path.resolve(given);
  const real = realOrResolved(absolute);
  const dead = deadLink(absolute);
  if (dead !== undefined) return `${dead} is a link that leads nowhere; make the directory it names, or choose another one`;
  if (!isDirectoryOrMissing(real)) return `${real} is not a directory; name one (it is made when missing)`;
  if (isOfTheSystem(real)) return `${real} lies in a filesystem of the system, which keeps no files; choose a directory on a disk`;
  return undefined;
}

const isInside = (inner: string, outer: string) => inner === outer || inner.startsWith(outer === '/' ? '/' : `${outer}/`);

export function checkDirectories(
  givenRoots: readonly string[],
  givenDataDir: string | undefined,
  givenCredentials: string | undefined,
): KeyProblem[] {
  const problems: KeyProblem[] = [];
  const root = (text: string) => problems.push({ key: 'protect.roots', text });
  const dataDir = givenDataDir === undefined ? undefined : realOrResolved(givenDataDir);
  for (const [key, given] of [
    ['dataDir', givenDataDir],
    ['bus.credentials', givenCredentials],
  ] as const) {
    const text = given === undefined ? undefined : problemOfOwnDirectory(given);
    if (text !== undefined) problems.push({ key, text });
  }
  const roots = givenRoots.map((given) => realOrResolved(given));
  for (const [index, current] of roots.entries()) {
    const wrong = problemOfRoot(current);
    if (wrong !== undefined) root(wrong);
    if (dataDir !== undefined && isInside(current, dataDir))
      root(`${current} lies inside dataDir ${dataDir}; the vault would have to keep itself. Choose another place for one of them`);
    else if (dataDir !== undefined && isInside(dataDir, current)) {
      problems.push({
        key: 'dataDir',
        text: `${dataDir} lies inside the root ${current} (protect.roots); whoever attacks the share would reach the vault. Choose another place for dataDir`,
      });
    }
    for (const other of roots.slice(0, index)) {
      if (isInside(current, other) || isInside(other, current)) root(`${current} and ${other} lie inside each other; name the outer one only`);
    }
  }
  return problems;
}

function isDirectoryOrMissing(directory: string): boolean {
  try {
    return statSync(directory).isDirectory();
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

function problemOfRoot(root: string): string | undefined {
  if (root === '/') return '/ can not be protected as a whole; name the directories that hold documents';
  if (root.includes('\u{FFFD}')) return `${root} has a name that is not UTF-8; such names are fine below a root, but not in its own path`;
  try {
    if (!statSync(root).isDirectory()) return `${root} is not a directory; name the directory that holds it`;
    if (isOfTheSystem(root)) return `${root} is a filesystem of the system, whose files are no documents; name directories on a disk`;
    accessSync(root, constants.R_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return `${root} does not exist; make the directory or correct the path`;
    if (code === 'EACCES' || code === 'EPERM') return `${root} can't be read by this user; run as root, or give it the right to read`;
    return `${root} can't be used: ${error instanceof Error ? error.message : String(error)}`;
  }
}
