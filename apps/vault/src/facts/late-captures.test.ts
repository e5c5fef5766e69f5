import { writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Scene } from '../testing/scene';

let here: Scene;
afterEach(async () => {
  vi.useRealTimers();
  await here.close();
});

const full = () => Object.assign(new Error('SQLITE_FULL: database or disk is full'), { code: 'SQLITE_FULL' });

describe('what is left of the last run', () => {
  it('waits for room without ending the start, and is kept when there is some', async () => {
    here = await Scene.open();
    writeFileSync(here.at('plan.txt'), 'the plan');
    await here.baseline();
    await here.vault.core.database.read('UPDATE "file" SET "version" = NULL');
    await here.restart();
    vi.spyOn(here.vault.core.database, 'transaction').mockRejectedValueOnce(full());
    await here.vault.begin();
    expect(here.vault.problems().join(' ')).toMatch(/free space/u);
    await expect
      .poll(async () => here.vault.core.database.read('SELECT 1 FROM "file" WHERE "version" IS NOT NULL'), { timeout: 15_000 })
      .toHaveLength(1);
  });

  it('a file that can not be read is tried again later also when the database had no room for that', async () => {
    here = await Scene.open();
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    writeFileSync(here.at('plan.txt'), 'the plan');
    await here.baseline();
    here.vault.late.noteUnreadable(here.at('plan.txt'), 'EIO');
    here.vault.late.noteUnreadable(here.at('gone.txt'), 'EIO');
    const transaction = vi.spyOn(here.vault.core.database, 'transaction').mockRejectedValue(full());
    vi.advanceTimersByTime(10 * 60 * 1000);
    await expect.poll(() => here.vault.problems().join(' ')).toMatch(/free space/u);
    expect(transaction).toHaveBeenCalled();
    // What is gone by now is nobody's problem.
    expect(here.vault.late.problems.paths).toEqual([here.at('plan.txt')]);
    transaction.mockRestore();
  });
});
