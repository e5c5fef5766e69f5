/** Root restores into directories whose owner changes names at will, at the worst moment. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { openLoopDisk } from '@kuramori/testing';
import { mallory, Scene } from '../testing/scene';

const owner = 1234;
const clean = 'clean content\n';
const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A document that was encrypted, a file of root outside of the share, and a data directory on another filesystem where that is asked for. */
async function attacked(dataDirElsewhere = false): Promise<{ here: Scene; file: string; secret: string }> {
  const disk = dataDirElsewhere ? openLoopDisk() : undefined;
  const here = await Scene.open(disk === undefined ? {} : { dataDir: disk.mountPoint });
  closing.push(async () => {
    await here.close();
    disk?.close();
  });
  if (dataDirElsewhere) expect(lstatSync(here.dataDir).dev).not.toBe(lstatSync(here.share).dev);
  const file = here.at('a.txt');
  writeFileSync(file, clean);
  chmodSync(file, 0o666);
  chownSync(file, owner, owner);
  await here.baseline();
  const secret = path.join(here.directory, 'secret');
  writeFileSync(secret, 'of root alone', { mode: 0o600 });
  writeFileSync(file, randomBytes(100));
  await here.tell(here.fact(mallory, 'modified', 'a.txt'));
  return { here, file, secret };
}

/** Has something happen while the content of a file is being brought back. */
function whileWriting(here: Scene, act: () => void): void {
  const { store } = here.vault.core;
  const get = store.get.bind(store);
  store.get = (name) => {
    act();
    return get(name);
  };
}

const temporaries = (here: Scene) => readdirSync(here.share).filter((name) => name.startsWith('.kuramori-restore-'));

function swapForLink(here: Scene, secret: string): void {
  for (const name of temporaries(here).filter((each) => lstatSync(here.at(each)).isFile())) {
    rmSync(here.at(name));
    symlinkSync(secret, here.at(name));
  }
}

function expectUntouched(secret: string): void {
  const { mode, uid } = lstatSync(secret);
  expect([mode & 0o7777, uid, readFileSync(secret, 'utf8')]).toEqual([0o600, 0, 'of root alone']);
}

describe('a restored file', () => {
  it('whose temporary name becomes a link to a file of root is written anew, and that file keeps its permissions', async () => {
    const { here, file, secret } = await attacked();
    let swapped = false;
    whileWriting(here, () => {
      if (!swapped) swapForLink(here, secret);
      swapped = true;
    });
    expect(await here.undo()).toMatchObject({ restored: 1, unrecoverable: 0 });
    expectUntouched(secret);
    expect([lstatSync(file).isFile(), lstatSync(file).mode & 0o7777, lstatSync(file).uid, readFileSync(file, 'utf8')]).toEqual([
      true,
      0o666,
      owner,
      clean,
    ]);
  });

  it('leaves alone what somebody saves at its empty place while it is written', async () => {
    const { here, file } = await attacked();
    rmSync(file);
    await here.tell(here.fact(mallory, 'deleted', 'a.txt'));
    whileWriting(here, () => writeFileSync(file, 'saved just now'));
    expect((await here.undo()).items).toMatchObject([{ outcome: 'failed', detail: /came to its place meanwhile/u }]);
    expect(readFileSync(file, 'utf8')).toBe('saved just now');
    expect(temporaries(here)).toEqual([]);
  });

  it('fails where that happens again and again, and a stranger never takes the place of the document', async () => {
    const { here, file, secret } = await attacked();
    const encrypted = lstatSync(file).ino;
    whileWriting(here, () => swapForLink(here, secret));
    expect((await here.undo()).items).toMatchObject([{ outcome: 'failed' }]);
    expectUntouched(secret);
    expect(lstatSync(file).ino).toBe(encrypted);
    // The links are the attacker's, not ours to remove.
    expect(temporaries(here)).toHaveLength(3);
  });

  it('does not take to quarantine, and so to the share, what a link leads to that came to its place', async () => {
    const { here, file, secret } = await attacked(true);
    whileWriting(here, () => {
      rmSync(file, { force: true });
      symlinkSync(secret, file);
    });
    expect((await here.undo()).items).toMatchObject([{ outcome: 'failed' }]);
    expectUntouched(secret);
    const kept = readdirSync(path.join(here.dataDir, 'quarantine'), { recursive: true, withFileTypes: true });
    expect(kept.filter((entry) => entry.isFile())).toEqual([]);
  });

  it('puts a pipe that stands at its place to quarantine without opening it, and a release makes it again', async () => {
    const { here, file } = await attacked(true);
    rmSync(file);
    execFileSync('/usr/bin/mkfifo', ['-m', '640', file]);
    chownSync(file, owner, owner);
    expect(await here.undo()).toMatchObject({ restored: 1, unrecoverable: 0 });
    expect(readFileSync(file, 'utf8')).toBe(clean);
    const [entry] = (await here.vault.quarantine.list({})).entries;
    await here.vault.quarantine.release(entry?.id ?? '', here.at('pipe'));
    const pipe = lstatSync(here.at('pipe'));
    expect([pipe.isFIFO(), pipe.mode & 0o7777, pipe.uid]).toEqual([true, 0o640, owner]);
    expect((await here.vault.quarantine.list({})).entries).toEqual([]);
  });

  it.each(['file', 'link', 'pipe', 'directory'])('that replaces a %s on the way to another filesystem loses nothing of it', async (kind) => {
    const { here, file } = await attacked(true);
    rmSync(file);
    if (kind === 'file') writeFileSync(file, 'theirs');
    if (kind === 'link') symlinkSync('/nowhere', file);
    if (kind === 'pipe') execFileSync('/usr/bin/mkfifo', [file]);
    if (kind === 'directory') mkdirSync(file, { mode: 0o2750 });
    const before = lstatSync(file);
    expect(await here.undo()).toMatchObject({ unrecoverable: 0, restored: 1 });
    const [entry] = (await here.vault.quarantine.list({})).entries;
    await here.vault.quarantine.release(entry?.id ?? '', here.at('back'));
    const back = lstatSync(here.at('back'));
    expect([back.mode, back.uid, back.mtimeMs, existsSync(entry?.storedAt ?? '')]).toEqual([before.mode, before.uid, before.mtimeMs, false]);
  });
});

describe('owner and permissions', () => {
  it('of a directory are not given to what a link leads to that came to its place', async () => {
    const { here } = await attacked();
    const outside = path.join(here.directory, 'outside');
    mkdirSync(outside, { mode: 0o700 });
    mkdirSync(here.at('d'), { mode: 0o755 });
    await here.tell(here.fact(mallory, 'created', 'd', { actor: 'process:b:10:1' }));
    chmodSync(here.at('d'), 0o711);
    await here.tell(here.fact(mallory, 'metadata', 'd'));
    rmdirSync(here.at('d'));
    symlinkSync(outside, here.at('d'));
    const { items } = await here.undo();
    expect(items.find(({ path: file }) => file === here.at('d'))).toMatchObject({ step: 'set-metadata', outcome: 'conflict' });
    expect(lstatSync(outside).mode & 0o7777).toBe(0o700);
  });

  it('that run with the rights of the owner are not given to what somebody else may have written', async () => {
    const { here, file } = await attacked();
    chownSync(file, 0, 0);
    chmodSync(file, 0o4755);
    await here.tell(here.fact(mallory, 'metadata', 'a.txt', { actor: 'process:b:10:1' }));
    chownSync(file, owner, owner);
    chmodSync(file, 0o4755);
    await here.tell(here.fact({ ...mallory, key: 'process:b:67:1' }, 'metadata', 'a.txt'));
    const { items } = await here.undo({ actors: ['process:b:67:1'] });
    expect(items).toMatchObject([{ step: 'set-metadata', detail: 'without the set-user-ID bit: the file belonged to somebody else meanwhile' }]);
    expect([lstatSync(file).uid, lstatSync(file).mode & 0o7777]).toEqual([0, 0o755]);
    // Nor by running it again, now that the owner is the right one already.
    await here.undo({ actors: ['process:b:67:1'] });
    expect([lstatSync(file).uid, lstatSync(file).mode & 0o7777]).toEqual([0, 0o755]);
  });

  it('of a set-user-ID program come back with its own content', async () => {
    const { here } = await attacked();
    const program = here.at('program');
    writeFileSync(program, 'run me');
    chmodSync(program, 0o4755);
    await here.tell(here.fact(mallory, 'created', 'program', { actor: 'process:b:10:1' }));
    rmSync(program);
    // The same bytes in a file of the attacker, who may hold it open.
    writeFileSync(program, 'run me');
    chownSync(program, owner, owner);
    const theirs = lstatSync(program).ino;
    renameSync(program, here.at('kept open'));
    renameSync(here.at('kept open'), program);
    await here.vault.restore.restore({ paths: [program], dryRun: false });
    expect([lstatSync(program).uid, lstatSync(program).mode & 0o7777]).toEqual([0, 0o4755]);
    expect(lstatSync(program).ino).not.toBe(theirs);
  });
});

describe('a pipe', () => {
  it('that the attacker added is taken away, one that others had stays, and a file that one was moved over comes back', async () => {
    const { here, file } = await attacked();
    execFileSync('/usr/bin/mkfifo', [here.at('alice')]);
    await here.tell(here.fact(mallory, 'created', 'alice', { actor: 'process:b:10:1' }));
    execFileSync('/usr/bin/mkfifo', [here.at('trap')]);
    const trap = here.fact(mallory, 'created', 'trap');
    execFileSync('/usr/bin/mkfifo', [here.at('over')]);
    const over = here.fact(mallory, 'created', 'over');
    renameSync(here.at('over'), file);
    await here.tell(trap, over, here.fact(mallory, 'renamed', 'a.txt', { oldPath: here.at('over') }));
    expect(await here.undo()).toMatchObject({ unrecoverable: 0, conflicts: 0 });
    expect(readdirSync(here.share).sort()).toEqual(['a.txt', 'alice']);
    expect(readFileSync(file, 'utf8')).toBe(clean);
    expect((await here.vault.quarantine.list({})).entries.map((entry) => entry.path)).toContain(here.at('trap'));
  });
});
