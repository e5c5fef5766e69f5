import { readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { alice, Scene } from '../testing/scene';

const dayMs = 24 * 60 * 60 * 1000;
let here: Scene;
let laterMs = 0;
beforeEach(async () => {
  laterMs = 0;
  here = await Scene.open({ vault: { now: () => performance.timeOrigin + performance.now() + laterMs } });
});
afterEach(() => here.close());

async function inDays(days: number): Promise<void> {
  laterMs = days * dayMs;
  // What becomes unused with one clearing is taken away with the next.
  await here.vault.clearing.clear();
  await here.vault.clearing.clear();
}

async function remove(name: string): Promise<void> {
  rmSync(here.at(name));
  await here.tell(here.fact(alice, 'deleted', name));
}

const kept = async () =>
  (
    await here.vault.core.database.read<{ path: string }>('SELECT DISTINCT f."path" FROM "file" f JOIN "version" v ON v."fileId" = f."id" ORDER BY 1')
  ).map((row) => path.basename(row.path));
const stored = () =>
  readdirSync(path.join(here.dataDir, 'vault', 'content'), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length;

describe('a deleted file', () => {
  it('is kept for as long as anything can be undone, and then makes room; one that is there stays however old it is', async () => {
    for (const name of ['build.o', 'old.txt']) writeFileSync(here.at(name), name);
    await here.baseline();
    await remove('build.o');
    await inDays(0);
    await inDays(29);
    expect(await kept()).toEqual(['build.o', 'old.txt']);
    await inDays(31);
    expect(await kept()).toEqual(['old.txt']);
    expect(stored()).toBe(1);
    expect(await here.vault.core.database.read('SELECT 1 FROM "file"')).toHaveLength(1);
  });

  it('that is pinned stays', async () => {
    for (const name of ['a.txt', 'b.txt']) writeFileSync(here.at(name), name);
    await here.baseline();
    await remove('a.txt');
    await remove('b.txt');
    await inDays(0);
    laterMs = 20 * dayMs;
    await here.vault.suspicion.pin({ reason: 'incident 0123', level: 'attack', actors: [alice.key], sinceMs: 0 });
    await here.vault.core.database.read(`UPDATE "version" SET "pinned" = 0 WHERE "fileId" IN (SELECT "id" FROM "file" WHERE "path" LIKE '%b.txt')`);
    await inDays(31);
    expect(await kept()).toEqual(['a.txt']);
    await inDays(51);
    await inDays(62);
    expect(await kept()).toEqual([]);
  });

  it("that made place for a newer one of its name is that document's past, which gives way to newer versions alone", async () => {
    writeFileSync(here.at('a.txt'), 'first');
    await here.baseline();
    writeFileSync(here.at('new.tmp'), 'second');
    const fact = here.fact(alice, 'created', 'new.tmp');
    renameSync(here.at('new.tmp'), here.at('a.txt'));
    await here.tell(fact, here.fact(alice, 'renamed', 'a.txt', { oldPath: here.at('new.tmp') }));
    await inDays(0);
    await inDays(31);
    expect(await here.vault.restore.versions(here.at('a.txt'))).toHaveLength(2);
  });

  it('that was brought back and deleted again counts from then', async () => {
    writeFileSync(here.at('a.txt'), 'a');
    await here.baseline();
    await remove('a.txt');
    await inDays(0);
    laterMs = 29 * dayMs;
    await here.vault.restore.restore({ paths: [here.at('a.txt')], dryRun: false });
    await remove('a.txt');
    await inDays(31);
    expect(await kept()).toEqual(['a.txt']);
  });
});

it('the places of watcher runs that ended long ago are forgotten, never the newest of a host', async () => {
  await here.baseline();
  const old = Date.now() - 100 * dayMs;
  for (const [watcherId, host, age] of [
    ['aaaaaaaa', 'fs01', 0],
    ['bbbbbbbb', 'fs01', 1],
    ['cccccccc', 'fs02', 0],
  ] as const)
    await here.vault.core.database.read('INSERT INTO "position" VALUES (?, 1, ?, ?)', [watcherId, old + age, JSON.stringify({ host })]);
  const places = async () =>
    (await here.vault.core.database.read<{ watcherId: string }>('SELECT "watcherId" FROM "position" ORDER BY 1')).map(({ watcherId }) => watcherId);
  await here.vault.clearing.clear();
  expect(await places()).toEqual(['bbbbbbbb', 'cccccccc']);
  writeFileSync(here.at('a.txt'), 'a');
  await here.tell(here.fact(alice, 'created', 'a.txt'));
  await here.vault.clearing.clear();
  expect(await places()).toEqual(['cccccccc', here.watcherId].sort());
});
