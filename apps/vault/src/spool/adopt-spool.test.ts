import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { toFileStat } from '@kuramori/platform';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { leaveCopy } from '../testing/guard-copy';
import { alice, mallory, Scene } from '../testing/scene';

let here: Scene;
let spool = '';

/** The share is a filesystem of its own, so that the spool is at its mount point, where users may write. */
beforeEach(async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'kuramori-spool-'));
  const share = path.join(directory, 'share');
  mkdirSync(share);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'mode=0777', 'tmpfs', share]);
  spool = path.join(share, '.kuramori-spool');
  writeFileSync(path.join(share, 'plan.txt'), 'the plan');
  here = await Scene.open({ directory });
});
afterEach(async () => {
  execFileSync('umount', [here.share]);
  await here.close();
});

const statOf = (file: string) => toFileStat(lstatSync(file, { bigint: true }));
const leave = (content: string, id = 'ab') =>
  leaveCopy(spool, here.dataDir, { id, path: here.at('plan.txt'), stat: statOf(here.at('plan.txt')), content });
const contents = async () => (await here.vault.restore.versions(here.at('plan.txt'))).map(({ actor }) => actor);

describe('the spool at the mount point of a share', () => {
  it('is read when it is what the guard left, with the time that the guard sealed', async () => {
    await here.baseline();
    leave('before');
    await here.vault.adopt();
    expect(await contents()).toEqual(['kept by the guard before it was opened', 'baseline']);
    expect(readdirSync(spool)).toEqual([]);
  });

  it('of a user is passed over, with one notice, and nothing in it becomes a version', async () => {
    leave('#!/bin/sh');
    // The very pair that root's guard would leave, in a directory that a user made.
    chownSync(spool, 65_534, 65_534);
    await here.baseline();
    await here.vault.adopt();
    await here.tell(here.fact(alice, 'metadata', 'plan.txt'));
    expect(await contents()).toEqual(['baseline']);
    expect(await here.notices('copy-failed')).toMatchObject([
      { alarm: true, path: spool, detail: expect.stringMatching(/uid 65534.*move it away/u) as string },
    ]);
    chownSync(spool, 0, 0);
    chmodSync(spool, 0o770);
    await here.vault.adopt();
    expect(await contents()).toEqual(['baseline']);
  });

  it('that is a symbolic link is not followed', async () => {
    leave('before');
    renameSync(spool, `${spool}-moved`);
    symlinkSync(`${spool}-moved`, spool);
    await here.baseline();
    await here.vault.adopt();
    expect(await contents()).toEqual(['baseline']);
    expect(await here.notices('copy-failed')).toHaveLength(1);
  });

  it('proves nothing by being private: unsealed, sealed elsewhere, changed and copied pairs stay where they are', async () => {
    await here.baseline();
    leave('before', 'good');
    // Planted by a user and moved into place, owner and mode right by some other fault.
    writeFileSync(path.join(spool, 'plain.data'), '#!/bin/sh', { mode: 0o600 });
    writeFileSync(path.join(spool, 'plain.copy'), JSON.stringify({ path: here.at('plan.txt'), stat: { mode: 0o104_755 } }), { mode: 0o600 });
    const other = path.join(here.directory, 'other');
    mkdirSync(other);
    leaveCopy(spool, other, { id: 'foreign', path: here.at('plan.txt'), stat: statOf(here.at('plan.txt')), content: 'foreign' });
    leave('to be changed', 'changed');
    writeFileSync(path.join(spool, 'changed.data'), 'has changed!!');
    leave('to be copied', 'old');
    cpSync(path.join(spool, 'old.data'), path.join(spool, 'new.data'));
    chmodSync(path.join(spool, 'new.data'), 0o600);
    renameSync(path.join(spool, 'old.copy'), path.join(spool, 'new.copy'));
    rmSync(path.join(spool, 'old.data'));
    await here.vault.adopt();
    await here.vault.adopt();
    expect(await contents()).toEqual(['kept by the guard before it was opened', 'baseline']);
    expect(readdirSync(spool).sort()).toEqual([
      'changed.copy',
      'changed.data',
      'foreign.copy',
      'foreign.data',
      'new.copy',
      'new.data',
      'plain.copy',
      'plain.data',
    ]);
    for (const name of ['plain', 'foreign', 'changed', 'new']) expect(here.log.filter((line) => line.includes(`${name}.copy`))).toHaveLength(1);
  });

  it('holds up nobody with a FIFO, a link or a file of others', async () => {
    await here.baseline();
    leave('before', 'good');
    execFileSync('/usr/bin/mkfifo', ['-m', '600', path.join(spool, 'fifo.copy')]);
    execFileSync('ln', ['-s', '/etc/shadow', path.join(spool, 'link.copy')]);
    writeFileSync(path.join(spool, 'open.copy'), 'x', { mode: 0o644 });
    await here.vault.adopt();
    expect(await contents()).toHaveLength(2);
  });

  it('never gives a user what it asked for: root, setuid, tomorrow', async () => {
    mkdirSync(spool);
    const stat = { ...statOf(here.at('plan.txt')), uid: 0, mode: 0o104_755 };
    for (const suffix of ['json', 'copy']) writeFileSync(path.join(spool, `00.${suffix}`), JSON.stringify({ path: here.at('plan.txt'), stat }));
    writeFileSync(path.join(spool, '00.data'), '#!/bin/sh\nid');
    execFileSync('chown', ['-R', '65534', spool]);
    execFileSync('touch', ['-d', 'tomorrow', path.join(spool, '00.json'), path.join(spool, '00.copy')]);
    await here.baseline();
    rmSync(here.at('plan.txt'));
    await here.tell(here.fact(mallory, 'deleted', 'plan.txt'));
    await here.vault.restore.restore({ paths: [here.at('plan.txt')], dryRun: false });
    expect(readFileSync(here.at('plan.txt'), 'utf8')).toBe('the plan');
    expect(statSync(here.at('plan.txt')).mode & 0o4000).toBe(0);
  });
});
