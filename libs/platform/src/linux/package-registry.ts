import { execFile } from 'node:child_process';
import { access, readdir, readFile, realpath } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { fsPath, pathFromBytes } from '../path-text';
import type { PackageRegistry } from '../process-control';

const run = promisify(execFile);
/** An rpm query takes some 20 ms; a locked rpm database must not hold the response up. */
const rpmTimeoutMs = 5000;

/** Directories that merged /usr made links of: a package may list its file under either name. */
const mergedDirectories = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'];

/** The names under which a package database may list this file. */
export function listedNames(file: string): string[] {
  const names = new Set([file]);
  for (const directory of mergedDirectories) {
    if (file.startsWith(`${directory}/`)) names.add(`/usr${file}`);
    if (file.startsWith(`/usr${directory}/`)) names.add(file.slice('/usr'.length));
  }
  return [...names];
}

/** dpkg's file lists (`<package>[:<architecture>].list`, one path per line), and rpm where it is installed. */
export class LinuxPackageRegistry implements PackageRegistry {
  constructor(
    private readonly dpkgInfoDir = '/var/lib/dpkg/info',
    private readonly rpmProgram = '/usr/bin/rpm',
  ) {}

  async ownerOf(file: string): Promise<string | undefined> {
    // A link such as /usr/bin/awk → /etc/alternatives/awk → /usr/bin/mawk: the package owns the target.
    const resolved = await realpath(fsPath(file), { encoding: 'buffer' }).then(pathFromBytes, () => file);
    const names = [...new Set([...listedNames(file), ...listedNames(resolved)])];
    return (await this.dpkgOwner(names)) ?? (await this.rpmOwner(resolved));
  }

  private async dpkgOwner(names: readonly string[]): Promise<string | undefined> {
    const lists = await readdir(this.dpkgInfoDir).catch(() => []);
    const wanted = names.map((name) => Buffer.from(`\n${name}\n`));
    for (const list of lists) {
      if (list.endsWith('.list') && (await this.holdsLine(path.join(this.dpkgInfoDir, list), wanted)))
        return list.slice(0, -'.list'.length).replace(/:[a-z0-9-]+$/u, '');
    }
    return undefined;
  }

  /** Whether one of the lines (with their line ends) stands in the file. Read at once: hundreds of lists of a few KiB, the largest of some megabytes. */
  private async holdsLine(file: string, wanted: readonly Buffer[]): Promise<boolean> {
    try {
      const lines = Buffer.concat([Buffer.from('\n'), await readFile(file)]);
      return wanted.some((line) => lines.includes(line));
    } catch {
      return false; // the package was removed meanwhile
    }
  }

  private async rpmOwner(file: string): Promise<string | undefined> {
    if (
      await access(this.rpmProgram).then(
        () => false,
        () => true,
      )
    )
      return undefined;
    try {
      const { stdout } = await run(this.rpmProgram, ['-qf', '--queryformat', '%{NAME}\n', '--', file], { timeout: rpmTimeoutMs });
      return stdout.split('\n')[0]?.trim() ?? undefined;
    } catch {
      return undefined; // exit 1: no package owns it
    }
  }
}
