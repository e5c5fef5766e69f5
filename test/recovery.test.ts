import { afterEach, describe, expect, it } from 'vitest';
import { type Installation, launch, type RunningProgram, waitFor } from '@kuramori/testing';
import { attackScript, damage, incidentOver, install } from './support';

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

describe.each(['detector', 'vault', 'notifier'])('%s killed with -9 in the middle of an attack', (name) => {
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
