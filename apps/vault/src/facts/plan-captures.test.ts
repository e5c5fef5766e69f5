import type { FileFact } from '@kuramori/contracts';
import { describe, expect, it } from 'vitest';
import { planCaptures } from './plan-captures';

let facts = 0;
function fact(operation: FileFact['operation'], path: string, more: Partial<FileFact> = {}): FileFact {
  facts += 1;
  return { id: `f-${facts}`, atMs: facts, operation, kind: 'file', path, actor: 'a', origin: 'external', ...more };
}
const rename = (oldPath: string, path: string, more: Partial<FileFact> = {}) => fact('renamed', path, { oldPath, ...more });
const known =
  (...paths: string[]) =>
  (path: string) =>
    paths.includes(path) ? { kept: true } : undefined;
const plan = (told: readonly FileFact[], ...paths: string[]) => planCaptures(told, known(...paths));

describe('what is read for a batch', () => {
  it('is each written file once, where it is in the end, with its last fact', () => {
    expect(plan([fact('modified', '/a'), fact('modified', '/a'), rename('/a', '/b')], '/a')).toEqual([{ index: 2, path: '/b', pathBefore: '/a' }]);
  });

  it('is nothing of files that were only renamed or deleted', () => {
    expect(plan([rename('/a', '/b'), fact('modified', '/c'), fact('deleted', '/c')], '/a', '/c')).toEqual([]);
  });

  it('is a renamed file whose content is not in the vault yet', () => {
    expect(plan([rename('/new', '/b')])).toEqual([{ index: 0, path: '/b', pathBefore: undefined }]);
  });

  it.each([
    ['renamed away (a rotated log)', rename('/log', '/log.1')],
    ['deleted', fact('deleted', '/log')],
  ])('is not compared with what stood there before and was %s', (_how, leaves) => {
    expect(plan([leaves, fact('created', '/log'), fact('modified', '/log')], '/log')).toEqual([{ index: 2, path: '/log', pathBefore: undefined }]);
  });

  it('is not compared with what stood there in a directory that was moved away', () => {
    const moved = fact('renamed', '/old', { oldPath: '/d', kind: 'directory' });
    expect(plan([moved, fact('created', '/d/log')], '/d/log')).toEqual([{ index: 1, path: '/d/log', pathBefore: undefined }]);
    expect(plan([moved, fact('modified', '/old/log')], '/d/log', '/old/log')).toEqual([{ index: 1, path: '/old/log', pathBefore: '/old/log' }]);
  });

  it('follows files that swap names', () => {
    const told = [rename('/a', '/t'), rename('/b', '/a'), rename('/t', '/b'), fact('modified', '/a')];
    expect(plan(told, '/a', '/b')).toEqual([{ index: 3, path: '/a', pathBefore: '/b' }]);
  });
});
