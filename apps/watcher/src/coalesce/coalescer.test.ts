import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Actor } from '@kuramori/contracts';
import type { RawEvent } from '@kuramori/platform';
import { type Change, Coalescer } from './coalescer';

const alice: Actor = { key: 'process:b:1:1', kind: 'process' };
const bob: Actor = { key: 'process:b:2:2', kind: 'process' };
const event = (path: string, what: Partial<RawEvent>, actor = alice): RawEvent => ({
  atMs: 1,
  kind: 'file',
  path,
  created: false,
  modified: false,
  closedAfterWrite: false,
  deleted: false,
  renamed: false,
  metadata: false,
  actor,
  ...what,
});
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

  it('stays bounded in a storm of files nobody closes, and tells of each', () => {
    const coalescer = new Coalescer();
    let count = 0;
    for (let index = 0; index < 25_000; index += 1) count += coalescer.add([event(`/f${index}`, { created: true, modified: true })], 0).length;
    expect(coalescer.size).toBeLessThanOrEqual(20_000);
    expect(count + coalescer.flush(1).length).toBe(25_000);
  });
});
