import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { chownSync, mkdirSync, readFileSync, renameSync, rmdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { bundleForTest, type LoopDisk, openLoopDisk, type TestBundle, waitFor } from '@kuramori/testing';
import { Guard } from './guard';
import type { SpooledCopy } from './spool';
import { SpoolDirectory } from './spool-directory';
import { SpoolSeal } from './spool-seal';

let disk: LoopDisk;
let workerUrl: URL;
let bundle: TestBundle;

beforeAll(async () => {
  bundle = await bundleForTest({ 'guard.worker': 'apps/watcher/src/guard.worker.ts' });
  workerUrl = pathToFileURL(path.join(bundle.directory, 'guard.worker.mjs'));
});
afterAll(() => bundle.remove());

beforeEach(() => {
  disk = openLoopDisk();
});
afterEach(() => disk.close());

async function guarded(options: { onFailure?: (reason: string) => void; spoolLimitBytes?: number } = {}) {
  const root = path.join(disk.mountPoint, 'share');
  const dataDir = path.join(disk.scratch, 'data');
  mkdirSync(path.join(dataDir, 'run'), { recursive: true });
  mkdirSync(root, { recursive: true });
  const guard = new Guard(
    workerUrl,
    { roots: [root], dataDir, deadlineMs: 2000, onDeadline: 'allow', spoolLimitBytes: options.spoolLimitBytes ?? 1 << 30 },
    options.onFailure ?? (() => undefined),
  );
  return { guard, root, spool: path.join(disk.mountPoint, '.kuramori-spool') };
}

/** Another process does it: the guard lets its own process pass. */
const shell = (command: string, ...args: string[]) => promisify(execFile)('/bin/sh', ['-c', command, 'sh', ...args]);

/** What the guard left, by path; only what is sealed and whole counts. */
function copies(spool: string): Map<string, string> {
  const directory = SpoolDirectory.open(spool);
  if (directory === undefined) throw new Error(`${spool} is not there`);
  const seal = SpoolSeal.of(path.join(disk.scratch, 'data'));
  try {
    return new Map(
      directory
        .names()
        .filter((name) => name.endsWith('.copy'))
        .map((name) => {
          const copy = JSON.parse(seal.open(directory.read(name)) ?? '') as SpooledCopy;
          const data = name.replace('.copy', '.data');
          expect(directory.find(data)).toEqual(copy.data);
          return [copy.path, readFileSync(directory.at(data), 'utf8')];
        }),
    );
  } finally {
    directory.close();
  }
}

describe('the guard', () => {
  it('has copied what stood in a file before a writer gets it, also one that truncates at the open', async () => {
    const { guard, root, spool } = await guarded();
    const file = path.join(root, '計画.txt');
    writeFileSync(file, 'before');
    await guard.start();
    try {
      await shell('echo after > "$1"', file);
      expect(readFileSync(file, 'utf8')).toBe('after\n');
      expect(copies(spool).get(file)).toBe('before');
    } finally {
      await guard.stop();
    }
  });

  it('has copied what was read before it was deleted', async () => {
    const { guard, root, spool } = await guarded();
    const file = path.join(root, 'a.txt');
    writeFileSync(file, 'only copy');
    await guard.start();
    try {
      await shell('cat "$1" > "$1.enc"; rm "$1"', file);
      expect(copies(spool).get(file)).toBe('only copy');
    } finally {
      await guard.stop();
    }
  });

  it('copies one state once, and says when the spool is full instead of holding anyone', async () => {
    const { guard, root, spool } = await guarded({ spoolLimitBytes: 10 });
    writeFileSync(path.join(root, 'small'), '12345');
    writeFileSync(path.join(root, 'large'), 'x'.repeat(100));
    await guard.start();
    try {
      await shell('cat "$1/small" "$1/small" "$1/large"', root);
      expect(copies(spool).size).toBe(1);
      expect(guard.count('copied')).toBe(1);
      expect(guard.count('spoolFull')).toBe(1);
    } finally {
      await guard.stop();
    }
  });

  it('leaves files outside the roots alone', async () => {
    const { guard, spool } = await guarded();
    writeFileSync(path.join(disk.mountPoint, 'elsewhere'), 'x');
    await guard.start();
    try {
      await shell('cat "$1"', path.join(disk.mountPoint, 'elsewhere'));
      await waitFor('the guard to be asked', 2000, () => guard.count('asked') > 0);
      expect(copies(spool).size).toBe(0);
    } finally {
      await guard.stop();
    }
  });

  it('holds nobody after it was stopped', async () => {
    const { guard, root } = await guarded();
    writeFileSync(path.join(root, 'a'), '1');
    await guard.start();
    await guard.stop();
    await guard.stop();
    expect(guard.running).toBe(false);
    await shell('echo 2 > "$1"', path.join(root, 'a'));
    expect(readFileSync(path.join(root, 'a'), 'utf8')).toBe('2\n');
  });

  it('refuses to start with a spool that somebody else made, and says what to do', async () => {
    const { guard, spool } = await guarded();
    mkdirSync(spool);
    chownSync(spool, 65_534, 65_534);
    await expect(guard.start()).rejects.toThrow(/\.kuramori-spool is in the way .* uid 65534 .*move it away/u);
    chownSync(spool, 0, 0);
    await expect(guard.start()).rejects.toThrow(/in the way .* mode 755/u);
    rmdirSync(spool);
    symlinkSync(disk.scratch, spool);
    await expect(guard.start()).rejects.toThrow(/in the way .* no directory/u);
  });

  it('makes the spool anew when somebody moves it away, and copies again what was in it', async () => {
    const { guard, root, spool } = await guarded();
    writeFileSync(path.join(root, 'a'), '1');
    await guard.start();
    try {
      await shell('cat "$1"', path.join(root, 'a'));
      renameSync(spool, `${spool}-away`);
      writeFileSync(path.join(root, 'b'), '2');
      await shell('cat "$1/b" "$1/a"', root);
      expect([...copies(spool).values()].sort()).toEqual(['1', '2']);
    } finally {
      await guard.stop();
    }
  });
});
