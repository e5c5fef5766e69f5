import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, symlinkSync, truncateSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { asNobody, Place } from '../testing/place';
import { sampleFile } from './sample-file';

let place: Place;
beforeEach(() => {
  place = new Place();
});
afterEach(() => place.remove());

const look = (name: string, more: { content?: boolean; hash?: boolean } = {}) =>
  sampleFile({ path: place.at(name), content: true, hash: false, ...more });
const sha256 = (bytes: string | Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describe('what stands at a path', () => {
  it('is a file with its state and its content', () => {
    place.write({ 'plan.txt': 'The plan.\n' });
    expect(look('plan.txt')).toMatchObject({
      kind: 'file',
      stat: place.stat('plan.txt'),
      content: { sizeBytes: 10, sampledBytes: 10, type: 'text', extensionType: 'text', textHead: 'The plan.\n' },
    });
  });

  it('shows its state alone when nobody asked for the content', () => {
    place.write({ 'plan.txt': 'plan' });
    expect(look('plan.txt', { content: false })).toEqual({ kind: 'file', stat: place.stat('plan.txt') });
  });

  it('is a directory', () => {
    mkdirSync(place.at('d'));
    expect(look('d')).toEqual({ kind: 'directory', stat: place.stat('d') });
  });

  it('is a link, never what it points to', () => {
    place.write({ 'secret.txt': 'secret' });
    symlinkSync(place.at('secret.txt'), place.at('link.txt'));
    symlinkSync(place.at('nowhere'), place.at('dangling'));
    expect(look('link.txt', { hash: true })).toEqual({ kind: 'symlink', stat: place.stat('link.txt') });
    expect(look('dangling')).toEqual({ kind: 'symlink', stat: place.stat('dangling') });
  });

  it('is a pipe that nobody waits for', () => {
    place.makePipe('pipe');
    expect(look('pipe', { hash: true })).toEqual({ kind: 'other', stat: place.stat('pipe') });
  });

  it('is a device that nobody reads', () => {
    expect(sampleFile({ path: '/dev/zero', content: true, hash: true })).toMatchObject({ kind: 'other', stat: { size: 0 } });
  });

  it('is nothing once it is gone, also when a file stands where a directory was', () => {
    place.write({ 'a.txt': 'a' });
    expect(look('gone.txt')).toBeUndefined();
    expect(look('no/where/gone.txt')).toBeUndefined();
    expect(look('a.txt/b.txt')).toBeUndefined();
  });

  it('shows its state when it may not be read, and nothing when its directory is closed', async () => {
    place.write({ 'own.txt': 'own', 'closed/a.txt': 'a' });
    chmodSync(place.at('own.txt'), 0);
    const stat = place.stat('own.txt');
    chmodSync(place.at('closed'), 0);
    expect(await asNobody(() => look('own.txt', { hash: true }))).toEqual({ kind: 'file', stat });
    expect(await asNobody(() => look('closed/a.txt'))).toBeUndefined();
    chmodSync(place.at('closed'), 0o755);
  });

  // Opens, has a size, and answers every read with an error, as a bad disk does: the loopback interface has no speed.
  const unreadable = '/sys/class/net/lo/speed';
  it.skipIf(!existsSync(unreadable))('shows its state when the disk can not give the bytes', () => {
    const sample = sampleFile({ path: unreadable, content: true, hash: true });
    expect(sample).toMatchObject({ kind: 'file', stat: { size: 4096 } });
    expect(sample).not.toHaveProperty('content');
  });

  it('may have a name that is no UTF-8', () => {
    // The bytes 0xff 0xfe in path-text form.
    place.write({ '\u{F00FF}\u{F00FE}.txt': 'strange' });
    expect(look('\u{F00FF}\u{F00FE}.txt')).toMatchObject({ kind: 'file', content: { extensionType: 'text', sha256: sha256('strange') } });
  });
});

describe('a hash', () => {
  const sizes = [1, 65_536, 256 * 1024];
  it.each(sizes)('of all bytes comes with a file of %i bytes', (size) => {
    const bytes = randomBytes(size);
    place.write({ 'a.bin': bytes });
    expect(look('a.bin')?.content).toMatchObject({ sizeBytes: size, sampledBytes: size, sha256: sha256(bytes) });
  });

  it('comes with an empty file', () => {
    place.write({ empty: '' });
    expect(look('empty')).toMatchObject({
      kind: 'file',
      stat: { size: 0 },
      content: { sizeBytes: 0, sampledBytes: 0, type: 'empty', sha256: sha256('') },
    });
  });

  it('of a large file is not worth its reading, unless it was announced', () => {
    const bytes = randomBytes(2 * 1024 * 1024 + 17);
    place.write({ 'a.bin': bytes });
    const sampled = look('a.bin')?.content;
    expect(sampled).toMatchObject({ sizeBytes: bytes.length, sampledBytes: 7 * 64 * 1024 });
    expect(sampled?.sha256).toBeUndefined();
    expect(look('a.bin', { hash: true })?.content).toEqual({ ...sampled, sha256: sha256(bytes) });
  });

  it('of a file with holes counts its zeros', () => {
    place.write({ sparse: 'head' });
    truncateSync(place.at('sparse'), 1_000_000);
    const whole = Buffer.concat([Buffer.from('head'), Buffer.alloc(1_000_000 - 4)]);
    expect(look('sparse', { hash: true })?.content?.sha256).toBe(sha256(whole));
  });
});

describe('the beginning of a text', () => {
  const line = 'All your files are encrypted. Pay 1 BTC.\n';

  it('is told of a small file, at most 4,096 characters of it', () => {
    place.write({ 'README.txt': line, 'long.txt': line.repeat(1000) });
    expect(look('README.txt')?.content?.textHead).toBe(line);
    expect(look('long.txt')?.content?.textHead).toBe(line.repeat(1000).slice(0, 4096));
  });

  it('is told of a file of 64 KiB and of none that is longer', () => {
    const text = line.repeat(2000);
    place.write({ 'limit.txt': text.slice(0, 65_536), 'longer.txt': text.slice(0, 65_537) });
    expect(look('limit.txt')?.content?.textHead).toBe(text.slice(0, 4096));
    expect(look('longer.txt')?.content).toMatchObject({ type: 'text' });
    expect(look('longer.txt')?.content?.textHead).toBeUndefined();
  });

  it('is not told of what is no text', () => {
    place.write({ 'a.txt': randomBytes(5000) });
    expect(look('a.txt')?.content).toMatchObject({ type: 'data', structure: 'broken' });
    expect(look('a.txt')?.content?.textHead).toBeUndefined();
  });
});
