/** Kuramori itself in trouble while it is needed most. */
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Installation, launch, openLoopDisk, type RunningProgram, waitFor } from '@kuramori/testing';
import { attackScript, damage, everythingBack, incidentOver, install } from './support';

const installations: Installation[] = [];
const programs: RunningProgram[] = [];
afterEach(async () => {
  for (const program of programs.splice(0)) program.end();
  for (const installation of installations.splice(0)) await installation.dispose();
});

async function underAttack(): Promise<{ installation: Installation; before: Awaited<ReturnType<typeof install>>['before']; attack: RunningProgram }> {
  const { installation, before } = await install({ files: 600 });
  installations.push(installation);
  installation.start();
  await installation.ready();
  const attack = launch(attackScript('openssl-encrypt-delete.sh'), [installation.share]);
  programs.push(attack);
  return { installation, before, attack };
}

async function endsWell(scene: Awaited<ReturnType<typeof underAttack>>): Promise<void> {
  const end = await scene.attack.ended;
  // The shell whose loop was killed says so with 128 + 9.
  expect(end.signal ?? end.code).toSatisfy((how) => how === 'SIGKILL' || how === 137);
  await asBefore(scene);
}

async function asBefore({ installation, before }: Pick<Awaited<ReturnType<typeof underAttack>>, 'installation' | 'before'>): Promise<void> {
  await incidentOver(installation, 90_000);
  await everythingBack(installation, before);
  expect(await installation.incidents()).toHaveLength(1);
}

/** Kill in the middle: the attacker has done its first harm, Kuramori has not finished. */
async function firstHarm(installation: Installation, before: Awaited<ReturnType<typeof install>>['before']): Promise<void> {
  await waitFor('the first harm', 20_000, () => damage(installation, before).lost.length > 0);
}

describe.each(['watcher', 'detector', 'vault', 'responder', 'notifier', 'nats-server'])('%s killed with -9 in the middle of an attack', (name) => {
  it('comes back and the result is the same', async () => {
    const scene = await underAttack();
    await firstHarm(scene.installation, scene.before);
    const pid = scene.installation.processes().get(name);
    expect(pid).toBeDefined();
    process.kill(pid ?? 0, 'SIGKILL');
    await endsWell(scene);
    await scene.installation.ready();
    expect(scene.installation.processes().get(name)).not.toBe(pid);
  });
});

describe('up killed with -9 in the middle of an attack', () => {
  it('a new up finds what was left, takes over, and the result is the same', async () => {
    const scene = await underAttack();
    await firstHarm(scene.installation, scene.before);
    process.kill(scene.installation.upPid ?? 0, 'SIGKILL');
    scene.installation.start();
    await endsWell(scene);
    await scene.installation.ready();
  });
});

/** A disk of its own for dataDir. */
async function onSmallDisk(
  scene: (data: string, installation: Installation, before: Awaited<ReturnType<typeof install>>['before']) => Promise<void>,
): Promise<void> {
  const disk = openLoopDisk({ mebibytes: 512, name: 'data' });
  try {
    const { installation, before } = await install({ files: 300, directory: disk.scratch });
    installations.push(installation);
    installation.start();
    await installation.ready();
    await waitFor('the reserve', 20_000, () => existsSync(reserveFile(disk.mountPoint)));
    await scene(disk.mountPoint, installation, before);
  } finally {
    for (const installation of installations.splice(0)) await installation.dispose();
    disk.close();
  }
}

const reserveFile = (data: string) => path.join(data, 'run', 'disk-reserve');

/** Leaves some 64 KiB, like a log that grows and grows. The services write meanwhile: what was free a moment ago may not be. */
async function fill(data: string, name: string): Promise<string> {
  const filler = path.join(data, name);
  await waitFor('the disk to be filled', 10_000, () => {
    const { bavail, bsize } = statfsSync(data);
    if (bavail <= 16) return true;
    return spawnSync('fallocate', ['-l', String((bavail - 16) * bsize), filler]).status === 0;
  });
  writeFileSync(filler, '', { flag: 'a' });
  return filler;
}

async function saysFull(installation: Installation): Promise<void> {
  await waitFor('status to say that the disk is full', 30_000, async () => {
    const status = await installation.status();
    return !status.ready && /free some space/iu.test(JSON.stringify(status.services));
  });
}

describe('the disk of dataDir', () => {
  it('full: what was set aside keeps protection going, and status says what is needed', () =>
    onSmallDisk(async (data, installation, before) => {
      const filler = await fill(data, 'filler');
      await saysFull(installation);
      const attack = launch(attackScript('openssl-encrypt-delete.sh'), [installation.share]);
      programs.push(attack);
      await endsWell({ installation, before, attack });
      rmSync(filler);
      await installation.ready();
    }));

  it('full to the last byte: status says what is needed, and with room again every file comes back', () =>
    onSmallDisk(async (data, installation, before) => {
      const fillers = [await fill(data, 'filler')];
      await waitFor('the reserve to be given free', 20_000, () => !existsSync(reserveFile(data)));
      fillers.push(await fill(data, 'more'));
      await saysFull(installation);
      const attack = launch(attackScript('openssl-encrypt-delete.sh'), [installation.share]);
      programs.push(attack);
      // Nothing can be written, so it may not be stopped: it is undone.
      await attack.ended;
      await saysFull(installation);
      for (const filler of fillers) rmSync(filler);
      await asBefore({ installation, before });
      await installation.ready();
    }));
});
