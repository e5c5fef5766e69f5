import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { alice, Scene } from '../testing/scene';

let here: Scene;
beforeEach(async () => {
  here = await Scene.open();
});
afterEach(() => here.close());

const plans = Array.from({ length: 9 }, (_, index) => `plan${index}.txt`);
const sizesOf = async () =>
  (await here.vault.core.database.read<{ size: number }>('SELECT "size" FROM "version" ORDER BY "size"')).map(({ size }) => size);

async function move(from: string, to: string): Promise<void> {
  renameSync(here.at(from), here.at(to));
  await here.tell(here.fact(alice, 'renamed', to, { oldPath: here.at(from) }));
}

describe('documents that pass through one name', () => {
  beforeEach(async () => {
    for (const [index, name] of plans.entries()) writeFileSync(here.at(name), 'x'.repeat(index + 1));
    await here.baseline();
  });

  it('and are deleted there are not generations of one: each keeps its version', async () => {
    for (const name of plans) {
      await move(name, 'x');
      rmSync(here.at('x'));
      await here.tell(here.fact(alice, 'deleted', 'x'));
    }
    expect(await sizesOf()).toEqual(plans.map((_, index) => index + 1));
  });

  it('and replace each other there keep theirs too', async () => {
    for (const name of plans) await move(name, 'x');
    expect(await sizesOf()).toEqual(plans.map((_, index) => index + 1));
  });
});

it('saving by way of a temporary name makes generations of one document, of which four stay beside the oldest', async () => {
  writeFileSync(here.at('plan.txt'), 'x');
  await here.baseline();
  for (let save = 2; save <= 12; save += 1) {
    writeFileSync(here.at('plan.tmp'), 'x'.repeat(save));
    const created = here.fact(alice, 'created', 'plan.tmp', { written: true });
    renameSync(here.at('plan.tmp'), here.at('plan.txt'));
    await here.tell(created, here.fact(alice, 'renamed', 'plan.txt', { oldPath: here.at('plan.tmp') }));
  }
  expect(await sizesOf()).toEqual([1, 9, 10, 11, 12]);
});

it('documents that were saved under one name and then moved to names of their own keep their versions each', async () => {
  for (const number of [1, 2, 3]) {
    writeFileSync(here.at('scan.pdf'), `scan ${number}`);
    await here.tell(here.fact(alice, 'created', 'scan.pdf', { written: true }));
    // Long after it came.
    await here.vault.core.database.read('UPDATE "version" SET "atMs" = "atMs" - 100000');
    await move('scan.pdf', `invoice ${number}.pdf`);
  }
  for (let save = 1; save <= 4; save += 1) {
    const facts = [1, 2, 3].map((number) => {
      writeFileSync(here.at(`invoice ${number}.pdf`), `invoice ${number}, ${'x'.repeat(save)}`);
      return here.fact(alice, 'modified', `invoice ${number}.pdf`);
    });
    await here.tell(...facts);
  }
  for (const number of [1, 2, 3]) expect(await here.vault.restore.versions(here.at(`invoice ${number}.pdf`))).toHaveLength(5);
});
