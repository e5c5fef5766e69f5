import { execFileSync } from 'node:child_process';
import { lstatSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HeldEntry, holding } from './held-entry';

let directory: string;
const at = (name: string) => Buffer.from(path.join(directory, name));
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'kuramori-held-'));
  writeFileSync(at('file'), 'file', { mode: 0o600 });
  writeFileSync(at('secret'), 'secret', { mode: 0o600 });
  symlinkSync('secret', at('link'));
  execFileSync('/usr/bin/mkfifo', ['-m', '600', at('pipe').toString()]);
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

describe('an entry that is held', () => {
  it('is what changes, whatever comes to its name', () => {
    holding(at('file'), (entry) => {
      renameSync(at('file'), at('moved'));
      symlinkSync('secret', at('file'));
      expect(entry.standsAt(at('file'))).toBe(false);
      expect(entry.standsAt(at('moved'))).toBe(true);
      entry.setOwner(1234, 1234);
      entry.setMode(0o666);
      entry.setTimes(1n, 1_600_000_000_123_456_789n);
      const fd = entry.openContent('read');
      expect(readFileSync(fd, 'utf8')).toBe('file');
    });
    const moved = lstatSync(at('moved'), { bigint: true });
    expect([moved.mode & 0o7777n, moved.uid, moved.mtimeNs]).toEqual([0o666n, 1234n, 1_600_000_000_123_456_789n]);
    expect([lstatSync(at('secret')).mode & 0o7777, lstatSync(at('secret')).uid]).toEqual([0o600, 0]);
  });

  it('is a link itself, never what it leads to', () => {
    const before = lstatSync(at('secret'));
    holding(at('link'), (entry) => {
      expect(entry.stat().isSymbolicLink()).toBe(true);
      entry.setOwner(1234, 1234);
      entry.setTimes(1n, 2n);
      expect(() => entry.setMode(0o666)).toThrow('ENOTSUP');
      expect(() => entry.openContent('write')).toThrow('not a regular file');
    });
    const link = lstatSync(at('link'), { bigint: true });
    expect([link.uid, link.mtimeNs]).toEqual([1234n, 2n]);
    const after = lstatSync(at('secret'));
    expect([after.uid, after.mode, after.mtimeMs]).toEqual([before.uid, before.mode, before.mtimeMs]);
  });

  it('is never opened where opening does something: a pipe does not block', () => {
    holding(at('pipe'), (entry) => {
      expect(entry.stat().isFIFO()).toBe(true);
      expect(() => entry.openContent('read')).toThrow('not a regular file');
      entry.setMode(0o640);
      const copy = HeldEntry.createLike(at('another pipe'), entry.stat());
      expect([copy.stat().isFIFO(), copy.stat().mode & 0o7777n]).toEqual([true, 0o600n]);
      copy.close();
    });
    expect(lstatSync(at('pipe')).mode & 0o7777).toBe(0o640);
  });

  it("is a new file only where nothing stood, and its owner's alone", () => {
    expect(() => HeldEntry.createFile(at('link'))).toThrow('EEXIST');
    const made = HeldEntry.createFile(at('new'));
    expect(made.stat().mode & 0o7777n).toBe(0o600n);
    made.close();
    expect(HeldEntry.holdIfThere(at('nothing'))).toBeUndefined();
  });
});
