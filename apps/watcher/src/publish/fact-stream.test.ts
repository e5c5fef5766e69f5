import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  type Actor,
  type ContentFeatures,
  encodedBytes,
  FileBatch,
  type FileFact,
  type FileStat,
  maxFactsPerBatch,
  maxMessageBytes,
  parseMessage,
  unknownActor,
} from '@kuramori/contracts';
import type { Change } from '../coalesce/coalescer';
import type { Difference } from '../rescan/rescanner';
import type { Sample, SampleRequest } from '../sample/sample-file';
import { alice, bob, kuramori } from '../testing/events';
import { Announcements } from './announcements';
import { FactStream } from './fact-stream';

const deadlineMs = 250;
const content = 'a'.repeat(64);
const other = 'b'.repeat(64);

const stat: FileStat = { dev: '1', ino: '2', size: 3, mtimeNs: '4', ctimeNs: '5', mode: 0o100644, uid: 0, gid: 0, nlink: 1 };
const found = { ino: stat.ino, size: stat.size, mtimeNs: stat.mtimeNs, ctimeNs: stat.ctimeNs };
const features: ContentFeatures = {
  ...{ sizeBytes: 3, sampledBytes: 3, type: 'text', extensionType: 'text', entropy: 1, chiSquare: 1000, randomShare: 0 },
  ...{ printableShare: 1, distinctBytes: 3, structure: 'intact' },
};
const file: Sample = { kind: 'file', stat, content: features };
const hashed = (sha256: string): Sample => ({ ...file, content: { ...features, sha256 } });

function change(path: string, more: Partial<Change> = {}): Change {
  return { atMs: 1000, operation: 'modified', kind: 'file', path, written: true, actor: alice, ...more };
}
function difference(path: string, more: Partial<Difference> = {}): Difference {
  return { ...change(path, { actor: unknownActor }), found, ...more };
}

/** The publisher: takes everything; says what waits for the bus as it is told. */
class Out {
  readonly batches: FileBatch[] = [];
  readonly messageIds: string[] = [];
  readonly waiting = { messages: 0, bytes: 0, busAway: false };
  /** For how long it was asked to wait. */
  readonly waits: number[] = [];

  constructor(private readonly checked: boolean) {}

  publish(message: object, messageId: string): void {
    const sent: unknown = JSON.parse(JSON.stringify(message));
    this.batches.push(this.checked ? parseMessage(FileBatch, sent) : (sent as FileBatch));
    this.messageIds.push(messageId);
  }
  async flushed(timeoutMs: number): Promise<boolean> {
    this.waits.push(timeoutMs);
    return this.waiting.messages === 0;
  }
  get facts(): FileFact[] {
    return this.batches.flatMap(({ facts }) => facts);
  }
  get paths(): string[] {
    return this.facts.map(({ path }) => path);
  }
}

/** A stream whose clock and samples the test holds. */
function made(options: { sample?: (request: SampleRequest) => Promise<Sample | undefined>; checked?: boolean; knowsOwn?: boolean } = {}) {
  const out = new Out(options.checked ?? true);
  const announcements = new Announcements();
  const samples = new Map<string, (sample: Sample | undefined) => void>();
  const requests: SampleRequest[] = [];
  let nowMs = 5000;
  const stream = new FactStream({
    host: 'fs01',
    sensor: 'memory',
    publisher: out,
    announcements,
    knowsOwn: () => options.knowsOwn ?? true,
    now: () => nowMs,
    sample: (request) => {
      requests.push(request);
      return options.sample?.(request) ?? new Promise((resolve) => samples.set(request.path, resolve));
    },
  });
  return {
    out,
    announcements,
    requests,
    stream,
    at: (timeMs: number) => {
      nowMs = timeMs;
    },
    /** The look at a file comes back. */
    come: async (path: string, sample: Sample | undefined = file) => {
      samples.get(path)?.(sample);
      await vi.advanceTimersByTimeAsync(0);
    },
  };
}
const immediately = (sample?: Sample) => ({ sample: () => Promise.resolve(sample) });
/** More than the stream waits before it publishes what is ready. */
const pumped = async () => vi.advanceTimersByTimeAsync(25);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('facts', () => {
  it('keep the order of the changes although samples come in another', async () => {
    const { stream, out, come } = made();
    stream.add([change('/a'), change('/b'), change('/gone', { operation: 'deleted', written: false })]);
    stream.add([change('/c')]);
    await come('/c');
    await come('/b');
    await pumped();
    expect(out.paths).toEqual([]);
    await come('/a');
    await pumped();
    expect(out.paths).toEqual(['/a', '/b', '/gone', '/c']);
  });

  it('keep their order, each once, whenever samples come and batches go', async () => {
    const paths = Array.from({ length: 12 }, (_, index) => `/${index}`);
    await fc.assert(
      fc.asyncProperty(
        fc.shuffledSubarray(paths, { minLength: paths.length }),
        fc.array(fc.constantFrom('pump', 'wait', 'busy', 'free'), { minLength: 12, maxLength: 12 }),
        async (arrivals, meanwhile) => {
          const { stream, out, come } = made();
          for (const path of paths) stream.add([change(path)]);
          for (const [index, path] of arrivals.entries()) {
            await come(path);
            if (meanwhile[index] === 'pump') await pumped();
            if (meanwhile[index] === 'wait') await vi.advanceTimersByTimeAsync(deadlineMs + 10);
            if (meanwhile[index] === 'busy') out.waiting.messages = 2;
            if (meanwhile[index] === 'free') out.waiting.messages = 0;
          }
          out.waiting.messages = 0;
          await pumped();
          expect(out.paths).toEqual(paths);
          expect(out.batches.map(({ sequence }) => sequence)).toEqual(out.batches.map((_, index) => index + 1));
          stream.stop();
        },
      ),
      { numRuns: 40 },
    );
  });

  it('do not wait for a sample longer than the deadline: they go without, and what comes then changes nothing', async () => {
    const { stream, out, come } = made();
    stream.add([change('/slow'), change('/b')]);
    await come('/b');
    await vi.advanceTimersByTimeAsync(deadlineMs - 10);
    expect(out.facts).toEqual([]);
    await vi.advanceTimersByTimeAsync(20);
    expect(out.paths).toEqual(['/slow', '/b']);
    expect(out.facts[0]).not.toHaveProperty('stat');
    expect(out.facts[1]).toMatchObject({ stat, content: features });
    await come('/slow');
    await pumped();
    expect(out.paths).toEqual(['/slow', '/b']);
  });

  it('go at once when the bus is quiet', async () => {
    const { stream, out } = made(immediately(file));
    stream.add([change('/a')]);
    await vi.advanceTimersByTimeAsync(0);
    expect(out.paths).toEqual(['/a']);
  });

  it('travel at most 256 in a batch', async () => {
    const { stream, out } = made(immediately(file));
    stream.add(Array.from({ length: 600 }, (_, index) => change(`/${index}`)));
    await pumped();
    expect(out.batches.map(({ facts }) => facts.length)).toEqual([maxFactsPerBatch, maxFactsPerBatch, 600 - 2 * maxFactsPerBatch]);
    expect(out.paths).toEqual(Array.from({ length: 600 }, (_, index) => `/${index}`));
  });

  it('travel in fewer to a batch when their names are long and odd: a batch stays below what a bus takes', async () => {
    const { stream, out } = made(immediately(file));
    const odd = (index: number) => `/srv/${'\u0001'.repeat(4000)}${index}`;
    // As many actors as facts, and each with a long command line.
    const actors = Array.from({ length: 4 }, (_, index) => ({ ...alice, key: `${alice.key}${index}`, commandLine: '\u0001'.repeat(4096) }));
    stream.add(
      Array.from({ length: 256 }, (_, index) =>
        change(odd(index), { operation: 'renamed', oldPath: odd(1000 + index), actor: actors[index % actors.length] ?? alice }),
      ),
    );
    await pumped();
    expect(out.facts.map(({ id }) => id)).toEqual(Array.from({ length: 256 }, (_, index) => `${stream.watcherId}-${index + 1}`));
    for (const batch of out.batches) expect(encodedBytes(batch)).toBeLessThanOrEqual(maxMessageBytes);
    expect(out.batches.length).toBeLessThan(64);
  });

  it('are never too large alone, with the longest names there are', async () => {
    const longest = '\u0001'.repeat(4096);
    const ancestor = { pid: 1, startTime: 1, exe: longest, comm: '\u0001'.repeat(15) };
    const actor = { ...alice, exe: longest, commandLine: longest, ancestors: Array.from({ length: 32 }, () => ancestor) };
    const sample: Sample = { ...file, content: { ...features, sha256: content, textHead: longest } };
    const { stream, out } = made(immediately(sample));
    // The same actor, before and after it became another program.
    stream.add([change('/small'), change(longest, { oldPath: `${longest}2`, operation: 'renamed', actor }), change('/small')]);
    await pumped();
    expect(out.batches.map(({ facts }) => facts.length)).toEqual([1, 1, 1]);
    for (const batch of out.batches) expect(encodedBytes(batch)).toBeLessThan(1024 ** 2);
  });

  it('go at once in small batches after a pause, and gather for 20 ms a batch when that goes on', async () => {
    const { stream, out } = made(immediately(file));
    const come = async (count: number) => {
      for (let index = 0; index < count; index += 1) {
        stream.add([change(`/${index}`)]);
        await vi.advanceTimersByTimeAsync(1);
      }
    };
    const sizes = () => out.batches.splice(0).map(({ facts }) => facts.length);
    await come(40);
    expect(sizes()).toEqual(Array.from({ length: 40 }, () => 1));
    await come(400);
    const paced = sizes();
    expect(paced.length).toBeLessThanOrEqual(22);
    expect(Math.max(...paced)).toBeLessThanOrEqual(25);
    const flushed = stream.flush(1000);
    await vi.advanceTimersByTimeAsync(10);
    await flushed;
    expect(stream.queued).toBe(0);
    await vi.advanceTimersByTimeAsync(1000);
    out.batches.splice(0);
    await come(40);
    expect(sizes()).toEqual(Array.from({ length: 40 }, () => 1));
  });

  it('gather while two batches are under way, until a batch is full', async () => {
    const { stream, out } = made(immediately(file));
    out.waiting.messages = 2;
    stream.add(Array.from({ length: 255 }, (_, index) => change(`/${index}`)));
    await pumped();
    expect(out.batches).toEqual([]);
    stream.add([change('/255'), change('/256')]);
    await pumped();
    expect(out.batches.map(({ facts }) => facts.length)).toEqual([256]);
    out.waiting.messages = 1;
    await pumped();
    expect(out.batches.map(({ facts }) => facts.length)).toEqual([256, 1]);
  });

  it('have ids of their own that count on over all batches; a batch has the next sequence, and its message that id', async () => {
    const { stream, out } = made(immediately(file));
    for (const path of ['/a', '/b', '/c']) {
      stream.add([change(path), change(`${path}2`)]);
      await pumped();
    }
    const { watcherId } = stream;
    expect(watcherId).toMatch(/^[0-9a-f]{8}$/u);
    expect(out.facts.map(({ id }) => id)).toEqual([1, 2, 3, 4, 5, 6].map((number) => `${watcherId}-${number}`));
    expect(out.batches.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
    expect(out.messageIds).toEqual([1, 2, 3].map((number) => `${watcherId}-${number}`));
    expect(stream.published).toBe(6);
  });

  it('name their actors, each once in the batch', async () => {
    const { stream, out } = made(immediately(file));
    stream.add([change('/a'), change('/b', { actor: bob }), change('/c')]);
    await pumped();
    expect(out.batches).toMatchObject([{ host: 'fs01', sensor: 'memory', actors: [alice, bob] }]);
    expect(out.facts.map(({ actor }) => actor)).toEqual([alice.key, bob.key, alice.key]);
  });

  it('say what is there rather than what the event took it for', async () => {
    const { stream, out } = made(immediately({ kind: 'symlink', stat }));
    stream.add([change('/link')]);
    await pumped();
    expect(out.facts[0]).toMatchObject({ kind: 'symlink', stat });
  });
});

describe('the content', () => {
  it('is looked at where bytes were written, where a rename promises another type, and where a rescan found a difference', async () => {
    const { stream, requests } = made();
    stream.add([
      change('/written.txt'),
      change('/touched.txt', { operation: 'created', written: false }),
      change('/rights.txt', { operation: 'metadata', written: false }),
      change('/new.txt.locked', { operation: 'renamed', written: false, oldPath: '/new.txt' }),
      change('/moved.txt', { operation: 'renamed', written: false, oldPath: '/name.txt' }),
      change('/d', { operation: 'created', kind: 'directory', written: false }),
      change('/gone', { operation: 'deleted', written: false }),
    ]);
    stream.addDifferences([difference('/found.txt', { operation: 'created' })]);
    expect(requests.map((request) => [request.path, request.content])).toEqual([
      ['/written.txt', true],
      ['/touched.txt', false],
      ['/rights.txt', false],
      ['/new.txt.locked', true],
      ['/moved.txt', false],
      ['/d', false],
      ['/found.txt', true],
    ]);
    stream.stop();
  });

  it('is hashed whole only where it was announced', async () => {
    const { stream, requests, announcements } = made();
    announcements.add([{ path: '/restored', sha256: content }], 5000);
    stream.add([change('/restored'), change('/other')]);
    expect(requests.map(({ hash }) => hash)).toEqual([true, false]);
    stream.stop();
  });

  it('is no longer looked at when 100,000 facts wait: none is dropped, and the memory stays bounded', async () => {
    const { stream, requests, out } = made({ checked: false });
    stream.add(Array.from({ length: 100_002 }, (_, index) => change(`/${index}`)));
    expect(requests.filter((request) => !request.content).map(({ path }) => path)).toEqual(['/99999', '/100000', '/100001']);
    await vi.advanceTimersByTimeAsync(deadlineMs + 30);
    expect(out.facts.length).toBe(100_002);
    expect(stream.queued).toBe(0);
  });
});

describe('a batch is complete until', () => {
  it('now, when nothing else waits', async () => {
    const { stream, out, at } = made(immediately(file));
    at(6000);
    stream.add([change('/a', { atMs: 5990 })]);
    await pumped();
    expect(out.batches).toMatchObject([{ completeUntilMs: 6000 }]);
    expect(stream.lastLagMs).toBe(10);
  });

  it('the moment of the first fact that still waits', async () => {
    const { stream, out, at, come } = made();
    at(6000);
    stream.add([change('/a', { atMs: 5000 }), change('/b', { atMs: 5500 }), change('/c', { atMs: 5600 })]);
    await come('/a');
    await come('/c');
    await pumped();
    expect(out.batches).toMatchObject([{ completeUntilMs: 5500, facts: [{ path: '/a' }] }]);
    await come('/b');
    await pumped();
    expect(out.batches[1]).toMatchObject({ completeUntilMs: 6000, facts: [{ path: '/b' }, { path: '/c' }] });
  });

  it('not later than now, whatever the clock of an event says', async () => {
    const { stream, out, at, come } = made();
    at(6000);
    stream.add([change('/a', { atMs: 5000 }), change('/ahead', { atMs: 9000 })]);
    await come('/a');
    await pumped();
    expect(out.batches).toMatchObject([{ completeUntilMs: 6000 }]);
    stream.stop();
  });
});

describe('a heartbeat', () => {
  it('is an empty batch that says how far the watcher has seen', () => {
    const { stream, out, at } = made();
    at(7000);
    stream.heartbeat();
    at(9000);
    stream.heartbeat();
    expect(out.batches).toMatchObject([
      { sequence: 1, completeUntilMs: 7000, facts: [], actors: [] },
      { sequence: 2, completeUntilMs: 9000 },
    ]);
  });

  it('is not needed while facts wait: they will tell', async () => {
    const { stream, out, come } = made();
    stream.add([change('/a')]);
    stream.heartbeat();
    expect(out.batches).toEqual([]);
    await come('/a');
    await pumped();
    stream.heartbeat();
    expect(out.batches.map(({ facts }) => facts.length)).toEqual([1, 0]);
  });

  it('is not put into the spool while the bus is away', () => {
    const { stream, out } = made();
    out.waiting.messages = 1;
    stream.heartbeat();
    expect(out.batches).toEqual([]);
  });
});

describe('a gap', () => {
  it('is said once, with the next batch', async () => {
    const { stream, out } = made(immediately(file));
    stream.markGap();
    stream.markGap();
    stream.add([change('/a')]);
    await pumped();
    stream.add([change('/b')]);
    await pumped();
    expect(out.batches).toMatchObject([{ gap: true, facts: [{ path: '/a' }] }, { facts: [{ path: '/b' }] }]);
    expect(out.batches[1]).not.toHaveProperty('gap');
  });

  it('is said by itself when nothing else happens', async () => {
    const { stream, out } = made();
    stream.markGap();
    await pumped();
    await pumped();
    expect(out.batches).toMatchObject([{ sequence: 1, gap: true, facts: [] }]);
  });
});

describe('what Kuramori announced', () => {
  const origins = async (changes: readonly Change[], sample?: Sample) => {
    const { stream, out, announcements } = made(immediately(sample));
    announcements.add([{ path: '/restored.txt', sha256: content }, { path: '/note.txt' }], 5000);
    stream.add(changes);
    await pumped();
    return out.facts.map(({ origin }) => origin);
  };
  const write = (actor: Actor) => change('/restored.txt', { actor });
  const removal = (actor: Actor) => change('/note.txt', { operation: 'deleted', written: false, actor });

  it('is its own when it or nobody known did it and the content is the announced one', async () => {
    expect(await origins([write(kuramori), write(unknownActor), write(alice)], hashed(content))).toEqual(['kuramori', 'kuramori', 'external']);
  });

  it('is not when the content is another, or unknown', async () => {
    expect(await origins([write(kuramori), write(unknownActor)], hashed(other))).toEqual(['external', 'external']);
    expect(await origins([write(kuramori), write(unknownActor)], file)).toEqual(['external', 'external']);
    expect(await origins([write(kuramori), write(unknownActor)])).toEqual(['external', 'external']);
  });

  it('is a removal only where one was announced', async () => {
    const elsewhere = { ...removal(kuramori), path: '/restored.txt' };
    expect(await origins([removal(kuramori), removal(unknownActor), removal(alice), elsewhere])).toEqual([
      'kuramori',
      'kuramori',
      'external',
      'external',
    ]);
  });

  it('to be gone is not what writes there, whether its bytes could be looked at or not', async () => {
    const note = { ...write(unknownActor), path: '/note.txt' };
    expect(await origins([note], hashed(other))).toEqual(['external']);
    expect(await origins([note], file)).toEqual(['external']);
    expect(await origins([note])).toEqual(['external']);
  });

  it('is a rename of or to an announced path, by Kuramori or nobody known', async () => {
    const rename = (path: string, oldPath: string, actor: Actor) => change(path, { operation: 'renamed', written: false, oldPath, actor });
    expect(
      await origins(
        [
          rename('/restored.txt', '/restored.txt.locked', kuramori),
          rename('/elsewhere', '/note.txt', kuramori),
          rename('/restored.txt', '/restored.txt.locked', alice),
          rename('/x', '/y', kuramori),
        ],
        file,
      ),
    ).toEqual(['kuramori', 'kuramori', 'external', 'external']);
  });

  it('is a link at an announced path, whatever the sensor took it for', async () => {
    expect(await origins([write(kuramori), write(alice)], { kind: 'symlink', stat })).toEqual(['kuramori', 'external']);
  });

  it('is forgotten after ten minutes', async () => {
    const { stream, out, announcements, at } = made(immediately(hashed(content)));
    announcements.add([{ path: '/restored.txt', sha256: content }], 5000);
    at(5000 + 10 * 60 * 1000 + 1);
    stream.add([write(kuramori)]);
    await pumped();
    expect(out.facts).toMatchObject([{ origin: 'external' }]);
  });

  it('needs no announcement for directories it makes and times it sets, which hold no content', async () => {
    const directory = (actor: Actor) => change('/d', { operation: 'created', kind: 'directory', written: false, actor });
    const times = (actor: Actor) => change('/plan.txt', { operation: 'metadata', written: false, actor });
    expect(await origins([directory(kuramori), times(kuramori), directory(alice), times(alice), times(unknownActor)], file)).toEqual([
      'kuramori',
      'kuramori',
      'external',
      'external',
      'external',
    ]);
  });
});

describe('a temporary file of a restore', () => {
  const temporary = '/d/.kuramori-restore-0123';
  const events = (actor: Actor) => [
    change(temporary, { operation: 'created', actor }),
    change(temporary, { operation: 'metadata', written: false, actor }),
    change('/d/plan.txt', { operation: 'renamed', written: false, oldPath: temporary, actor }),
    change(temporary, { operation: 'deleted', written: false, actor }),
  ];

  it.each([kuramori, unknownActor])('is no news; its rename is a change of what it becomes (by $kind)', async (actor) => {
    const { stream, out, requests, announcements } = made(immediately(hashed(content)));
    announcements.add([{ path: '/d/plan.txt', sha256: content }], 5000);
    stream.add(events(actor));
    await pumped();
    expect(requests).toEqual([{ path: '/d/plan.txt', content: true, hash: true }]);
    expect(out.facts).toMatchObject([{ operation: 'modified', path: '/d/plan.txt', written: true, origin: 'kuramori' }]);
    expect(out.facts[0]).not.toHaveProperty('oldPath');
  });

  it('that is not one but only has such a name hides nothing', async () => {
    const { stream, out } = made(immediately(file));
    stream.add([...events(alice), change(temporary, { operation: 'renamed', written: false, oldPath: '/d/other.txt' })]);
    await pumped();
    expect(out.facts.map(({ operation, path, oldPath, origin }) => [operation, path, oldPath, origin])).toEqual([
      ['created', temporary, undefined, 'external'],
      ['metadata', temporary, undefined, 'external'],
      ['renamed', '/d/plan.txt', temporary, 'external'],
      ['deleted', temporary, undefined, 'external'],
      ['renamed', temporary, '/d/other.txt', 'external'],
    ]);
  });

  it('is known by its name alone where nobody registered our processes', async () => {
    const { stream, out } = made({ ...immediately(file), knowsOwn: false });
    stream.add(events(alice));
    await pumped();
    expect(out.facts.map(({ operation, path, origin }) => [operation, path, origin])).toEqual([['modified', '/d/plan.txt', 'external']]);
  });
});

describe("a rescan's difference", () => {
  it('is told as found, by nobody known', async () => {
    const { stream, out } = made(immediately(file));
    stream.addDifferences([difference('/a'), { ...difference('/b'), operation: 'created' }]);
    expect(stream.queuedDifferences).toBe(2);
    stream.addDifferences([change('/gone', { operation: 'deleted', written: false, actor: unknownActor })]);
    await pumped();
    expect(out.facts.map(({ operation, path, actor, rescan }) => [operation, path, actor, rescan])).toEqual([
      ['modified', '/a', 'unknown', true],
      ['created', '/b', 'unknown', true],
      ['deleted', '/gone', 'unknown', true],
    ]);
    expect(stream.queuedDifferences).toBe(0);
  });

  const later: readonly (readonly [string, Partial<FileStat>])[] = [
    ['was replaced', { ino: '9' }],
    ['grew', { size: 9 }],
    ['was written to', { mtimeNs: '9' }],
    ['got other rights', { ctimeNs: '9' }],
  ];
  it.each(later)('is no fact when the file %s since the scan looked: that is told by who did it', async (_what, now) => {
    const { stream, out } = made(immediately({ ...file, stat: { ...stat, ...now } }));
    stream.addDifferences([difference('/a')]);
    stream.add([change('/b')]);
    await pumped();
    expect(out.paths).toEqual(['/b']);
    expect(stream.queued).toBe(0);
  });

  it('is no fact when the file is gone since', async () => {
    const { stream, out } = made(immediately());
    stream.addDifferences([difference('/a')]);
    await pumped();
    expect(out.facts).toEqual([]);
  });

  it('goes without a look at it when that takes too long: the vault looks again', async () => {
    const { stream, out } = made();
    stream.addDifferences([difference('/slow')]);
    await vi.advanceTimersByTimeAsync(deadlineMs + 10);
    expect(out.facts).toMatchObject([{ path: '/slow', rescan: true }]);
  });
});

it('a change that only the disk can confirm is a fact when something stands there', async () => {
  const { stream, out } = made({ sample: ({ path }) => Promise.resolve(path === '/there' ? file : undefined) });
  stream.add(['/there', '/gone'].map((path) => change(path, { operation: 'created', onlyIfThere: true })));
  stream.add([change('/gone-too', { operation: 'created' })]);
  await pumped();
  expect(out.paths).toEqual(['/there', '/gone-too']);
});

describe('a flush', () => {
  it('publishes everything queued and tells the place', async () => {
    const { stream, out, come } = made();
    stream.add([change('/a'), change('/b')]);
    await come('/a');
    await come('/b');
    stream.add([change('/late')]);
    const flushed = stream.flush(3000);
    await come('/late');
    await pumped();
    expect(await flushed).toEqual({ watcherId: stream.watcherId, sequence: out.batches.length });
    expect(out.paths).toEqual(['/a', '/b', '/late']);
  });

  it('tells a place that exists although nothing happened yet', async () => {
    const { stream, out } = made();
    expect(await stream.flush(3000)).toEqual({ watcherId: stream.watcherId, sequence: 1 });
    expect(out.batches).toMatchObject([{ sequence: 1, facts: [] }]);
    expect(await stream.flush(3000)).toEqual({ watcherId: stream.watcherId, sequence: 1 });
  });

  it('hands on what waits behind batches under way: with the bus away it is safe on the disk, not here', async () => {
    const { stream, out } = made(immediately(file));
    out.waiting.messages = 2;
    stream.add([change('/a'), change('/b')]);
    await pumped();
    expect(out.batches).toEqual([]);
    const flushed = stream.flush(3000);
    await pumped();
    expect(await flushed).toMatchObject({ sequence: 1 });
    expect(out.paths).toEqual(['/a', '/b']);
  });

  it('does not wait for what comes after it, so that it ends on a busy share', async () => {
    const { stream, out, come } = made();
    stream.add([change('/before')]);
    const flushed = stream.flush(3000);
    stream.add([change('/after')]);
    await come('/before');
    await pumped();
    expect(await flushed).toMatchObject({ sequence: 1 });
    expect(out.paths).toEqual(['/before']);
    stream.stop();
  });

  it('waits for no sample longer than its deadline, and for the bus no longer than its time', async () => {
    const { stream, out } = made();
    stream.add([change('/slow')]);
    const flushed = stream.flush(3000);
    await vi.advanceTimersByTimeAsync(deadlineMs + 10);
    expect(await flushed).toMatchObject({ sequence: 1 });
    expect(out.paths).toEqual(['/slow']);
    expect(out.waits).toHaveLength(1);
    expect(out.waits[0]).toBeLessThanOrEqual(3000 - deadlineMs);
  });
});
