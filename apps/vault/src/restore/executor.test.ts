import { lstatSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { RestoreReport } from '@kuramori/contracts';
import { afterEach, describe, expect, it } from 'vitest';
import { mallory, Scene } from '../testing/scene';
import { Executor } from './executor';
import { Quarantine } from './quarantine';

const scenes: Scene[] = [];
afterEach(async () => {
  for (const scene of scenes.splice(0)) await scene.close();
});

async function scene(files: Record<string, string> = {}): Promise<Scene> {
  const here = await Scene.open();
  scenes.push(here);
  for (const [name, content] of Object.entries(files)) writeFileSync(here.at(name), content);
  await here.baseline();
  return here;
}

describe('restores', () => {
  it('are planned and done one after the other, also after one that failed; what only looks does not wait', async () => {
    const here = await scene();
    const executor = new Executor(here.vault.core, new Quarantine(here.dataDir, here.vault.core.database, Date.now));
    const order: string[] = [];
    const gate = Promise.withResolvers<undefined>();
    const run = (name: string, dryRun: boolean, until?: Promise<undefined>): Promise<RestoreReport> =>
      executor.run(
        async () => {
          order.push(`${name} begins`);
          await until;
          order.push(`${name} ends`);
          if (name === 'second') throw new Error('no plan');
          return { steps: [], touched: 0 };
        },
        { incidentId: name, dryRun, within: [here.share], catalogued: true },
      );
    const first = run('first', false, gate.promise);
    const second = run('second', false);
    const third = run('third', false);
    await run('look', true);
    expect(order.toSorted()).toEqual(['first begins', 'look begins', 'look ends']);
    gate.resolve(undefined);
    await first;
    await expect(second).rejects.toThrow('no plan');
    await third;
    expect(order.slice(3)).toEqual(['first ends', 'second begins', 'second ends', 'third begins', 'third ends']);
  });

  it('by an operator and an undo do the same work once', async () => {
    const here = await scene({ 'a.txt': 'clean' });
    writeFileSync(here.at('a.txt'), 'encrypted');
    await here.tell(here.fact(mallory, 'modified', 'a.txt'));
    const reports = await Promise.all([here.undo(), here.vault.restore.restore({ paths: [here.at('a.txt')], version: 1, dryRun: false })]);
    expect(reports.map(({ restored, conflicts, unrecoverable }) => restored + conflicts + unrecoverable).toSorted()).toEqual([0, 1]);
    expect(readFileSync(here.at('a.txt'), 'utf8')).toBe('clean');
    expect((await here.vault.quarantine.list({})).entries).toHaveLength(1);
  });

  it('by an operator of more files than a message holds are answered with the first ones', async () => {
    const here = await scene(Object.fromEntries(Array.from({ length: 2010 }, (_, index) => [`${index}.txt`, 'x'])));
    const report = await here.vault.restore.restore({ paths: [here.share], dryRun: true });
    expect([report.touched, report.items.length]).toEqual([2010, 2000]);
  });
});

describe('the quarantine', () => {
  it('is listed in pages that fit into a message, newest first, also while entries leave it', async () => {
    const here = await scene();
    const quarantine = new Quarantine(here.dataDir, here.vault.core.database, Date.now);
    const directory = mkdtempSync(path.join(tmpdir(), 'kuramori-quarantined-'));
    try {
      const ids: string[] = [];
      for (let index = 0; index < 600; index += 1) {
        const file = path.join(directory, `${index}`);
        writeFileSync(file, '');
        const row = quarantine.describe(lstatSync(file, { bigint: true }), file, index % 2 === 0 ? 'even' : 'odd', 'leftover');
        await quarantine.announce([row]);
        quarantine.move(row, Buffer.from(file));
        ids.unshift(row.id);
      }
      const first = await quarantine.list({});
      expect(first.entries.map(({ id }) => id)).toEqual(ids.slice(0, 256));
      const last = first.entries.at(-1);
      const row = last === undefined ? undefined : await quarantine.find(last.id);
      if (row !== undefined) await quarantine.release(row, row.path);
      const second = await quarantine.list({ after: first.next ?? 0 });
      const third = await quarantine.list({ after: second.next ?? 0 });
      expect([...second.entries, ...third.entries].map(({ id }) => id)).toEqual(ids.slice(256));
      expect(third.next).toBeUndefined();
      const even = await quarantine.list({ incidentId: 'even', limit: 300 });
      const rest = await quarantine.list({ incidentId: 'even', after: even.next ?? 0 });
      expect([even.entries.length, rest.entries.length, rest.next]).toEqual([256, 44 - (row?.incidentId === 'even' ? 1 : 0), undefined]);
      expect((await quarantine.list({ limit: 3 })).entries).toHaveLength(3);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it('takes only what was described: what came to its place meanwhile is left there', async () => {
    const here = await scene();
    const quarantine = new Quarantine(here.dataDir, here.vault.core.database, Date.now);
    const file = here.at('a.txt');
    writeFileSync(file, 'leftover');
    const row = quarantine.describe(lstatSync(file, { bigint: true }), file, 'incident-1', 'leftover');
    await quarantine.announce([row]);
    writeFileSync(here.at('b.txt'), 'new and of others');
    renameSync(here.at('b.txt'), file);
    const { ino } = lstatSync(file, { bigint: true });
    expect(() => quarantine.move(row, Buffer.from(file))).toThrow('another file came to its place');
    expect(lstatSync(file, { bigint: true }).ino).toBe(ino);
    expect((await quarantine.list({})).entries).toEqual([]);
  });
});
