import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fsPath, pathFromBytes, pathToBytes } from './path-text';

describe('path text', () => {
  it('gives back every sequence of bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        expect(pathToBytes(pathFromBytes(Buffer.from(bytes)))).toEqual(Buffer.from(bytes));
      }),
    );
  });
  it('gives back names that hold the mapped characters themselves', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', '�', '\u{F0041}', '\u{F00FF}', '\u{F0100}', '蔵')), (characters) => {
        const bytes = Buffer.from(characters.join(''));
        expect(pathToBytes(pathFromBytes(bytes))).toEqual(bytes);
      }),
    );
  });
  it('leaves valid UTF-8 as it is', () => {
    expect(pathFromBytes(Buffer.from('/srv/共有/é.txt'))).toBe('/srv/共有/é.txt');
    expect(fsPath('/srv/共有')).toBe('/srv/共有');
  });
  it('is well-formed Unicode, so that JSON and SQLite carry it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 32 }), (bytes) => {
        expect(pathFromBytes(Buffer.from(bytes)).isWellFormed()).toBe(true);
      }),
    );
  });
});
