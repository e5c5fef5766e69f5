import { describe, expect, it } from 'vitest';
import { Scope } from './scope';

describe('what a sensor looks at', () => {
  const scope = new Scope(['/srv/share', '/srv/共有'], ['/srv/share/.data']);
  it.each([
    ['/srv/share', true],
    ['/srv/share/a/b', true],
    ['/srv/共有/a', true],
    ['/srv/share2', false],
    ['/srv', false],
    ['/srv/share/.data', false],
    ['/srv/share/.data/a', false],
    ['/srv/share/.data2', true],
  ])('%s: %s', (path, expected) => {
    expect(scope.has(path)).toBe(expected);
  });
  it('is everything for the root of all directories', () => {
    const everything = new Scope(['/'], ['/proc']);
    expect(['/', '/a', '/proc', '/proc/1', '/process'].map((path) => everything.has(path))).toEqual([true, true, false, false, true]);
  });
  it('knows which roots go with a directory', () => {
    expect(scope.rootsIn('/srv')).toEqual(['/srv/share', '/srv/共有']);
    expect(scope.rootsIn('/srv/share')).toEqual(['/srv/share']);
    expect(scope.rootsIn('/srv/share/a')).toEqual([]);
    expect(scope.rootsIn('/srv/sh')).toEqual([]);
  });
});
