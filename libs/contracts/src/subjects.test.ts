import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { commandNames, consumers, hostToken, streams, subjects } from '.';

describe('subjects', () => {
  it('hold any host name as one token', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (host) => {
        expect(hostToken(host)).toMatch(/^[A-Za-z0-9_-]+$/u);
        expect(subjects.verdict(host).split('.')).toHaveLength(4);
      }),
    );
  });
  it('belong to exactly one stream each', () => {
    const matches = (pattern: string, subject: string) =>
      new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '[^.]+').replace('>', '.+')}$`, 'u').test(subject);
    const published = [
      subjects.fileBatch('a'),
      subjects.vaultStored('a'),
      subjects.vaultNotice('a', 'space-low'),
      subjects.verdict('a'),
      subjects.incident('a', 'opened'),
    ];
    for (const subject of published) {
      expect(Object.values(streams).filter((stream) => stream.subjects.some((pattern) => matches(pattern, subject)))).toHaveLength(1);
    }
    expect(Object.values(streams).some((stream) => stream.subjects.some((pattern) => matches(pattern, subjects.command('a', 'vault', 'undo'))))).toBe(
      false,
    );
  });
  it('name consumers of streams that exist, with names of their own', () => {
    const names = Object.values(consumers).map(({ durable }) => durable);
    expect(new Set(names).size).toBe(names.length);
    for (const consumer of Object.values(consumers)) expect(Object.values(streams).map(({ name }) => name as string)).toContain(consumer.stream);
    expect(Object.keys(commandNames)).toContain('vault');
  });
});
