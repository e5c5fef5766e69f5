import { closeSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Scene, type SceneOptions } from '../testing/scene';

const scenes: Scene[] = [];
afterEach(async () => {
  for (const scene of scenes.splice(0)) await scene.close();
});

async function scene(options: SceneOptions = {}): Promise<Scene> {
  const made = await Scene.open(options);
  scenes.push(made);
  return made;
}

describe('the baseline', () => {
  it('passes over what can not be looked at, says so, and keeps the rest', async () => {
    const here = await scene();
    // 4,043 bytes: one name of 200 more, and no system call takes the path.
    let deep = here.at('deep');
    while (deep.length + 201 < 4043) deep += `/${'d'.repeat(Math.min(200, 4043 - deep.length - 1))}`;
    deep += `/${'e'.repeat(4043 - deep.length - 1)}`;
    mkdirSync(deep, { recursive: true });
    const fd = openSync(deep, 'r');
    const name = 'n'.repeat(200);
    writeFileSync(`/proc/self/fd/${fd}/${name}`, 'out of reach');
    writeFileSync(path.join(deep, 'near'), 'within reach');
    writeFileSync(here.at('plan.txt'), 'the plan');
    try {
      await here.baseline();
      expect(here.vault.baseline.done).toBe(true);
      expect((await here.vault.details()).protection).toMatchObject({ files: 2, unreadable: 1, unreadableFiles: [`${deep}/${name}`] });
      expect(await here.notices('copy-failed')).toMatchObject([{ detail: expect.stringMatching(/ENAMETOOLONG/u) as string }]);
    } finally {
      rmSync(`/proc/self/fd/${fd}/${name}`);
      closeSync(fd);
    }
  });

  it('still knows after a restart how much is excluded', async () => {
    const here = await scene({ protect: { extensions: ['docx'] } });
    writeFileSync(here.at('b.tmp'), 'x'.repeat(5000));
    await here.baseline();
    expect((await here.vault.details()).protection.excludedBytes).toBe(5000);
    await here.restart();
    expect((await here.vault.details()).protection.excludedBytes).toBe(5000);
    // Walked again, it is not counted twice.
    await here.vault.core.database.read('DELETE FROM "baseline"');
    await here.vault.baseline.load();
    await here.baseline();
    expect((await here.vault.details()).protection.excludedBytes).toBe(5000);
  });

  it('goes on after a fault of the database with every part of what it had read', async () => {
    const here = await scene();
    for (let index = 0; index < 600; index += 1) writeFileSync(here.at(`${index}.txt`), `file ${index}`);
    const { database } = here.vault.core;
    const transaction = vi.spyOn(database, 'transaction').mockRejectedValueOnce(new Error('SQLITE_BUSY: database is locked'));
    await here.baseline();
    expect(transaction.mock.calls.length).toBeGreaterThan(1);
    expect((await here.vault.details()).protection.files).toBe(600);
  });
});
