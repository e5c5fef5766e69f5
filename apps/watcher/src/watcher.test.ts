import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type FileBatch, unknownActor } from '@kuramori/contracts';
import { type FileSensor, MemorySensor, type RawEvent, SensorUnavailableError } from '@kuramori/platform';
import { alice, bob, createdAndWritten, kuramori, rawEvent, written } from './testing/events';
import { Scene, type SceneOptions } from './testing/scene';

const soon = { timeout: 15_000, interval: 5 };
const scenes: Scene[] = [];
afterEach(async () => {
  for (const scene of scenes.splice(0)) await scene.close();
});

/** A scene whose first comparison with the catalogue is over. */
async function scene(options: SceneOptions = {}): Promise<Scene> {
  const made = await Scene.open(options);
  scenes.push(made);
  await compared(made);
  return made;
}

async function compared(here: Scene, runs = 1): Promise<void> {
  await expect.poll(() => here.watcher.figures(), soon).toMatchObject({ rescans: runs, rescanRunning: false });
}

/** Every run of the watcher counts its batches from one, without a hole. */
function expectNoHoles(batches: readonly FileBatch[]): void {
  for (const [, run] of Map.groupBy(batches, ({ watcherId }) => watcherId)) {
    expect(run.map(({ sequence }) => sequence)).toEqual(run.map((_, index) => index + 1));
  }
}

const spoolOf = (here: Scene) => path.join(here.settings.dataDir, 'spool', 'watcher');
/** Waits until a batch that the bus refused lies on the disk. */
async function spooled(here: Scene, messages = 1): Promise<void> {
  await expect.poll(() => readdirSync(spoolOf(here)).filter((name) => name.endsWith('.json')).length, soon).toBeGreaterThanOrEqual(messages);
}

describe('what the sensor tells', () => {
  it('becomes facts on the bus, with who did it and what the bytes look like', async () => {
    const here = await scene({ files: { 'plan.txt': 'old' } });
    here.place.write({ 'plan.txt': 'new plan\n' });
    here.push('plan.txt', written);
    await here.watcher.flush();
    expect(await here.facts()).toMatchObject([
      {
        operation: 'modified',
        kind: 'file',
        path: here.at('plan.txt'),
        written: true,
        actor: alice.key,
        origin: 'external',
        stat: here.place.stat('plan.txt'),
        content: { sizeBytes: 9, type: 'text', textHead: 'new plan\n' },
      },
    ]);
    const batch = (await here.batches()).find(({ facts }) => facts.length > 0);
    expect(batch).toMatchObject({ host: 'fs01', sensor: 'memory', actors: [alice] });
  });

  it('keeps its order, whoever did it and however many there were', async () => {
    const here = await scene();
    const names = Array.from({ length: 300 }, (_, index) => `d${index % 5}/${index}.txt`);
    const expected: string[] = [];
    for (const [index, name] of names.entries()) {
      const actor = index % 3 === 0 ? bob : alice;
      here.push(name, createdAndWritten, actor);
      here.push(`${name}.locked`, { renamed: true, oldPath: name }, actor);
      expected.push(`created ${name}`, `renamed ${name}.locked ${name}`);
    }
    await here.watcher.flush();
    expect(await here.told()).toEqual(expected);
    expectNoHoles(await here.batches());
  });

  it('is told although nobody closes the file', async () => {
    const here = await scene({ files: { 'database.db': 'rows' } });
    here.push('database.db', { modified: true });
    await expect.poll(() => here.told(), soon).toEqual(['modified database.db']);
  });

  it('is told when one process deletes a file and makes it anew before anyone looks', async () => {
    const here = await scene({ files: { 'plan.docx': 'plan' } });
    rmSync(here.at('plan.docx'));
    here.place.write({ 'plan.docx': 'other content' });
    here.push('plan.docx', { ...createdAndWritten, deleted: true });
    here.push('temporary', { ...createdAndWritten, deleted: true });
    await here.watcher.flush();
    expect(await here.facts()).toMatchObject([{ operation: 'created', path: here.at('plan.docx'), written: true, content: { sizeBytes: 13 } }]);
  });

  it('travels as our own where it was announced, and only then', async () => {
    const here = await scene();
    const sha256 = createHash('sha256').update('restored').digest('hex');
    expect(here.watcher.announce([{ path: here.at('a.txt'), sha256 }, { path: here.at('b.txt') }])).toBe(2);
    here.place.write({ 'a.txt': 'restored', 'c.txt': 'restored' });
    here.push('.kuramori-restore-1', createdAndWritten, kuramori);
    here.push('a.txt', { renamed: true, oldPath: '.kuramori-restore-1' }, kuramori);
    here.push('b.txt', { deleted: true }, kuramori);
    here.push('c.txt', createdAndWritten, kuramori);
    await here.watcher.flush();
    expect((await here.facts()).map(({ operation, path: file, origin }) => [operation, path.basename(file), origin])).toEqual([
      ['modified', 'a.txt', 'kuramori'],
      ['deleted', 'b.txt', 'kuramori'],
      ['created', 'c.txt', 'external'],
    ]);
  });
});

describe('while the bus is away', () => {
  it('facts wait on the disk, and come in order afterwards', async () => {
    const here = await scene();
    here.busAway = true;
    here.push('0', createdAndWritten);
    // The batch that the bus refused has to lie on the disk before the next one comes.
    await spooled(here);
    const names = Array.from({ length: 40 }, (_, index) => String(index));
    for (const name of names.slice(1)) {
      here.push(name, createdAndWritten);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await expect.poll(() => here.watcher.problems(), soon).toMatchObject([/^the bus takes nothing just now; \d+ batches wait on the disk$/u]);
    expect(here.watcher.figures().spooledBatches).toBeGreaterThan(0);
    expect(here.watcher.figures().spooledBytes).toBeGreaterThan(0);
    here.busAway = false;
    await expect.poll(() => here.told(), soon).toEqual(names.map((name) => `created ${name}`));
    expectNoHoles(await here.batches());
    await expect.poll(() => [here.watcher.figures().spooledBatches, ...here.watcher.problems()], soon).toEqual([0]);
  });

  it('a stop leaves everything that was seen on the disk, and the next run brings it before its own', async () => {
    const here = await scene();
    here.busAway = true;
    here.push('a', createdAndWritten);
    await spooled(here);
    here.push('b', createdAndWritten);
    await spooled(here, 2);
    // Behind two batches that are under way, and one of them not even closed.
    here.push('c', createdAndWritten);
    here.push('d', { modified: true }, bob);
    await here.watcher.stop();
    expect(readdirSync(spoolOf(here)).length).toBeGreaterThan(2);
    expect(await here.told()).toEqual([]);
    here.busAway = false;
    await here.start();
    here.push('e', createdAndWritten);
    await here.watcher.flush();
    expect(await here.told()).toEqual(['created a', 'created b', 'created c', 'modified d', 'created e']);
    const batches = await here.batches();
    expectNoHoles(batches);
    expect(new Set(batches.map(({ watcherId }) => watcherId)).size).toBe(2);
    expect(readdirSync(spoolOf(here))).toEqual([]);
  });

  it('a flush hands on what was seen, and tells the place where it will be', async () => {
    const here = await scene();
    here.busAway = true;
    here.push('a', createdAndWritten);
    await spooled(here);
    here.push('b', createdAndWritten);
    await spooled(here, 2);
    here.push('c', createdAndWritten);
    const flushing = here.watcher.flush();
    await spooled(here, 3);
    expect(here.watcher.figures().queued).toBe(0);
    here.busAway = false;
    const { watcherId, sequence } = await flushing;
    expect(await here.told()).toEqual(['created a', 'created b', 'created c']);
    expect((await here.batches()).at(-1)).toMatchObject({ watcherId, sequence });
  });
});

describe('a loss', () => {
  it('is said once in the stream, counted, and made good by a comparison with the catalogue', async () => {
    const here = await scene({ files: { 'a.txt': 'a', 'gone.txt': 'b' } });
    here.place.write({ 'a.txt': 'changed', 'new.txt': 'new' });
    rmSync(here.at('gone.txt'));
    here.sensor.lose('the queue overflowed');
    await compared(here, 2);
    await here.watcher.flush();
    expect((await here.told()).sort()).toEqual(['created new.txt', 'deleted gone.txt', 'modified a.txt']);
    const batches = await here.batches();
    expect(batches.filter(({ gap }) => gap === true)).toHaveLength(1);
    expect(batches.flatMap(({ facts }) => facts).every(({ rescan, actor }) => rescan === true && actor === 'unknown')).toBe(true);
    expect(here.watcher.figures()).toMatchObject({ losses: 1, rescans: 2, rescanDifferences: 3 });
    expect(here.log).toEqual(['events were lost (the queue overflowed); comparing the disk with the catalogue']);
  });

  it('of what a power cut left of the spool does not keep the watcher from starting, and is made good', async () => {
    const here = await scene({ files: { 'a.txt': 'a' } });
    await here.watcher.stop();
    here.place.write({ 'a.txt': 'changed' });
    writeFileSync(path.join(spoolOf(here), '000000000001.json'), '');
    await here.start();
    await expect.poll(() => here.told(), soon).toEqual(['modified a.txt']);
    expect(here.watcher.figures()).toMatchObject({ losses: 1, spooledBatches: 0 });
  });

  it('while the vault is away is made good when it is back, however often it happened, with one comparison or two', async () => {
    const here = await scene({ files: { 'a.txt': 'a' } });
    here.place.write({ 'a.txt': 'changed' });
    here.vaultAway = true;
    for (let count = 0; count < 50; count += 1) here.sensor.lose('overflow');
    await expect.poll(() => here.watcher.problems(), soon).toEqual(['rescan pending: the journal is not there yet']);
    const asked = here.queries.length;
    here.vaultAway = false;
    await expect.poll(() => here.told(), soon).toEqual(['modified a.txt']);
    await expect.poll(() => here.watcher.figures().rescanRunning, soon).toBe(false);
    expect(here.watcher.problems()).toEqual([]);
    expect(here.queries.length - asked).toBeLessThanOrEqual(2);
    expect(here.watcher.figures()).toMatchObject({ losses: 50 });
  });

  it('that nobody could make good yet is looked at again at once when somebody asks, however long the pauses have become', async () => {
    const here = await scene({ files: { 'a.txt': 'a' } });
    here.place.write({ 'a.txt': 'changed' });
    here.vaultAway = true;
    // The eighth pause would be 30 s.
    for (let attempt = 0; attempt < 8; attempt += 1) {
      const asked = here.queries.length;
      here.watcher.rescan();
      await expect.poll(() => here.queries.length, soon).toBeGreaterThan(asked);
      await expect.poll(() => here.watcher.figures().rescanRunning, soon).toBe(false);
    }
    here.vaultAway = false;
    here.watcher.rescan();
    await expect.poll(() => here.told(), soon).toEqual(['modified a.txt']);
  });

  it('of what the sensor told all the same is not told twice', async () => {
    const here = await scene({ files: { 'a.txt': 'a', 'b.txt': 'b' } });
    const { promise, resolve } = Promise.withResolvers<undefined>();
    here.catalogueHeld = promise.then(() => undefined);
    const asked = here.queries.length;
    here.sensor.lose('overflow');
    await expect.poll(() => here.queries.length, soon).toBe(asked + 1);
    here.place.write({ 'a.txt': 'by alice', 'b.txt': 'by nobody known' });
    here.push('a.txt', written);
    resolve(undefined);
    await compared(here, 2);
    await here.watcher.flush();
    expect((await here.facts()).map(({ path: file, actor }) => [path.basename(file), actor]).sort()).toEqual([
      ['a.txt', alice.key],
      ['b.txt', 'unknown'],
    ]);
  });
});

describe('a directory', () => {
  const directory = { kind: 'directory' } as const;
  const movedIn = { ...directory, renamed: true } as const;

  it('moved in brings all that is in it, each right behind what holds it', async () => {
    const here = await scene();
    here.place.write({ 'in/a.txt': 'a', 'in/d/b.txt': 'b' });
    mkdirSync(here.at('in/hollow'));
    symlinkSync('a.txt', here.at('in/link'));
    here.push('in', movedIn);
    await here.watcher.flush();
    const facts = await here.facts();
    expect(await here.told()).toHaveLength(6);
    expect((await here.told())[0]).toBe('created in');
    expect((await here.told()).sort()).toEqual(['in', 'in/a.txt', 'in/d', 'in/d/b.txt', 'in/hollow', 'in/link'].map((name) => `created ${name}`));
    const order = facts.map(({ path: file }) => path.relative(here.place.share, file));
    expect(order.indexOf('in/d')).toBeLessThan(order.indexOf('in/d/b.txt'));
    expect(facts.every(({ actor }) => actor === alice.key)).toBe(true);
    expect(facts.find(({ path: file }) => file === here.at('in/d/b.txt'))).toMatchObject({ kind: 'file', content: { sizeBytes: 1 } });
    expect(facts.find(({ path: file }) => file === here.at('in/link'))).toMatchObject({ kind: 'symlink' });
  });

  it('moved in brings its files before what happens to them', async () => {
    const here = await scene();
    here.place.write({ 'in/a.txt': 'a' });
    here.sensor.push(rawEvent(here.at('in'), movedIn), rawEvent(here.at('in/a.txt'), written, bob));
    await here.watcher.flush();
    expect(await here.told()).toEqual(['created in', 'created in/a.txt', 'modified in/a.txt']);
  });

  it('moved in and gone again does no harm', async () => {
    const here = await scene();
    here.push('in', movedIn);
    here.push('in', { ...directory, deleted: true });
    here.push('a.txt', createdAndWritten);
    await here.watcher.flush();
    expect(await here.told()).toEqual(['created in', 'deleted in', 'created a.txt']);
  });

  it('moved in and on before anyone looked brings its files under its last name', async () => {
    const here = await scene();
    here.place.write({ 'last/a.txt': 'a' });
    here.push('in', movedIn);
    here.push('on', { ...directory, renamed: true, oldPath: 'in' });
    here.push('last', { ...directory, renamed: true, oldPath: 'on' });
    here.push('again', { ...directory, renamed: true, oldPath: 'last' });
    await here.watcher.flush();
    // What `on` had become by then was not there either; `last` was.
    expect(await here.told()).toEqual(['created in', 'renamed on in', 'renamed last on', 'created last/a.txt', 'renamed again last']);
  });

  it('seen by a sensor that knows no actors brings its files: they may have been there before anyone looked', async () => {
    const memory = new MemorySensor();
    const blind: FileSensor = {
      name: 'memory',
      knowsActors: false,
      start: (...parts) => memory.start(...parts),
      figures: () => memory.figures(),
      stop: () => memory.stop(),
    };
    const here = await scene({ watcher: { sensor: blind } });
    here.place.write({ 'd/a.txt': 'a' });
    memory.push(rawEvent(here.at('d'), { ...directory, created: true }, unknownActor));
    await here.watcher.flush();
    expect(await here.told()).toEqual(['created d', 'created d/a.txt']);
  });

  it('that was made here brings nothing by itself: its files are told one by one', async () => {
    const here = await scene();
    here.place.write({ 'd/a.txt': 'a' });
    here.push('d', { ...directory, created: true });
    here.push('d/a.txt', createdAndWritten);
    await here.watcher.flush();
    expect(await here.told()).toEqual(['created d', 'created d/a.txt']);
  });
});

describe('a flush', () => {
  it('has in the stream, up to the place it tells, all that happened before it', async () => {
    const here = await scene();
    here.push('closed.txt', createdAndWritten);
    here.push('open.txt', { modified: true });
    const { watcherId, sequence } = await here.watcher.flush();
    const batches = await here.batches();
    expect(batches.at(-1)).toMatchObject({ watcherId, sequence });
    expect(await here.told()).toEqual(['created closed.txt', 'modified open.txt']);
    expect(here.watcher.figures()).toMatchObject({ spooledBatches: 0 });
  });

  it('tells a place that exists before anything happened', async () => {
    const here = await scene();
    const { watcherId, sequence } = await here.watcher.flush();
    expect(sequence).toBeGreaterThan(0);
    expect((await here.batches()).at(-1)).toMatchObject({ watcherId, sequence });
  });

  it('ends on a share that is never quiet', async () => {
    const here = await scene();
    here.push('first.txt', createdAndWritten);
    let count = 0;
    const busy = setInterval(() => {
      count += 1;
      here.push(`${count}.txt`, createdAndWritten);
    }, 1);
    try {
      const { sequence } = await here.watcher.flush();
      const there = (await here.batches()).filter((batch) => batch.sequence <= sequence).flatMap(({ facts }) => facts);
      expect(there[0]).toMatchObject({ path: here.at('first.txt') });
      expect(count).toBeGreaterThan(0);
    } finally {
      clearInterval(busy);
    }
  });

  it('waits for a sensor that knows when it has told everything', async () => {
    class Late extends MemorySensor {
      asked = 0;
      async settle(): Promise<void> {
        this.asked += 1;
        this.push(rawEvent('/late.txt', createdAndWritten));
      }
    }
    const sensor = new Late();
    const here = await scene({ watcher: { sensor } });
    const asked = sensor.asked;
    await here.watcher.flush();
    expect(sensor.asked).toBe(asked + 1);
    expect((await here.facts()).at(-1)).toMatchObject({ path: '/late.txt' });
  });
});

describe('the start', () => {
  it('with nothing in the catalogue finds every file new, by nobody known', async () => {
    const here = await scene();
    here.place.write({ 'a.txt': 'a', 'd/b.txt': 'b' });
    await here.restart();
    await compared(here);
    await here.watcher.flush();
    const facts = await here.facts();
    expect((await here.told()).sort()).toEqual(['created a.txt', 'created d/b.txt']);
    expect(facts.every(({ actor, rescan, written: isWritten }) => actor === 'unknown' && rescan === true && isWritten === true)).toBe(true);
  });

  it('finds what changed while it did not run', async () => {
    const here = await scene({ files: { 'a.txt': 'a', 'same.txt': 'same' } });
    await here.watcher.stop();
    here.place.write({ 'a.txt': 'changed' });
    await here.start();
    await compared(here);
    await here.watcher.flush();
    expect(await here.told()).toEqual(['modified a.txt']);
  });

  it('during the baseline calls nothing new, and compares again when that is done', async () => {
    const here = await scene({ incomplete: true });
    here.place.write({ 'kept.txt': 'a', 'missed.txt': 'b' });
    await here.restart();
    await compared(here);
    await here.watcher.flush();
    expect(await here.told()).toEqual([]);
    here.know('kept.txt');
    here.baselineDone = true;
    await expect.poll(() => here.told(), soon).toEqual(['created missed.txt']);
  });

  it('asks nobody for what the vault has written down: a baseline that was done once is done', async () => {
    const here = await scene({ incomplete: true });
    here.place.write({ 'a.txt': 'a' });
    here.place.write({ '../data/vault/baseline-done': '' });
    await here.restart();
    await expect.poll(() => here.told(), soon).toEqual(['created a.txt']);
  });

  it('fails when the sensor that was asked for is not to be had', async () => {
    class Missing extends MemorySensor {
      override async start(): Promise<void> {
        throw new SensorUnavailableError('no such thing here');
      }
    }
    const here = await scene();
    await here.watcher.stop();
    const starting = here.start({ sensor: new Missing() });
    await expect(starting).rejects.toThrow(SensorUnavailableError);
  });

  it('says what its sensor lacks on this system', async () => {
    class Weak extends MemorySensor {
      readonly limitation = 'no process events here';
    }
    const here = await scene({ watcher: { sensor: new Weak() } });
    expect(here.watcher.problems()).toEqual(['no process events here']);
  });

  it('takes chokidar where it has no threads for fanotify: files are told, also those of a directory that came as a whole', async () => {
    const here = await scene({ chokidar: true });
    expect(here.watcher.figures()).toMatchObject({ sensor: 'chokidar', knowsActors: false });
    here.place.write({ 'a.txt': 'a', '../outside/b.txt': 'b', '../outside/d/c.txt': 'c' });
    renameSync(here.at('../outside'), here.at('in'));
    const expected = ['created a.txt', 'created in', 'created in/b.txt', 'created in/d', 'created in/d/c.txt'];
    await expect.poll(() => here.told(), soon).toEqual(expect.arrayContaining(expected));
    expect((await here.facts()).every(({ actor }) => actor === 'unknown')).toBe(true);
  });
});

describe('the stop', () => {
  it('publishes what was seen, and nothing that comes after it', async () => {
    const here = await scene();
    const { sensor } = here;
    here.push('a.txt', createdAndWritten);
    here.push('open.txt', { modified: true });
    await here.watcher.stop();
    sensor.push(rawEvent(here.at('late.txt'), createdAndWritten));
    expect(await here.told()).toEqual(['created a.txt', 'modified open.txt']);
    expect(existsSync(spoolOf(here)) && readdirSync(spoolOf(here))).toEqual([]);
  });

  it('does not wait for a vault that does not answer', async () => {
    const here = await scene();
    const asked = here.queries.length;
    here.catalogueHeld = new Promise(() => undefined);
    here.watcher.rescan();
    await expect.poll(() => here.queries.length, soon).toBe(asked + 1);
    here.push('a.txt', createdAndWritten);
    await here.watcher.stop();
    expect(await here.told()).toEqual(['created a.txt']);
  });
});

describe('the figures', () => {
  it('say what was seen, told and is waiting', async () => {
    const here = await scene({ files: { 'a.txt': 'a' } });
    expect(here.watcher.problems()).toEqual([]);
    const events: Partial<RawEvent>[] = [{ created: true }, { modified: true }, { closedAfterWrite: true }];
    for (const event of events) here.push('b.txt', event);
    here.push('a.txt', { deleted: true });
    here.push('open.txt', { modified: true });
    expect(here.watcher.figures()).toMatchObject({ eventsSeen: 5, queued: 3, factsPublished: 0 });
    await here.watcher.flush();
    expect(here.watcher.figures()).toMatchObject({
      sensor: 'memory',
      knowsActors: true,
      eventsSeen: 5,
      overflows: 0,
      unresolvedActors: 0,
      factsPublished: 3,
      spooledBatches: 0,
      spooledBytes: 0,
      losses: 0,
      rescans: 1,
      rescanRunning: false,
      rescanDifferences: 0,
      guard: 'off',
      guardCopied: 0,
      guardExposure: 0,
    });
    expect(await here.facts()).toHaveLength(3);
    expect(here.watcher.figures().lagMs).toBeGreaterThanOrEqual(0);
    // The file that is still open is looked at once more, and then nothing waits.
    await expect.poll(() => here.watcher.figures().queued, soon).toBe(0);
  });

  it('say that a comparison runs, and that one is pending', async () => {
    const here = await scene();
    const { promise, resolve } = Promise.withResolvers<undefined>();
    here.catalogueHeld = promise.then(() => undefined);
    here.watcher.rescan();
    await expect.poll(() => here.watcher.figures().rescanRunning, soon).toBe(true);
    here.vaultAway = true;
    resolve(undefined);
    await expect.poll(() => here.watcher.problems(), soon).toEqual(['rescan pending: the journal is not there yet']);
    expect(here.watcher.figures().rescanRunning).toBe(false);
    here.vaultAway = false;
    await compared(here, 2);
    expect(here.watcher.problems()).toEqual([]);
  });
});
