/**
 * What the issue asks for and does not hold reliably yet (`npm run test:open`): each of these moves to recovery.test.ts when it does.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Installation, launch, type RunningProgram, waitFor } from '@kuramori/testing';
import { attackScript, damage, incidentOver, install } from '../support';

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

async function endsWell({ installation, before, attack }: Awaited<ReturnType<typeof underAttack>>): Promise<void> {
  const end = await attack.ended;
  // The shell whose loop was killed says so with 128 + 9.
  expect(end.signal ?? end.code).toSatisfy((how) => how === 'SIGKILL' || how === 137);
  await incidentOver(installation, 90_000);
  await waitFor('every file as it was', 30_000, () => {
    const { lost, changedMetadata, added } = damage(installation, before);
    return lost.length + changedMetadata.length + added.length === 0;
  });
  expect(await installation.incidents()).toHaveLength(1);
}

/** Kill in the middle: the attacker has done its first harm, Kuramori has not finished. */
async function firstHarm(installation: Installation, before: Awaited<ReturnType<typeof install>>['before']): Promise<void> {
  await waitFor('the first harm', 20_000, () => damage(installation, before).lost.length > 0);
}

describe.each(['watcher', 'responder', 'nats-server'])('%s killed with -9 in the middle of an attack', (name) => {
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

describe('the disk of dataDir', () => {
  it('full: nothing crashes, status says what is needed, and with room again the result is the same', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'kuramori-full-'));
    const image = path.join(directory, 'disk.img');
    const data = path.join(directory, 'data');
    mkdirSync(data);
    writeFileSync(image, '');
    truncateSync(image, 512 * 1024 * 1024);
    const shell = (command: string, ...args: string[]) =>
      expect(spawnSync(command, args, { encoding: 'utf8' }).status, `${command} ${args.join(' ')}`).toBe(0);
    shell('mkfs.ext4', '-q', '-m', '0', image);
    shell('mount', '-o', 'loop', image, data);
    const filler = path.join(data, 'filler');
    try {
      const { installation, before } = await install({ files: 300, directory });
      installations.push(installation);
      installation.start();
      await installation.ready();
      const { bavail, bsize } = statfsSync(data);
      spawnSync('fallocate', ['-l', String((bavail - 16) * bsize), filler]);
      const attack = launch(attackScript('openssl-encrypt-delete.sh'), [installation.share]);
      programs.push(attack);
      await firstHarm(installation, before);
      // It may be stopped although the disk is full; what is sure is that it ends well once there is room.
      await waitFor('status to say that the disk is full', 30_000, async () => {
        const status = await installation.status();
        return !status.ready && /space|disk|room/iu.test(JSON.stringify(status.services));
      });
      rmSync(filler);
      await endsWell({ installation, before, attack });
      await installation.ready();
    } finally {
      for (const installation of installations.splice(0)) await installation.dispose();
      shell('umount', data);
      rmSync(directory, { recursive: true });
    }
  });
});
