import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CatalogueEntry, InvalidMessageError, type JournalPosition, unknownActor } from '@kuramori/contracts';
import { rawEvent } from '../testing/events';
import { asNobody, Place } from '../testing/place';
import { type Difference, Rescanner, type RescannerOptions } from './rescanner';
import { SeenPaths } from './seen-paths';

const position: JournalPosition = { watcherId: '00000000', sequence: 7 };
/** For what happens on other turns of the event loop. */
const soon = { timeout: 10_000, interval: 2 };

let place: Place;
/** The vault's word: entries by name. */
let catalogue: Map<string, CatalogueEntry>;
let seen: SeenPaths;
let told: Difference[];
beforeEach(() => {
  place = new Place();
  catalogue = new Map();
  seen = new SeenPaths();
  told = [];
});
afterEach(() => place.remove());

function know(...names: string[]): void {
  for (const name of names) catalogue.set(name, place.entry(name));
}

/** So many files that the catalogue has and the disk has not. */
function loseMany(count: number): string[] {
  const names = Array.from({ length: count }, (_, index) => `gone-${index}.txt`);
  place.write({ 'a.txt': 'a' });
  for (const name of names) catalogue.set(name, { ...place.entry('a.txt'), path: place.at(name) });
  know('a.txt');
  return names;
}

type Query = Parameters<RescannerOptions['catalogue']>[0];
/** As the vault answers: in byte order, behind `after`. */
function page({ after, limit }: Query): { entries: CatalogueEntry[] } {
  const bytes = ({ path: file }: { path: string }) => Buffer.from(file);
  const entries = [...catalogue.values()]
    .filter((entry) => after === undefined || Buffer.compare(bytes(entry), Buffer.from(after)) > 0)
    .sort((a, b) => Buffer.compare(bytes(a), bytes(b)))
    .slice(0, limit);
  return { entries };
}

function rescanner(options: Partial<RescannerOptions> = {}): Rescanner {
  return new Rescanner({
    roots: [place.share],
    ignore: [],
    kept: () => true,
    flush: async () => position,
    seen,
    catalogue: async (query) => page(query),
    isComplete: async () => true,
    report: async (differences) => void told.push(...differences),
    ...options,
  });
}

const inShort = () => told.map(({ operation, path: file }) => `${operation} ${path.relative(place.share, file)}`).sort();

/** One run, and what it told. */
async function scan(options: Partial<RescannerOptions> = {}): Promise<string[]> {
  told = [];
  await rescanner(options).request();
  return inShort();
}

/** Something that is on its way until it is let go. */
function gate(): { readonly passed: Promise<void>; readonly open: () => void } {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  return { passed: promise.then(() => undefined), open: () => resolve(undefined) };
}

describe('the disk compared with the catalogue', () => {
  it('shows what was made, changed and removed while nobody watched', async () => {
    place.write({ 'same.txt': 'same', 'changed.txt': 'old', 'd/gone.txt': 'gone', 'd/e/deep.txt': 'deep' });
    know('same.txt', 'changed.txt', 'd/gone.txt', 'd/e/deep.txt');
    place.write({ 'changed.txt': 'new content', 'd/new.txt': 'new' });
    rmSync(place.at('d/gone.txt'));
    const { size, ino, mtimeNs, ctimeNs } = place.stat('changed.txt');
    expect(await scan({ now: () => 5000 })).toEqual(['created d/new.txt', 'deleted d/gone.txt', 'modified changed.txt']);
    const base = { atMs: 5000, kind: 'file', actor: unknownActor };
    expect(told).toContainEqual({
      ...base,
      operation: 'modified',
      path: place.at('changed.txt'),
      written: true,
      found: { size, ino, mtimeNs, ctimeNs },
    });
    expect(told).toContainEqual({ ...base, operation: 'deleted', path: place.at('d/gone.txt'), written: false });
  });

  it('shows nothing while both agree', async () => {
    place.write({ 'a.txt': 'a', 'd/b.txt': 'b', empty: '' });
    know('a.txt', 'd/b.txt', 'empty');
    mkdirSync(place.at('hollow'));
    const scanner = rescanner();
    await scanner.request();
    await scanner.request();
    expect(told).toEqual([]);
    expect(scanner.figures()).toMatchObject({ running: false, runs: 2, differences: 0 });
  });

  const alike: readonly (readonly [string, () => void])[] = [
    ['a time set back', () => writeFileSync(place.at('a.txt'), 'A')],
    ['another file of the same size and time', () => renameSync(place.at('twin.txt'), place.at('a.txt'))],
    ['other rights alone', () => chmodSync(place.at('a.txt'), 0o600)],
  ];
  it.each(alike)('shows a change hidden behind the same size and time: %s', async (_what, disguise) => {
    place.write({ 'a.txt': 'a', 'twin.txt': 't' });
    utimesSync(place.at('a.txt'), 1000, 1000);
    know('a.txt', 'twin.txt');
    utimesSync(place.at('twin.txt'), 1000, 1000);
    disguise();
    utimesSync(place.at('a.txt'), 1000, 1000);
    expect(await scan()).toContain('modified a.txt');
  });

  it('takes a catalogue in pages, asked for at the place in the journal that the watcher has published', async () => {
    place.write({ 'a.txt': 'a', 'b.txt': 'b', 'c.txt': 'c', 'gone.txt': 'd' });
    know('a.txt', 'b.txt', 'c.txt', 'gone.txt');
    place.write({ 'b.txt': 'changed', 'c.txt': 'changed', 'new.txt': 'new' });
    rmSync(place.at('gone.txt'));
    // Pages as long as asked for; what fills them is there and no file.
    const filler = { ...place.entry('a.txt'), path: place.directory };
    const pageOf = (length: number, ...names: string[]) => [
      ...Array.from({ length: length - names.length }, () => filler),
      ...names.flatMap((name) => catalogue.get(name) ?? []),
    ];
    const pages = [pageOf(2000, 'a.txt', 'b.txt'), pageOf(2000, 'c.txt'), pageOf(1, 'gone.txt')];
    const queries: Query[] = [];
    const answer = async (query: Query) => {
      queries.push(query);
      return { entries: pages.shift() };
    };
    expect(await scan({ catalogue: answer })).toEqual(['created new.txt', 'deleted gone.txt', 'modified b.txt', 'modified c.txt']);
    expect(queries).toEqual([
      { limit: 2000, position },
      { limit: 2000, position, after: place.at('b.txt') },
      { limit: 2000, position, after: place.at('c.txt') },
    ]);
  });

  it('takes one more page after a full one, and an empty one for the end', async () => {
    place.write({ 'a.txt': 'a' });
    know('a.txt');
    const pages = [Array.from({ length: 2000 }, () => place.entry('a.txt')), []];
    expect(await scan({ catalogue: async () => ({ entries: pages.shift() }) })).toEqual([]);
    expect(pages).toEqual([]);
  });

  it('publishes what the watcher saw before it asks, so that nothing is told twice', async () => {
    const order: string[] = [];
    await scan({
      flush: async () => {
        order.push('flush');
        return position;
      },
      catalogue: async (query) => {
        order.push('catalogue');
        return page(query);
      },
    });
    expect(order).toEqual(['flush', 'catalogue']);
  });

  it('of several roots shows the differences of each', async () => {
    place.write({ 'one/a.txt': 'a', 'two/b.txt': 'b', 'three/c.txt': 'c' });
    expect(await scan({ roots: [place.at('one'), place.at('two')] })).toEqual(['created one/a.txt', 'created two/b.txt']);
  });
});

describe('a file that the catalogue lacks', () => {
  it('is not new while the baseline is on its way, and is afterwards', async () => {
    place.write({ 'a.txt': 'a', 'b.txt': 'b' });
    know('b.txt');
    place.write({ 'b.txt': 'changed' });
    expect(await scan({ isComplete: async () => false })).toEqual(['modified b.txt']);
    expect(await scan({ isComplete: async () => true })).toEqual(['created a.txt', 'modified b.txt']);
  });

  it('is not new when the baseline ended only after the catalogue was asked for', async () => {
    place.write({ 'a.txt': 'a' });
    let isDone = false;
    const scanned = await scan({
      isComplete: async () => isDone,
      catalogue: async (query) => {
        isDone = true;
        return page(query);
      },
    });
    expect(scanned).toEqual([]);
  });

  it('is not new when the vault does not keep such files', async () => {
    place.write({ 'a.docx': 'a', 'b.tmp': 'b' });
    expect(await scan({ kept: (file) => file.endsWith('.docx') })).toEqual(['created a.docx']);
  });

  it('is not new when a restore is writing it', async () => {
    place.write({ 'd/.kuramori-restore-01ab': 'half', 'd/a.txt': 'a' });
    expect(await scan()).toEqual(['created d/a.txt']);
  });
});

describe('the walk', () => {
  it('leaves ignored directories out', async () => {
    place.write({ 'a.txt': 'a', 'data/vault/pack': 'p', 'database/b.txt': 'b' });
    expect(await scan({ ignore: [place.at('data')] })).toEqual(['created a.txt', 'created database/b.txt']);
  });

  it('knows names that are no UTF-8', async () => {
    // The bytes 0xff 0xfe in path-text form, as a file and as a directory.
    const strange = '\u{F00FF}\u{F00FE}';
    place.write({ [`${strange}.txt`]: 'a', [`${strange}/b.txt`]: 'b', [`${strange}/same.txt`]: 'c' });
    know(`${strange}.txt`, `${strange}/same.txt`);
    place.write({ [`${strange}.txt`]: 'changed' });
    expect(await scan()).toEqual([`created ${strange}/b.txt`, `modified ${strange}.txt`].sort());
  });

  it('takes links for what they are and follows none', async () => {
    place.write({ 'd/a.txt': 'a' });
    symlinkSync('d/a.txt', place.at('known'));
    symlinkSync('nowhere', place.at('dangling'));
    symlinkSync(place.at('d'), place.at('d/loop'));
    know('d/a.txt', 'known');
    expect(await scan()).toEqual(['created d/loop', 'created dangling']);
    rmSync(place.at('known'));
    symlinkSync('d/b.txt', place.at('known'));
    expect(await scan()).toContain('modified known');
  });

  it('passes over pipes', async () => {
    place.makePipe('pipe');
    expect(await scan()).toEqual([]);
  });

  it('takes a file for gone where a directory, or something else, has its place', async () => {
    place.write({ 'a.txt': 'a', 'b/c.txt': 'c' });
    know('a.txt', 'b/c.txt');
    rmSync(place.at('b'), { recursive: true });
    place.write({ b: 'a file' });
    expect(await scan()).toEqual(['created b', 'deleted b/c.txt']);
  });

  it('takes nothing for gone in a directory that is closed to it, and compares the rest', async () => {
    place.write({ 'a.txt': 'a', 'closed/b.txt': 'b', 'half/c.txt': 'c', 'z.txt': 'z' });
    know('a.txt', 'closed/b.txt', 'half/c.txt', 'z.txt');
    place.write({ 'z.txt': 'changed' });
    rmSync(place.at('a.txt'));
    chmodSync(place.at('closed'), 0);
    // Its names can be read, what they are can not.
    chmodSync(place.at('half'), 0o444);
    try {
      expect(await asNobody(() => scan())).toEqual(['deleted a.txt', 'modified z.txt']);
    } finally {
      chmodSync(place.at('closed'), 0o755);
      chmodSync(place.at('half'), 0o755);
    }
  });

  it('of a root that is gone shows its files as gone', async () => {
    place.write({ 'root/a.txt': 'a' });
    know('root/a.txt');
    rmSync(place.at('root'), { recursive: true });
    expect(await scan({ roots: [place.at('root')] })).toEqual(['deleted root/a.txt']);
  });
});

describe('what the sensor saw meanwhile', () => {
  /** While the disk is read, it tells of this. */
  const meanwhile = (...events: Parameters<SeenPaths['note']>[0]) => ({
    catalogue: async (query: Query) => {
      seen.note(events);
      return page(query);
    },
  });

  it('is not told again', async () => {
    place.write({ 'a.txt': 'a', 'b.txt': 'b', 'from.txt': 'c', 'gone.txt': 'd' });
    know('from.txt', 'gone.txt');
    renameSync(place.at('from.txt'), place.at('to.txt'));
    rmSync(place.at('gone.txt'));
    const events = [
      rawEvent(place.at('a.txt'), { created: true }),
      rawEvent(place.at('to.txt'), { renamed: true, oldPath: place.at('from.txt') }),
      rawEvent(place.at('gone.txt'), { deleted: true }),
    ];
    expect(await scan(meanwhile(...events))).toEqual(['created b.txt']);
  });

  it('is not told again below a directory that was made, renamed or removed', async () => {
    place.write({ 'from/d/a.txt': 'a', 'other/b.txt': 'b', 'gone/c.txt': 'c', 'from-not.txt': 'd' });
    know('from/d/a.txt', 'gone/c.txt');
    renameSync(place.at('from'), place.at('to'));
    rmSync(place.at('gone'), { recursive: true });
    place.write({ 'made/e.txt': 'e' });
    const events = [
      rawEvent(place.at('to'), { kind: 'directory', renamed: true, oldPath: place.at('from') }),
      rawEvent(place.at('gone'), { kind: 'directory', deleted: true }),
      rawEvent(place.at('made'), { kind: 'directory', created: true }),
    ];
    expect(await scan(meanwhile(...events))).toEqual(['created from-not.txt', 'created other/b.txt']);
  });

  it('of the rights of a directory says nothing about its files', async () => {
    place.write({ 'd/a.txt': 'a' });
    expect(await scan(meanwhile(rawEvent(place.at('d'), { kind: 'directory', metadata: true })))).toEqual(['created d/a.txt']);
  });

  it('until the moment of the report counts as well', async () => {
    place.write({ 'a.txt': 'a' });
    let flushes = 0;
    const scanned = await scan({
      flush: async () => {
        flushes += 1;
        if (flushes === 2) seen.note([rawEvent(place.at('a.txt'), { created: true })]);
        return position;
      },
    });
    expect([scanned, flushes]).toEqual([[], 2]);
  });

  it('is forgotten with the end of the run, also of one that failed', async () => {
    place.write({ 'a.txt': 'a' });
    await scan(meanwhile(rawEvent(place.at('a.txt'), { created: true })));
    expect(seen.has(place.at('a.txt'))).toBe(false);
    const failing = scan({
      catalogue: async () => {
        seen.note([rawEvent(place.at('a.txt'), { created: true })]);
        throw new Error('away');
      },
    });
    await expect(failing).rejects.toThrow('away');
    seen.note([rawEvent(place.at('a.txt'), { created: true })]);
    expect(await scan()).toEqual(['created a.txt']);
  });
});

describe('a run', () => {
  it('asked for during a run is exactly one more, however often', async () => {
    const { passed, open } = gate();
    let asked = 0;
    const scanner = rescanner({
      catalogue: async (query) => {
        asked += 1;
        await passed;
        return page(query);
      },
    });
    const first = scanner.request();
    await expect.poll(() => asked, soon).toBe(1);
    const wishes = [scanner.request(), scanner.request(), scanner.request()];
    expect(scanner.figures()).toMatchObject({ running: true, runs: 0 });
    open();
    await Promise.all([first, ...wishes]);
    expect(asked).toBe(2);
    expect(scanner.figures()).toMatchObject({ running: false, runs: 2 });
  });

  it('that was asked for during a run has begun after the wish when the wish resolves', async () => {
    place.write({ 'a.txt': 'a' });
    know('a.txt');
    const { passed, open } = gate();
    let runs = 0;
    const scanner = rescanner({
      report: async (differences) => {
        runs += 1;
        if (runs === 1) await passed;
        told.push(...differences);
      },
    });
    place.write({ 'a.txt': 'changed' });
    void scanner.request();
    await expect.poll(() => runs, soon).toBe(1);
    place.write({ 'late.txt': 'late' });
    const wish = scanner.request();
    open();
    await wish;
    expect(inShort()).toContain('created late.txt');
  });

  it('that failed says why to everyone who waits, and the next one begins anew', async () => {
    const { passed, open } = gate();
    let isAway = true;
    let asked = 0;
    const scanner = rescanner({
      catalogue: async (query) => {
        asked += 1;
        await passed;
        if (isAway) throw new Error('the vault is away');
        return page(query);
      },
    });
    const wishes = [scanner.request(), scanner.request()].map(async (wish) => expect(wish).rejects.toThrow('the vault is away'));
    await expect.poll(() => asked, soon).toBe(1);
    open();
    await Promise.all(wishes);
    expect(scanner.figures()).toMatchObject({ running: false, runs: 0 });
    isAway = false;
    await scanner.request();
    expect(scanner.figures()).toMatchObject({ runs: 1 });
  });

  it('takes nothing from a vault that does not answer with a catalogue', async () => {
    place.write({ 'a.txt': 'a' });
    await expect(scan({ catalogue: async () => ({ entries: [{ path: '/a' }] }) })).rejects.toThrow(InvalidMessageError);
    expect(told).toEqual([]);
  });

  it('reports at most 256 differences at once, and waits until there is room for more', async () => {
    const names = loseMany(600);
    let underWay = 0;
    let most = 0;
    const sizes: number[] = [];
    const scanner = rescanner({
      report: async (differences) => {
        underWay += 1;
        most = Math.max(most, underWay);
        sizes.push(differences.length);
        await new Promise((resolve) => setImmediate(resolve));
        told.push(...differences);
        underWay -= 1;
      },
    });
    await scanner.request();
    expect(sizes).toEqual([256, 256, 88]);
    expect(most).toBe(1);
    expect(new Set(told.map((each) => each.path))).toEqual(new Set(names.map((name) => place.at(name))));
    expect(scanner.figures()).toMatchObject({ differences: 600 });
  });

  it('lets others have their turn in a directory of many files', async () => {
    const names = Array.from({ length: 400 }, (_, index) => `${index}.txt`);
    place.write(Object.fromEntries(names.map((name) => [name, ''])));
    know(...names);
    let turns = 0;
    let isScanning = true;
    const turn = () => {
      turns += 1;
      if (isScanning) setImmediate(turn);
    };
    setImmediate(turn);
    const before = turns;
    await scan();
    isScanning = false;
    expect(turns - before).toBeGreaterThanOrEqual(400 / 100);
  });
});

describe('a stop', () => {
  const middles: readonly (readonly [string, () => void])[] = [
    ['walk', () => place.write(Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`${index}.txt`, ''])))],
    ['look at what is gone', () => void loseMany(600)],
  ];
  it.each(middles)('in the middle of the %s ends it, and nothing is reported any more', async (_where, prepare) => {
    prepare();
    const { passed, open } = gate();
    let reports = 0;
    let looks = 0;
    const scanner = rescanner({
      kept: () => {
        looks += 1;
        return true;
      },
      report: async () => {
        reports += 1;
        await passed;
      },
    });
    const run = scanner.request();
    await expect.poll(() => reports, soon).toBe(1);
    await scanner.stop();
    await run;
    const looked = looks;
    open();
    await new Promise((resolve) => setImmediate(resolve));
    expect({ reports, looks }).toEqual({ reports: 1, looks: looked });
    expect(scanner.figures()).toMatchObject({ running: false, runs: 0 });
  });

  it('while the watcher publishes what it saw keeps back what was found', async () => {
    place.write({ 'a.txt': 'a' });
    const { passed, open } = gate();
    let flushes = 0;
    const scanner = rescanner({
      flush: async () => {
        flushes += 1;
        if (flushes === 2) await passed;
        return position;
      },
    });
    void scanner.request();
    await expect.poll(() => flushes, soon).toBe(2);
    await scanner.stop();
    open();
    await new Promise((resolve) => setImmediate(resolve));
    expect(told).toEqual([]);
  });

  it('does not wait for a vault that does not answer, and a wish after it is none', async () => {
    let asked = 0;
    const scanner = rescanner({
      catalogue: async () => {
        asked += 1;
        return new Promise(() => undefined);
      },
    });
    const run = scanner.request();
    const wish = scanner.request();
    await expect.poll(() => asked, soon).toBe(1);
    await scanner.stop();
    await Promise.all([run, wish]);
    await scanner.request();
    expect(asked).toBe(1);
    await scanner.stop();
  });

  it('passes over what the vault answers too late', async () => {
    place.write({ 'a.txt': 'a' });
    const { passed, open } = gate();
    let asked = 0;
    let answered = false;
    const scanner = rescanner({
      catalogue: async (query) => {
        asked += 1;
        await passed;
        answered = true;
        return page(query);
      },
    });
    void scanner.request();
    await expect.poll(() => asked, soon).toBe(1);
    await scanner.stop();
    open();
    await expect.poll(() => answered, soon).toBe(true);
    await new Promise((resolve) => setImmediate(resolve));
    expect(told).toEqual([]);
    expect(scanner.figures()).toMatchObject({ running: false, runs: 0 });
  });
});
