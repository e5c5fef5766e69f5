/** What every {@link FileSensor} promises; each adapter's test runs this suite. */
import { chmodSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { waitFor } from '@kuramori/testing';
import { fsPath, pathFromBytes } from './path-text';
import { type FileSensor, type RawEvent, SensorUnavailableError } from './sensor';

/** What an adapter can't is left out, or asked in a weaker form. */
export interface SensorCapabilities {
  /** Looks at a disk by itself. Otherwise the scene's disk makes the events, and where they lie is the scene's business. */
  readonly seesDisk: boolean;
  /** A rename is one event with both names; otherwise the old name is deleted and the new one created. */
  readonly renames: boolean;
  /** Tells of each single change, and when all were told. Otherwise several on one path may be told as one, somewhat later. */
  readonly everyChange: boolean;
  /** Sees names of any bytes. Otherwise it refuses a root whose name it can't spell. */
  readonly anyName: boolean;
  /** Tells changes of the metadata from changes of the content. */
  readonly metadata: boolean;
}

/** What can be done to files. Paths in path-text form. */
export interface Disk {
  /** Creates the file or overwrites what stands there, and closes it. */
  write(path: string, text: string): void;
  makeDirectory(path: string): void;
  rename(from: string, to: string): void;
  /** A file, or a directory with everything in it. */
  remove(path: string): void;
  changeMode(path: string, mode: number): void;
}

export const realDisk: Disk = {
  write: (path, text) => writeFileSync(fsPath(path), text),
  makeDirectory: (path) => mkdirSync(fsPath(path)),
  rename: (from, to) => renameSync(fsPath(from), fsPath(to)),
  remove: (path) => rmSync(fsPath(path), { recursive: true }),
  changeMode: (path, mode) => chmodSync(fsPath(path), mode),
};

export interface SensorScene {
  /** Of this one test, on whose disk the sensors look. */
  readonly directory: string;
  readonly disk: Disk;
  /** A root that is not there. */
  readonly missing: string;
  newSensor(): FileSensor;
  close(): Promise<void>;
}

interface Watched {
  readonly sensor: FileSensor;
  readonly events: RawEvent[];
  readonly losses: { readonly root: string; readonly reason: string }[];
}

type Flag = 'created' | 'modified' | 'closedAfterWrite' | 'deleted' | 'renamed' | 'metadata';
const flags: readonly Flag[] = ['created', 'modified', 'closedAfterWrite', 'deleted', 'renamed', 'metadata'];
const waitMs = 20_000;

function inShort(event: RawEvent): string {
  const from = event.oldPath === undefined ? '' : ` from ${event.oldPath}`;
  return `${event.kind} ${event.path}${from}: ${flags.filter((flag) => event[flag]).join(', ')}`;
}

/** What the events say is there, if nothing was before. The same object's creation and deletion in one event is its whole life. */
export function replay(events: readonly RawEvent[]): Map<string, RawEvent['kind']> {
  const there = new Map<string, RawEvent['kind']>();
  const below = (directory: string) => [...there.keys()].filter((path) => path === directory || path.startsWith(`${directory}/`));
  for (const { path, oldPath, kind, created, deleted, renamed } of events) {
    if (renamed) {
      for (const replaced of below(path)) there.delete(replaced);
      for (const moved of oldPath === undefined ? [] : below(oldPath)) {
        there.set(path + moved.slice(oldPath?.length), there.get(moved) ?? kind);
        there.delete(moved);
      }
      there.set(path, kind);
    } else if (deleted) for (const gone of below(path)) there.delete(gone);
    else if (created) there.set(path, kind);
  }
  return there;
}

/** What is on the disk below a directory. */
export function list(directory: string): Map<string, RawEvent['kind']> {
  const there = new Map<string, RawEvent['kind']>();
  for (const entry of readdirSync(fsPath(directory), { withFileTypes: true, encoding: 'buffer' })) {
    const path = `${directory}/${pathFromBytes(entry.name)}`;
    there.set(path, entry.isDirectory() ? 'directory' : 'file');
    if (entry.isDirectory()) for (const [child, kind] of list(path)) there.set(child, kind);
  }
  return there;
}

const names: readonly (readonly [what: string, name: string])[] = [
  ['Japanese', '見積書 第2版（最終）.xlsx'],
  ['255 bytes', 'x'.repeat(255)],
  ['255 bytes of three-byte characters', '蔵'.repeat(85)],
  ['a line end', 'one\ntwo'],
  ['a backslash, quotes and a trailing space', `a\\b"c'd `],
  ['no text at all', '#12 (deleted)'],
  ['characters that path text uses itself', pathFromBytes(Buffer.from('a\u{F0041}b'))],
];
const byteNames: readonly (readonly [what: string, name: string])[] = [
  ['bytes that are no UTF-8', pathFromBytes(Buffer.from([0x66, 0xff, 0xfe, 0x2e, 0x82, 0xa0]))],
  ['a character cut off in the middle', pathFromBytes(Buffer.from([0xe8, 0x94]))],
];

export function sensorContract(name: string, open: () => Promise<SensorScene>, can: SensorCapabilities): void {
  describe(`${name} keeps the promises of a file sensor`, () => {
    let scene: SensorScene;
    let disk: Disk;
    let root: string;
    let started: FileSensor[] = [];
    let expectLosses = false;
    const losses: string[] = [];

    beforeEach(async () => {
      scene = await open();
      ({ disk } = scene);
      root = `${scene.directory}/share`;
      disk.makeDirectory(root);
      losses.length = 0;
      expectLosses = false;
    });
    afterEach(async () => {
      for (const sensor of started) await sensor.stop();
      started = [];
      await scene.close();
      if (!expectLosses) expect(losses).toEqual([]);
    });

    async function watch(roots: readonly string[] = [root], ignore: readonly string[] = []): Promise<Watched> {
      const watched: Watched = { sensor: scene.newSensor(), events: [], losses: [] };
      started.push(watched.sensor);
      await watched.sensor.start(roots, ignore, {
        events: (events) => watched.events.push(...events),
        lost: (lostRoot, reason) => {
          watched.losses.push({ root: lostRoot, reason });
          losses.push(`${lostRoot}: ${reason}`);
        },
      });
      return watched;
    }

    /** A sensor that can settle has told everything by then; of another one it is awaited. */
    async function until(watched: Watched, what: string, condition: () => boolean): Promise<void> {
      if (watched.sensor.settle === undefined) await waitFor(what, waitMs, condition);
      else {
        await watched.sensor.settle(waitMs);
        if (!condition()) throw new Error(`not told: ${what}; but last of all\n${watched.events.slice(-20).map(inShort).join('\n')}`);
      }
    }

    const of = (watched: Watched, path: string) => watched.events.filter((event) => event.path === path);
    /** Everything that was told of a path since the last look. */
    const flagsOf = (watched: Watched, path: string) => flags.filter((flag) => of(watched, path).some((event) => event[flag]));
    const told = (watched: Watched, path: string, ...expected: readonly Flag[]) =>
      until(watched, `${path} ${expected.join(', ')}`, () => expected.every((flag) => flagsOf(watched, path).includes(flag)));
    async function toldMove(watched: Watched, from: string, to: string, kind: RawEvent['kind'] = 'file'): Promise<void> {
      if (can.renames) {
        await told(watched, to, 'renamed');
        expect(of(watched, to).filter(({ renamed }) => renamed)).toMatchObject([{ oldPath: from, kind }]);
        expect(of(watched, from).some(({ deleted }) => deleted)).toBe(false);
      } else {
        await told(watched, from, 'deleted');
        await told(watched, to, 'created');
      }
    }
    /** What came before this in a place of its own has been told, or never will be. */
    async function marker(watched: Watched): Promise<void> {
      for (const index of [1, 2]) {
        disk.write(`${root}/marker ${index}`, 'x');
        await told(watched, `${root}/marker ${index}`, 'created');
      }
    }

    it('tells of a new file that it was created, written and closed', async () => {
      const watched = await watch();
      disk.write(`${root}/a.txt`, 'x');
      await told(watched, `${root}/a.txt`, 'created', 'modified', 'closedAfterWrite');
      expect(of(watched, `${root}/a.txt`).every(({ kind }) => kind === 'file')).toBe(true);
    });

    it('tells of a changed file that it was modified and closed, and not that it is new', async () => {
      disk.write(`${root}/a.txt`, 'x');
      const watched = await watch();
      disk.write(`${root}/a.txt`, 'longer');
      await told(watched, `${root}/a.txt`, 'modified', 'closedAfterWrite');
      expect(flagsOf(watched, `${root}/a.txt`)).not.toContain('created');
    });

    it('tells nothing of what was there before', async () => {
      disk.write(`${root}/a.txt`, 'x');
      disk.makeDirectory(`${root}/d`);
      const watched = await watch();
      await marker(watched);
      expect(of(watched, `${root}/a.txt`)).toEqual([]);
      expect(of(watched, `${root}/d`)).toEqual([]);
    });

    it('tells of a deletion', async () => {
      disk.write(`${root}/a.txt`, 'x');
      const watched = await watch();
      disk.remove(`${root}/a.txt`);
      await told(watched, `${root}/a.txt`, 'deleted');
    });

    it('tells of a rename', async () => {
      disk.write(`${root}/a.txt`, 'x');
      const watched = await watch();
      disk.rename(`${root}/a.txt`, `${root}/b.txt`);
      await toldMove(watched, `${root}/a.txt`, `${root}/b.txt`);
    });

    it('tells of a rename over another file, which is told of only by that', async () => {
      disk.write(`${root}/a.txt`, 'x');
      disk.write(`${root}/b.txt`, 'other');
      const watched = await watch();
      disk.rename(`${root}/a.txt`, `${root}/b.txt`);
      if (can.renames) await toldMove(watched, `${root}/a.txt`, `${root}/b.txt`);
      else await told(watched, `${root}/b.txt`, 'modified');
      expect(flagsOf(watched, `${root}/b.txt`)).not.toContain('deleted');
    });

    it.skipIf(!can.metadata)('tells a change of the metadata from one of the content', async () => {
      disk.write(`${root}/a.txt`, 'x');
      const watched = await watch();
      disk.changeMode(`${root}/a.txt`, 0o600);
      await told(watched, `${root}/a.txt`, 'metadata');
      expect(flagsOf(watched, `${root}/a.txt`)).toEqual(['metadata']);
    });

    it('tells of directories: made, renamed and removed', async () => {
      const watched = await watch();
      disk.makeDirectory(`${root}/d`);
      await told(watched, `${root}/d`, 'created');
      disk.rename(`${root}/d`, `${root}/e`);
      await toldMove(watched, `${root}/d`, `${root}/e`, 'directory');
      disk.remove(`${root}/e`);
      await told(watched, `${root}/e`, 'deleted');
      expect(watched.events.every(({ kind }) => kind === 'directory')).toBe(true);
    });

    it('names what is in a renamed directory by its new path from then on', async () => {
      disk.makeDirectory(`${root}/d`);
      disk.makeDirectory(`${root}/d/inner`);
      disk.write(`${root}/d/inner/a.txt`, 'x');
      const watched = await watch();
      disk.write(`${root}/d/inner/a.txt`, 'longer');
      await told(watched, `${root}/d/inner/a.txt`, 'modified');
      disk.rename(`${root}/d`, `${root}/e`);
      await toldMove(watched, `${root}/d`, `${root}/e`, 'directory');
      if (!can.renames) await told(watched, `${root}/e/inner/a.txt`, 'created');
      watched.events.length = 0;
      disk.write(`${root}/e/inner/a.txt`, 'longer still');
      await told(watched, `${root}/e/inner/a.txt`, 'modified');
      expect(watched.events.filter(({ path }) => path.startsWith(`${root}/d`))).toEqual([]);
    });

    it('tells of what happens in a new directory from its first moment', async () => {
      const watched = await watch();
      disk.makeDirectory(`${root}/d`);
      disk.makeDirectory(`${root}/d/e`);
      disk.write(`${root}/d/e/a.txt`, 'x');
      await told(watched, `${root}/d/e/a.txt`, 'created', 'closedAfterWrite');
    });

    it.skipIf(!can.seesDisk)('tells of every file that goes with its directory', async () => {
      const files: string[] = [];
      for (let directory = 0; directory < 20; directory += 1) {
        disk.makeDirectory(`${root}/d${directory}`);
        disk.makeDirectory(`${root}/d${directory}/e`);
        for (const file of [`${root}/d${directory}/a`, `${root}/d${directory}/e/b`]) {
          disk.write(file, 'x');
          files.push(file);
        }
      }
      const watched = await watch();
      for (let directory = 0; directory < 20; directory += 1) disk.remove(`${root}/d${directory}`);
      const isGone = (file: string) => of(watched, file).some(({ deleted }) => deleted);
      await until(watched, 'every deletion', () => files.every(isGone));
      for (const file of files) expect(of(watched, file), file).toHaveLength(1);
    });

    it.skipIf(!can.seesDisk)('knows where a file came from whose directory has gone since', async () => {
      disk.makeDirectory(`${root}/to`);
      for (let index = 0; index < 20; index += 1) {
        disk.makeDirectory(`${root}/d${index}`);
        disk.write(`${root}/d${index}/a`, 'x');
      }
      const watched = await watch();
      for (let index = 0; index < 20; index += 1) {
        disk.rename(`${root}/d${index}/a`, `${root}/to/${index}`);
        disk.remove(`${root}/d${index}`);
      }
      for (let index = 0; index < 20; index += 1) await toldMove(watched, `${root}/d${index}/a`, `${root}/to/${index}`);
    });

    describe.skipIf(!can.seesDisk)('where', () => {
      it('nothing outside the roots is told, also where a path begins like a root', async () => {
        const outside = `${scene.directory}/share2`;
        disk.makeDirectory(outside);
        const watched = await watch();
        disk.write(`${outside}/a.txt`, 'x');
        disk.write(`${scene.directory}/b.txt`, 'x');
        disk.rename(`${outside}/a.txt`, `${outside}/c.txt`);
        disk.remove(`${outside}/c.txt`);
        await marker(watched);
        expect(watched.events.filter(({ path }) => !path.startsWith(`${root}/`))).toEqual([]);
      });

      it('a file moved in from outside appears, without a name that it had', async () => {
        disk.write(`${scene.directory}/a.txt`, 'x');
        const watched = await watch();
        disk.rename(`${scene.directory}/a.txt`, `${root}/a.txt`);
        await told(watched, `${root}/a.txt`, can.renames ? 'renamed' : 'created');
        expect(of(watched, `${root}/a.txt`).every(({ oldPath }) => oldPath === undefined)).toBe(true);
      });

      it('a file moved out is deleted', async () => {
        disk.write(`${root}/a.txt`, 'x');
        const watched = await watch();
        disk.rename(`${root}/a.txt`, `${scene.directory}/a.txt`);
        await told(watched, `${root}/a.txt`, 'deleted');
        expect(flagsOf(watched, `${root}/a.txt`)).toEqual(['deleted']);
      });

      it('a directory moved in is told, and from then on what happens in it; moved out, nothing more', async () => {
        disk.makeDirectory(`${scene.directory}/d`);
        disk.write(`${scene.directory}/d/a.txt`, 'x');
        const watched = await watch();
        disk.rename(`${scene.directory}/d`, `${root}/d`);
        await told(watched, `${root}/d`, can.renames ? 'renamed' : 'created');
        // Who doesn't see every change may still be on the way into the directory.
        if (!can.everyChange) await told(watched, `${root}/d/a.txt`, 'created');
        disk.write(`${root}/d/a.txt`, 'longer');
        await told(watched, `${root}/d/a.txt`, 'modified');
        disk.rename(`${root}/d`, `${scene.directory}/d`);
        await told(watched, `${root}/d`, 'deleted');
        watched.events.length = 0;
        disk.write(`${scene.directory}/d/b.txt`, 'x');
        await marker(watched);
        expect(watched.events.filter(({ path }) => path.includes('/d/'))).toEqual([]);
      });

      it('nothing in an ignored directory is told, nor the directory itself; what is moved there is gone, what comes from there is new', async () => {
        const hidden = `${root}/.data`;
        disk.makeDirectory(hidden);
        disk.write(`${hidden}/old`, 'x');
        disk.write(`${root}/to hide`, 'x');
        const watched = await watch([root], [hidden, `${root}/later`]);
        disk.write(`${hidden}/a`, 'x');
        disk.makeDirectory(`${hidden}/d`);
        disk.write(`${hidden}/d/b`, 'x');
        disk.remove(`${hidden}/d`);
        disk.makeDirectory(`${root}/later`);
        disk.write(`${root}/later/a`, 'x');
        disk.write(`${root}/.data2`, 'x');
        await told(watched, `${root}/.data2`, 'created');
        disk.rename(`${root}/to hide`, `${hidden}/hidden`);
        await told(watched, `${root}/to hide`, 'deleted');
        disk.rename(`${hidden}/old`, `${root}/new`);
        await told(watched, `${root}/new`, can.renames ? 'renamed' : 'created');
        await marker(watched);
        const paths = watched.events.flatMap(({ path, oldPath }) => [path, oldPath ?? path]);
        expect(paths.filter((path) => /\/(?:\.data|later)(?:$|\/)/u.test(path))).toEqual([]);
      });

      it('several roots are one world: a file moved from one to the other keeps its history', async () => {
        const other = `${scene.directory}/other`;
        disk.makeDirectory(other);
        disk.write(`${root}/a.txt`, 'x');
        const watched = await watch([root, other]);
        disk.write(`${other}/b.txt`, 'x');
        await told(watched, `${other}/b.txt`, 'created');
        disk.rename(`${root}/a.txt`, `${other}/a.txt`);
        await toldMove(watched, `${root}/a.txt`, `${other}/a.txt`);
      });

      it('a root that is renamed away or removed is said to be lost, and again when it is back', async () => {
        expectLosses = true;
        disk.write(`${root}/a.txt`, 'x');
        const watched = await watch();
        disk.rename(root, `${scene.directory}/away`);
        await until(watched, 'the loss', () => watched.losses.some((loss) => loss.root === root));
        watched.losses.length = 0;
        disk.rename(`${scene.directory}/away`, root);
        await until(watched, 'the return', () => watched.losses.some((loss) => loss.root === root));
        await marker(watched);
      });

      it('a root that is not a directory is refused by its name', async () => {
        disk.write(`${scene.directory}/file`, 'x');
        const starting = watch([root, `${scene.directory}/file`]);
        await expect(starting).rejects.toThrow(SensorUnavailableError);
        await expect(starting).rejects.toThrow(`${scene.directory}/file`);
      });
    });

    describe.each([...names, ...(can.anyName ? byteNames : [])])('a name with %s', (_what, odd) => {
      it('is told exactly, of files and of directories', async () => {
        const watched = await watch();
        disk.write(`${root}/${odd}`, 'x');
        await told(watched, `${root}/${odd}`, 'created');
        disk.rename(`${root}/${odd}`, `${root}/plain`);
        await toldMove(watched, `${root}/${odd}`, `${root}/plain`);
        watched.events.length = 0;
        disk.makeDirectory(`${root}/${odd}`);
        await told(watched, `${root}/${odd}`, 'created');
        disk.write(`${root}/${odd}/${odd}`, 'x');
        await told(watched, `${root}/${odd}/${odd}`, 'created');
        disk.remove(`${root}/${odd}/${odd}`);
        await told(watched, `${root}/${odd}/${odd}`, 'deleted');
      });

      it.skipIf(!can.seesDisk)('is told of a root as well', async () => {
        const oddRoot = `${scene.directory}/${odd}`;
        disk.makeDirectory(oddRoot);
        const watched = await watch([root, oddRoot]).catch((error: unknown) => error as Error);
        if (watched instanceof Error) {
          expect(can.anyName, watched.message).toBe(false);
          expect(watched).toBeInstanceOf(SensorUnavailableError);
          expect(watched.message).toContain(oddRoot);
          return;
        }
        disk.write(`${oddRoot}/a`, 'x');
        await told(watched, `${oddRoot}/a`, 'created');
      });
    });

    it('tells what happened to one path in its order', async () => {
      const watched = await watch();
      const path = `${root}/a.txt`;
      for (let round = 0; round < 10; round += 1) {
        disk.write(path, 'x'.repeat(round));
        disk.remove(path);
      }
      disk.write(path, 'last');
      await until(watched, 'that it is there', () => replay(watched.events).has(path));
      if (can.everyChange) {
        // Creation and deletion of one object may be told in one event.
        expect(of(watched, path).filter(({ created }) => created)).toHaveLength(11);
        expect(of(watched, path).filter(({ deleted }) => deleted)).toHaveLength(10);
      }
    });

    it.skipIf(!can.everyChange)('tells whatever happens so that what is there can be known from it', async () => {
      const watched = await watch();
      const places = ['a', 'b', 'd', 'd/a', 'd/b', 'd/e', 'd/e/a'];
      const place = fc.constantFrom(...places);
      const step = fc.oneof(
        fc.record({ act: fc.constant('write' as const), path: place }),
        fc.record({ act: fc.constant('makeDirectory' as const), path: place }),
        fc.record({ act: fc.constant('remove' as const), path: place }),
        fc.record({ act: fc.constant('rename' as const), path: place, to: place }),
      );
      let run = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 80 }), async (steps) => {
          run += 1;
          const base = `${root}/${run}`;
          disk.makeDirectory(base);
          for (const one of steps) {
            try {
              if (one.act === 'write') disk.write(`${base}/${one.path}`, 'x');
              else if (one.act === 'rename') disk.rename(`${base}/${one.path}`, `${base}/${one.to}`);
              else disk[one.act](`${base}/${one.path}`);
            } catch {
              // Nothing stands there, or something does: nothing happens then.
            }
          }
          await until(watched, 'the run', () => true);
          const there = [...replay(watched.events)].filter(([path]) => path.startsWith(`${base}/`));
          expect(new Map(there)).toEqual(list(base));
        }),
        { numRuns: 20 },
      );
    });

    it('settles when everything that happened before is told', async () => {
      const watched = await watch();
      if (watched.sensor.settle === undefined) return;
      for (let round = 0; round < 5; round += 1) {
        for (let index = 0; index < 100; index += 1) disk.write(`${root}/${round} ${index}`, 'x');
        await Promise.all([watched.sensor.settle(waitMs), watched.sensor.settle(waitMs)]);
        expect(replay(watched.events).size).toBe(100 * (round + 1));
      }
    });

    it('says who as far as it knows, and when', async () => {
      const watched = await watch();
      const beforeMs = Date.now();
      disk.write(`${root}/a.txt`, 'x');
      await told(watched, `${root}/a.txt`, 'created', 'closedAfterWrite');
      for (const { actor, atMs } of watched.events) {
        if (watched.sensor.knowsActors) {
          expect(actor).toMatchObject({ kind: 'process', pid: process.pid });
          expect(actor.key).toMatch(/^process:[0-9a-f]{8}:\d+:[1-9]\d*$/u);
        } else expect(actor).toEqual({ key: 'unknown', kind: 'unknown' });
        // The clocks that are read may be a few milliseconds apart.
        expect(atMs).toBeGreaterThan(beforeMs - 1000);
        expect(atMs).toBeLessThan(Date.now() + 1000);
      }
    });

    it('counts what it sees', async () => {
      const watched = await watch();
      disk.write(`${root}/a.txt`, 'x');
      await told(watched, `${root}/a.txt`, 'created');
      const { eventsSeen, overflows } = watched.sensor.figures();
      expect(eventsSeen).toBeGreaterThanOrEqual(of(watched, `${root}/a.txt`).length);
      expect(overflows).toBe(0);
    });

    it('tells nothing after it was stopped, and may be stopped again', async () => {
      const watched = await watch();
      const witness = await watch();
      disk.write(`${root}/before`, 'x');
      await told(watched, `${root}/before`, 'created');
      await Promise.all([watched.sensor.stop(), watched.sensor.stop()]);
      const events = watched.events.length;
      disk.write(`${root}/after`, 'x');
      await marker(witness);
      await watched.sensor.stop();
      await watched.sensor.settle?.(waitMs);
      expect(watched.events.length).toBe(events);
    });

    it('may be stopped before it was started', async () => {
      await scene.newSensor().stop();
    });

    it('stopped while it starts, ends both', async () => {
      const sensor = scene.newSensor();
      const starting = sensor.start([root], [], { events: () => undefined, lost: () => undefined }).catch((error: unknown) => error);
      await sensor.stop();
      expect([undefined, SensorUnavailableError]).toContain(((await starting) as Error | undefined)?.constructor);
      await sensor.stop();
    });

    it('refuses a root that is not there by its name, and leaves nothing behind', async () => {
      const starting = watch([root, scene.missing]);
      await expect(starting).rejects.toThrow(SensorUnavailableError);
      await expect(starting).rejects.toThrow(scene.missing);
      expect(losses).toEqual([]);
    });
  });
}
