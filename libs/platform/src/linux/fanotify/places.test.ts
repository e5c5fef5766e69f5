import { describe, expect, it } from 'vitest';
import { Scope } from '../../scope';
import { type FanotifyEvent, type FileHandle, handleKey, masks, type NamedEntry } from './events';
import { Places } from './places';

/** Directories of a filesystem, and the events that waited while they changed. */
class Tree {
  private readonly paths = new Map<string, string>();
  private readonly queue: FanotifyEvent[] = [];
  readonly handle = (id: string): FileHandle => ({ filesystem: '00', handle: Buffer.from(id) });
  readonly entry = (directory: string, name: string): NamedEntry => ({ directory: this.handle(directory), name: Buffer.from(name) });
  readonly places = new Places(new Scope(['/r'], []), { pathOfDirectory: (directory) => this.paths.get(handleKey(directory)) }, () =>
    this.places.learn(this.queue.splice(0)),
  );

  is(id: string, path: string): void {
    this.paths.set(handleKey(this.handle(id)), path);
  }
  /** Happened already, in this order; the kernel shows the state after all of it. */
  happened(...events: FanotifyEvent[]): void {
    this.queue.push(...events);
  }
  gone(id: string): void {
    this.paths.delete(handleKey(this.handle(id)));
  }
  move(id: string, from: NamedEntry, to: NamedEntry): FanotifyEvent {
    return { mask: masks.rename | masks.onDirectory, pid: 1, entry: to, oldEntry: from, object: this.handle(id) };
  }
  remove(id: string, entry: NamedEntry, mask: bigint = masks.delete): FanotifyEvent {
    return { mask: mask | masks.onDirectory, pid: 1, entry, oldEntry: undefined, object: this.handle(id) };
  }
}

function tree(): Tree {
  const one = new Tree();
  one.is('root', '/r');
  one.is('d', '/r/d');
  one.is('e', '/r/d/e');
  return one;
}

describe('the place of an event', () => {
  it('is in the scope, or nowhere', () => {
    const one = tree();
    one.is('out', '/rest');
    expect(one.places.pathOf(one.entry('e', 'a'))).toBe('/r/d/e/a');
    expect(one.places.pathOf(one.entry('d', '.'))).toBe('/r/d');
    expect(one.places.pathOf(one.entry('out', 'a'))).toBeUndefined();
    expect(one.places.anyPathOf(one.entry('out', 'a'))).toBe('/rest/a');
    expect(one.places.pathOf(one.entry('unknown', 'a'))).toBeUndefined();
    expect(one.places.pathOf(undefined)).toBeUndefined();
  });

  it('is the one it had then: renames since are taken back until they are passed', () => {
    const one = tree();
    const first = one.move('d', one.entry('root', 'd'), one.entry('root', 'x'));
    const second = one.move('e', one.entry('d', 'e'), one.entry('root', 'y'));
    const third = one.move('d', one.entry('root', 'x'), one.entry('e', 'z'));
    one.is('e', '/r/y');
    one.is('d', '/r/y/z');
    one.happened(first, second, third);
    const at = (id: string) => one.places.pathOf(one.entry(id, 'a'));
    expect([at('d'), at('e')]).toEqual(['/r/d/a', '/r/d/e/a']);
    one.places.pass(first);
    expect([at('d'), at('e')]).toEqual(['/r/x/a', '/r/x/e/a']);
    one.places.pass(second);
    expect([at('d'), at('e')]).toEqual(['/r/x/a', '/r/y/a']);
    one.places.pass(third);
    expect([at('d'), at('e')]).toEqual(['/r/y/z/a', '/r/y/a']);
  });

  it('was in the roots though the directory has left them since', () => {
    const one = tree();
    one.is('out', '/rest');
    const move = one.move('d', one.entry('root', 'd'), one.entry('out', 'd'));
    one.is('d', '/rest/d');
    one.is('e', '/rest/d/e');
    one.happened(move);
    expect(one.places.pathOf(one.entry('e', 'a'))).toBe('/r/d/e/a');
    one.places.pass(move);
    expect(one.places.pathOf(one.entry('e', 'a'))).toBeUndefined();
  });

  it('is where a removed directory stood, also when those above it were renamed and removed', () => {
    const one = tree();
    const move = one.move('d', one.entry('root', 'd'), one.entry('root', 'x'));
    one.gone('d');
    one.gone('e');
    one.happened(move, one.remove('e', one.entry('d', 'e')), one.remove('d', one.entry('root', 'x')));
    expect(one.places.pathOf(one.entry('e', 'a'))).toBe('/r/d/e/a');
    one.places.pass(move);
    expect(one.places.pathOf(one.entry('e', 'a'))).toBe('/r/x/e/a');
    one.places.rest();
    expect(one.places.pathOf(one.entry('unknown', 'a'))).toBeUndefined();
  });

  it('is found although the kernel told of the removal together with the creation, before a rename out of the directory', () => {
    const one = tree();
    one.gone('d');
    one.is('e', '/r/e');
    const move = one.move('e', one.entry('d', 'e'), one.entry('root', 'e'));
    one.happened(one.remove('d', one.entry('root', 'd'), masks.create | masks.delete), move);
    expect(one.places.pathOf(one.entry('e', 'a'))).toBe('/r/d/e/a');
    one.places.pass(move);
    expect(one.places.pathOf(one.entry('e', 'a'))).toBe('/r/e/a');
  });

  it('is the one of now when too many renames wait, and that is said', () => {
    const one = tree();
    const moves = Array.from({ length: 1001 }, (_nothing, index) =>
      one.move('d', one.entry('root', `d${index}`), one.entry('root', `d${index + 1}`)),
    );
    one.is('d', '/r/d1001');
    one.happened(...moves);
    expect(one.places.pathOf(one.entry('d', 'a'))).toBe('/r/d1001/a');
    expect(one.places.lostTrack).toBe(true);
    one.places.lostTrack = false;
    for (const move of moves.slice(0, 500)) one.places.pass(move);
    expect(one.places.pathOf(one.entry('d', 'a'))).toBe('/r/d500/a');
    expect(one.places.lostTrack).toBe(false);
  });
});
