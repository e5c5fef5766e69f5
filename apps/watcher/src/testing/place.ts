import { execFileSync } from 'node:child_process';
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { CatalogueEntry, FileStat } from '@kuramori/contracts';
import { fsPath, toFileStat } from '@kuramori/platform';

/** A real directory with a share in it. */
export class Place {
  readonly directory = mkdtempSync(path.join(tmpdir(), 'kuramori-watcher-'));
  readonly share = path.join(this.directory, 'share');

  constructor(files: Readonly<Record<string, string | Uint8Array>> = {}) {
    // Others may look into it: some tests do so without root's rights.
    chmodSync(this.directory, 0o755);
    mkdirSync(this.share);
    this.write(files);
  }

  at(name: string): string {
    return `${this.share}/${name}`;
  }

  write(files: Readonly<Record<string, string | Uint8Array>>): void {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(fsPath(path.dirname(this.at(name))), { recursive: true });
      writeFileSync(fsPath(this.at(name)), content);
    }
  }

  makePipe(name: string): void {
    execFileSync('/usr/bin/mkfifo', [this.at(name)]);
  }

  stat(name: string): FileStat {
    return toFileStat(lstatSync(fsPath(this.at(name)), { bigint: true }));
  }

  /** What the vault's catalogue says of a file that it knows as it is now. */
  entry(name: string): CatalogueEntry {
    const { dev, ino, size, mtimeNs, ctimeNs } = this.stat(name);
    return { path: this.at(name), dev, ino, size, mtimeNs, ctimeNs };
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

const nobody = 65_534;

/** Does something without root's right to read everything. */
export async function asNobody<T>(work: () => T | Promise<T>): Promise<T> {
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(nobody);
  try {
    return await work();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}
