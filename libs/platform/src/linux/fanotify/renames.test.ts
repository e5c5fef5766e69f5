import { describe, expect, it } from 'vitest';
import { type FanotifyEvent, masks, type NamedEntry } from './events';
import { Renames } from './renames';

const handle = (name: string) => ({ filesystem: '00', handle: Buffer.from(name) });
const place = (name: string): NamedEntry => ({ directory: handle('d'), name: Buffer.from(name) });
const rename = (object: string, from: string, to: string, pid = 1): FanotifyEvent => ({
  mask: masks.rename,
  pid,
  entry: place(to),
  oldEntry: place(from),
  object: handle(object),
});
const write = (object: string, name: string, pid = 1): FanotifyEvent => ({
  mask: masks.create | masks.modify,
  pid,
  entry: place(name),
  oldEntry: undefined,
  object: handle(object),
});
const halves = (...events: FanotifyEvent[]) => {
  const renames = new Renames();
  return events.map((event) => renames.note(event));
};

describe('an exchange of two names', () => {
  it('is seen by another object coming back the same way', () => {
    expect(halves(rename('x', 'a', 'b'), rename('y', 'b', 'a'))).toEqual([false, true]);
  });
  it('is seen while other processes do something', () => {
    expect(halves(rename('x', 'a', 'b'), rename('z', 'c', 'd', 2), write('w', 'b', 3), rename('y', 'b', 'a'))).toEqual([false, false, false, true]);
  });
  it('is not a file that is renamed there and back', () => {
    expect(halves(rename('x', 'a', 'b'), rename('x', 'b', 'a'))).toEqual([false, false]);
  });
  it('is not a new file that takes the old name later', () => {
    expect(halves(rename('x', 'a', 'b'), write('y', 'b'), rename('y', 'b', 'a'))).toEqual([false, false, false]);
  });
  it('may happen twice', () => {
    expect(halves(rename('x', 'a', 'b'), rename('y', 'b', 'a'), rename('y', 'a', 'b'), rename('x', 'b', 'a'))).toEqual([false, true, false, true]);
  });
});

describe('a file that came back to a name it had', () => {
  it('is told once, and then forgotten', () => {
    const renames = new Renames();
    renames.note(rename('x', 'a', 'b'));
    renames.note(rename('y', 'c', 'd'));
    renames.note(rename('x', 'b', 'a'));
    expect(renames.takeReturned()).toEqual([handle('x')]);
    expect(renames.takeReturned()).toEqual([]);
    renames.note(rename('x', 'a', 'b'));
    expect(renames.takeReturned()).toEqual([]);
  });
});
