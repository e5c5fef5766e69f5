import { renameSync, writeFileSync } from 'node:fs';
import type { Actor } from '@kuramori/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { alice, Scene } from '../testing/scene';

const vault: Actor = { key: 'process:b:5:1', kind: 'process', pid: 5, own: true };

let here: Scene;
beforeEach(async () => {
  here = await Scene.open();
  for (const name of ['a.txt', 'b.txt', 'c.txt']) writeFileSync(here.at(name), name);
  await here.baseline();
});
afterEach(() => here.close());

const journal = async () =>
  (await here.vault.core.database.read<{ operation: string; path: string }>('SELECT "operation", "path" FROM "journal" ORDER BY "id"')).map(
    ({ operation, path }) => `${operation} ${path.slice(here.share.length + 1)}`,
  );

describe('facts of what Kuramori did itself', () => {
  it('are neither journalled nor read, whether they were announced or its own processes did it; those of others beside them are', async () => {
    writeFileSync(here.at('a.txt'), 'restored');
    const announced = here.fact(alice, 'modified', 'a.txt', { origin: 'kuramori' });
    writeFileSync(here.at('b.txt'), 'restored');
    const own = here.fact(vault, 'modified', 'b.txt');
    writeFileSync(here.at('c.txt'), 'work');
    renameSync(here.at('c.txt'), here.at('d.txt'));
    const others = here.fact(alice, 'renamed', 'd.txt', { oldPath: here.at('c.txt'), written: true });
    await here.vault.batches.handle({ ...here.batch([announced, own, others]), actors: [alice, vault] });
    expect(await journal()).toEqual(['renamed d.txt']);
    for (const [name, count] of [
      ['a.txt', 1],
      ['b.txt', 1],
      ['d.txt', 2],
    ] as const)
      expect(await here.vault.restore.versions(here.at(name))).toHaveLength(count);
  });

  it('alone move the journal on: whoever waits for it learns that it is there', async () => {
    writeFileSync(here.at('a.txt'), 'restored');
    await here.tell(here.fact(alice, 'modified', 'a.txt', { origin: 'kuramori' }));
    expect(await journal()).toEqual([]);
    const [position] = await here.vault.core.database.read<{ sequence: number }>('SELECT max("sequence") AS "sequence" FROM "position"');
    expect(position?.sequence).toBeGreaterThan(0);
  });
});
