import { describe, expect, it } from 'vitest';
import { Announcements } from './announcements';

const content = 'a'.repeat(64);
const other = 'b'.repeat(64);
const validMs = 10 * 60 * 1000;

describe('an announced change', () => {
  it('is matched by its content alone', () => {
    const announcements = new Announcements();
    expect(announcements.add([{ path: '/a', sha256: content }], 0)).toBe(1);
    expect(announcements.has('/a', 1)).toBe(true);
    expect(announcements.matches('/a', content, 1)).toBe(true);
    expect(announcements.matches('/a', other, 1)).toBe(false);
    expect(announcements.matches('/a', undefined, 1)).toBe(false);
    expect(announcements.matches('/b', content, 1)).toBe(false);
  });

  it('of an entry that will be gone is matched by nothing else', () => {
    const announcements = new Announcements();
    announcements.add([{ path: '/a' }], 0);
    expect(announcements.matches('/a', undefined, 1)).toBe(true);
    expect(announcements.matches('/a', content, 1)).toBe(false);
    expect(announcements.matches('/b', undefined, 1)).toBe(false);
  });

  it('is matched as often as it happens: a restore may be done again', () => {
    const announcements = new Announcements();
    announcements.add([{ path: '/a', sha256: content }], 0);
    for (let time = 1; time <= 3; time += 1) expect(announcements.matches('/a', content, time)).toBe(true);
  });

  it('is forgotten after ten minutes, and not before', () => {
    const announcements = new Announcements();
    announcements.add([{ path: '/a', sha256: content }, { path: '/gone' }], 1000);
    expect(announcements.matches('/a', content, 1000 + validMs)).toBe(true);
    expect(announcements.matches('/a', content, 1000 + validMs + 1)).toBe(false);
    expect(announcements.matches('/gone', undefined, 1000 + validMs + 1)).toBe(false);
    expect(announcements.has('/a', 1000)).toBe(false);
  });

  it('takes the place of the one before for its path, and begins its time anew', () => {
    const announcements = new Announcements();
    announcements.add([{ path: '/a', sha256: content }], 0);
    announcements.add([{ path: '/a', sha256: other }], validMs);
    expect(announcements.matches('/a', content, validMs)).toBe(false);
    expect(announcements.matches('/a', other, 2 * validMs)).toBe(true);
    announcements.add([{ path: '/a' }], 2 * validMs);
    expect(announcements.matches('/a', other, 2 * validMs)).toBe(false);
    expect(announcements.matches('/a', undefined, 2 * validMs)).toBe(true);
  });
});

it('stays bounded: of more than 200,000 announcements the oldest are forgotten, one said again counts as new', () => {
  const announcements = new Announcements();
  const many = (from: number, count: number) => Array.from({ length: count }, (_, index) => ({ path: `/${from + index}`, sha256: content }));
  expect(announcements.add(many(0, 200_000), 0)).toBe(200_000);
  announcements.add(many(0, 1), 1);
  announcements.add(many(200_000, 2), 2);
  expect(['/0', '/1', '/2', '/3', '/200001'].map((path) => announcements.has(path, 3))).toEqual([true, false, false, true, true]);
});
