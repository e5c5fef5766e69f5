import { writeFileSync } from 'node:fs';
import { afterEach, expect, it, vi } from 'vitest';
import { Scene } from './testing/scene';

let here: Scene;
afterEach(() => here.close());

it('sums over whole tables are made once for all who ask within seconds, also during the baseline, and anew at its end', async () => {
  here = await Scene.open();
  writeFileSync(here.at('plan.txt'), 'the plan');
  const read = vi.spyOn(here.vault.core.database, 'read');
  const sums = () => read.mock.calls.filter(([sql]) => sql.includes('sum(')).length;
  expect(here.vault.baseline.done).toBe(false);
  await Promise.all([here.vault.details(), here.vault.details(), here.vault.details()]);
  await here.vault.details();
  expect(sums()).toBe(1);
  await here.baseline();
  expect((await here.vault.details()).protection).toMatchObject({ files: 1, baselineDone: true });
  await here.vault.details();
  expect(sums()).toBe(2);
});
