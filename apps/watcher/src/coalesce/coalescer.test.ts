import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RawEvent } from '@kuramori/platform';
import { alice, bob, rawEvent } from '../testing/events';
import { type Change, Coalescer } from './coalescer';

const event = (path: string, what: Partial<RawEvent>, actor = alice) => rawEvent(path, { atMs: 1, ...what }, actor);
const told = (changes: readonly Change[]) =>
  changes.map(({ operation, path, oldPath, actor }) =>
    [operation, path, ...(oldPath === undefined ? [] : [oldPath]), actor === bob ? 'bob' : 'alice'].join(' '),
  );

describe('events of one actor on one path', () => {
  it('become one fact when the file is closed', () => {
    const coalescer = new Coalescer();
    expect(
      told(
        coalescer.add([event('/a', { created: true }), event('/a', { modified: true }), event('/a', { modified: true, closedAfterWrite: true })], 0),
      ),
    ).toEqual(['created /a alice']);
    expect(coalescer.size).toBe(0);
  });
  it('leave nothing when the file was born and deleted in between', () => {
    const coalescer = new Coalescer();
    expect(coalescer.add([event('/a', { created: true }), event('/a', { modified: true }), event('/a', { deleted: true })], 0)).toEqual([]);
    expect(coalescer.size).toBe(0);
  });
  it('are told although nobody closes: soon, then once a second while it goes on', () => {
    const coalescer = new Coalescer();
    coalescer.add([event('/a', { modified: true })], 0);
    expect(coalescer.due(24)).toEqual([]);
    expect(told(coalescer.due(25))).toEqual(['modified /a alice']);
    coalescer.add([event('/a', { modified: true })], 30);
    expect(coalescer.due(1000)).toEqual([]);
    expect(told(coalescer.due(1025))).toEqual(['modified /a alice']);
    expect(coalescer.due(2025)).toEqual([]);
    expect(coalescer.size).toBe(0);
  });
  it('go on under the new name after a rename through the open handle', () => {
    const coalescer = new Coalescer();
    coalescer.add([event('/a', { modified: true })], 0);
    expect(told(coalescer.add([event('/b', { renamed: true, oldPath: '/a' })], 1))).toEqual(['renamed /b /a alice']);
    expect(told(coalescer.add([event('/b', { closedAfterWrite: true })], 2))).toEqual(['modified /b alice']);
  });
});

describe('the time of a fact', () => {
  it('is when what it tells began', () => {
    const coalescer = new Coalescer();
    coalescer.add([event('/a', { created: true, atMs: 5 }), event('/a', { modified: true, atMs: 7 })], 10);
    expect(coalescer.add([event('/a', { modified: true, closedAfterWrite: true, atMs: 9 })], 10)).toMatchObject([{ atMs: 5 }]);
  });

  it('is that of what is new, however long ago the file was opened', () => {
    const coalescer = new Coalescer();
    for (let second = 0; second < 3600; second += 1) {
      coalescer.add([event('/a', { modified: true, atMs: second * 1000 })], second * 1000);
      coalescer.add([event('/a', { modified: true, atMs: second * 1000 + 1 })], second * 1000 + 1);
      for (const { atMs } of coalescer.due(second * 1000 + 30)) expect(atMs).toBeGreaterThanOrEqual((second - 1) * 1000);
    }
    expect(coalescer.size).toBe(1);
  });
});

describe('what one event merges without its order', () => {
  it('is told as made, if something stands there, when a file was deleted and made or made and deleted', () => {
    const coalescer = new Coalescer();
    const both = coalescer.add([event('/a', { deleted: true, created: true, modified: true, closedAfterWrite: true })], 0);
    expect(both).toMatchObject([{ operation: 'created', path: '/a', written: true, onlyIfThere: true }]);
    expect(coalescer.add([event('/d', { kind: 'directory', deleted: true, created: true })], 0)).toMatchObject([
      { operation: 'created', kind: 'directory', path: '/d', written: false, onlyIfThere: true },
    ]);
    expect(coalescer.size).toBe(0);
  });

  it('is a deletion when a file was written and deleted', () => {
    const changes = new Coalescer().add([event('/a', { modified: true, closedAfterWrite: true, deleted: true })], 0);
    expect(told(changes)).toEqual(['deleted /a alice']);
    expect(changes[0]).not.toHaveProperty('onlyIfThere');
  });
});

describe('a rename', () => {
  it('over a file that is written to tells of that first, and leaves nothing of its writer', () => {
    const coalescer = new Coalescer();
    coalescer.add([event('/a', { modified: true }), event('/b', { modified: true }, bob)], 0);
    expect(told(coalescer.add([event('/b', { renamed: true, oldPath: '/a' })], 1))).toEqual(['modified /b bob', 'renamed /b /a alice']);
    expect(told(coalescer.flush(2))).toEqual(['modified /b alice']);
  });

  it('over a file that its actor just made does not hide what happens to it later', () => {
    const coalescer = new Coalescer();
    coalescer.add([event('/b', { created: true }), event('/a', { modified: true })], 0);
    expect(told(coalescer.add([event('/b', { renamed: true, oldPath: '/a' }), event('/b', { closedAfterWrite: true })], 1))).toEqual([
      'renamed /b /a alice',
      'modified /b alice',
    ]);
    expect(coalescer.size).toBe(0);
    expect(told(coalescer.add([event('/b', { metadata: true }), event('/b', { deleted: true })], 2))).toEqual([
      'metadata /b alice',
      'deleted /b alice',
    ]);
  });

  it('of a file that was just made and is still open has its content looked at under the new name', () => {
    const coalescer = new Coalescer();
    coalescer.add([event('/a', { created: true })], 0);
    expect(told(coalescer.add([event('/b', { renamed: true, oldPath: '/a' })], 1))).toEqual(['renamed /b /a alice']);
    expect(coalescer.due(30)).toMatchObject([{ operation: 'modified', path: '/b', written: true }]);
  });

  it('into the roots over a file that is written to tells of that first', () => {
    const coalescer = new Coalescer();
    coalescer.add([event('/b', { modified: true }, bob)], 0);
    expect(told(coalescer.add([event('/b', { renamed: true })], 1))).toEqual(['modified /b bob', 'created /b alice']);
    expect(coalescer.size).toBe(0);
  });

  it('of a directory into the place of one that was moved away leaves nothing of those who wrote there', () => {
    const coalescer = new Coalescer();
    coalescer.add([event('/x/a', { modified: true }), event('/x', { kind: 'directory', deleted: true }), event('/d/a', { modified: true })], 0);
    coalescer.add([event('/x', { kind: 'directory', renamed: true, oldPath: '/d' })], 1);
    expect(told(coalescer.add([event('/x/a', { closedAfterWrite: true })], 2))).toEqual(['modified /x/a alice']);
    expect(coalescer.size).toBe(0);
    expect(told(coalescer.add([event('/x/a', { metadata: true })], 3))).toEqual(['metadata /x/a alice']);
  });

  it('of a directory takes the files along that are written to below it', () => {
    const coalescer = new Coalescer();
    coalescer.add([event('/d/a', { modified: true }), event('/d/e/b', { created: true }, bob), event('/dd', { modified: true })], 0);
    coalescer.add([event('/x', { kind: 'directory', renamed: true, oldPath: '/d' })], 1);
    expect(told(coalescer.flush(2)).sort()).toEqual(['created /x/e/b bob', 'modified /dd alice', 'modified /x/a alice']);
  });
});

describe('the coalescer', () => {
  const paths = ['/a', '/b', '/c'];
  const raw = fc.record({
    path: fc.constantFrom(...paths),
    actor: fc.constantFrom(alice, bob),
    what: fc.constantFrom<Partial<RawEvent>>(
      { created: true },
      { modified: true },
      { closedAfterWrite: true },
      { deleted: true },
      { metadata: true },
      { created: true, modified: true, closedAfterWrite: true },
      { created: true, modified: true, deleted: true },
      { renamed: true, oldPath: '/a' },
    ),
  });

  it('never mixes actors', () => {
    fc.assert(
      fc.property(fc.array(raw, { maxLength: 40 }), (events) => {
        const coalescer = new Coalescer();
        const changes = [
          ...coalescer.add(
            events.map(({ path, actor, what }) => event(path, what, actor)),
            0,
          ),
          ...coalescer.flush(1),
        ];
        for (const change of changes) expect(events.some(({ actor }) => actor === change.actor)).toBe(true);
      }),
    );
  });

  it('tells of the last thing that happened to each path that someone wrote to or deleted, in the end', () => {
    fc.assert(
      fc.property(fc.array(raw, { minLength: 1, maxLength: 40 }), (events) => {
        const coalescer = new Coalescer();
        const changes = [
          ...coalescer.add(
            events.map(({ path, actor, what }) => event(path, what, actor)),
            0,
          ),
          ...coalescer.flush(1),
        ];
        for (const path of paths) {
          const last = events.findLast((each) => each.path === path || each.what.oldPath === path);
          const writes = last?.what.oldPath === undefined && (last?.what.modified === true || last?.what.closedAfterWrite === true);
          if (writes)
            expect(changes.some((change) => change.path === path && (change.operation === 'modified' || change.operation === 'created'))).toBe(true);
        }
        expect(coalescer.flush(2_000_000).length).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  /** Raw events as they come: in reads of several, with time passing between. */
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.record({ read: fc.array(raw, { minLength: 1, maxLength: 5 }) }) },
    { weight: 3, arbitrary: fc.record({ passMs: fc.integer({ min: 1, max: 1500 }) }) },
  );
  type Step = typeof step extends fc.Arbitrary<infer Each> ? Each : never;
  interface Occurrence {
    /** Its place among all that happened; also the time that the event bears. */
    readonly index: number;
    readonly event: RawEvent;
  }
  interface Told {
    /** How many events had been read when it was told. */
    readonly after: number;
    readonly change: Change;
  }

  /** Every event bears its place as its time; the clock of the coalescer is another. */
  function play(steps: readonly Step[]) {
    const coalescer = new Coalescer();
    const occurred: Occurrence[] = [];
    const changes: Told[] = [];
    let nowMs = 0;
    const keep = (found: readonly Change[]) => changes.push(...found.map((change) => ({ after: occurred.length, change })));
    for (const each of steps) {
      if ('passMs' in each) {
        nowMs += each.passMs;
        keep(coalescer.due(nowMs));
        continue;
      }
      const read = each.read
        // A file is not renamed to its own name.
        .filter(({ path, what }) => path !== what.oldPath)
        .map(({ path, actor, what }, index) => event(path, { ...what, atMs: occurred.length + index }, actor));
      occurred.push(...read.map((one) => ({ index: one.atMs, event: one })));
      keep(coalescer.add(read, nowMs));
    }
    keep(coalescer.flush(nowMs));
    return { coalescer, occurred, changes };
  }
  const isWrite = ({ renamed, deleted, modified, closedAfterWrite }: RawEvent) => !renamed && !deleted && (modified || closedAfterWrite);
  const tells = (change: Change) => change.written && (change.operation === 'created' || change.operation === 'modified');

  it('loses no write: each is told under the name its file has then, unless the file is gone or replaced by then', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const { occurred, changes } = play(steps);
        for (const { index, event: write } of occurred.filter((each) => isWrite(each.event))) {
          let path = write.path;
          let isGone = false;
          // The names of the file from its writing on, each valid from the event that gave it.
          const names: [string, number][] = [[path, index]];
          for (const { index: later, event: other } of occurred.slice(index + 1)) {
            if (other.renamed && other.oldPath === path) {
              path = other.path;
              names.push([path, later]);
            } else if (other.path === path && (other.deleted || other.renamed)) isGone = true;
            if (isGone) break;
          }
          if (isGone) continue;
          const isTold = changes.some(
            ({ after, change }) => change.actor === write.actor && tells(change) && after > index && names.some(([name]) => name === change.path),
          );
          expect(isTold, `the write ${index} of ${write.path} by ${write.actor.key}`).toBe(true);
        }
      }),
    );
  });

  it('keeps the order on each path: what was written before a deletion or a rename away is never told after it', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const { changes } = play(steps);
        const goneAtMs = new Map<string, number>();
        for (const { change } of changes) {
          if (change.operation === 'deleted') goneAtMs.set(change.path, change.atMs);
          if (change.oldPath !== undefined) goneAtMs.set(change.oldPath, change.atMs);
          // What comes along under a name with a rename may have been written before it.
          if (change.operation === 'renamed') goneAtMs.delete(change.path);
          if (tells(change)) expect(change.atMs).toBeGreaterThan(goneAtMs.get(change.path) ?? -1);
        }
      }),
    );
  });

  it('tells deletions and renames in the order of their events, and of nothing that did not happen', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const { occurred, changes } = play(steps);
        const moves = changes
          .filter(({ change }) => change.operation === 'renamed' || change.operation === 'deleted')
          .map(({ change }) => change.atMs);
        expect(moves).toEqual([...moves].sort((a, b) => a - b));
        expect(changes.filter(({ change }) => change.operation === 'renamed')).toHaveLength(occurred.filter((each) => each.event.renamed).length);
        for (const { after, change } of changes) {
          expect(change.atMs).toBeLessThan(after);
          expect(occurred[change.atMs]?.event.actor).toBe(change.actor);
        }
      }),
    );
  });

  it('holds nothing in the end: without new writes all is told and forgotten within two seconds', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const { coalescer } = play(steps);
        const last = Number.MAX_SAFE_INTEGER / 2;
        coalescer.due(last);
        expect(coalescer.due(last + 2000)).toEqual([]);
        expect(coalescer.size).toBe(0);
        // A path on which everything is over is like new: its next deletion and its next rights are told.
        const after = coalescer.add([event('/a', { metadata: true }), event('/a', { deleted: true })], last + 2000);
        expect(told(after)).toEqual(['metadata /a alice', 'deleted /a alice']);
      }),
    );
  });

  it('stays bounded in a storm of files nobody closes, and tells of each', () => {
    const coalescer = new Coalescer();
    let count = 0;
    for (let index = 0; index < 25_000; index += 1) count += coalescer.add([event(`/f${index}`, { created: true, modified: true })], 0).length;
    expect(coalescer.size).toBeLessThanOrEqual(20_000);
    expect(count + coalescer.flush(1).length).toBe(25_000);
  });
});
