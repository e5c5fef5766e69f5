import { describe, expect, it } from 'vitest';
import { openSync, closeSync } from 'node:fs';
import { mountIdOf, parseMounts, readMounts } from './mounts';

describe('mounts', () => {
  it('have their points without the escapes, in path text', () => {
    const text = [
      '24 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw',
      String.raw`31 24 7:1 / /srv/my\040share\134x\012y rw - ext4 /dev/loop1 rw`,
      '32 24 7:2 /sub /srv/共有 rw - xfs /dev/loop2 rw',
      '33 24 7:3 / /srv/\xff rw - xfs /dev/loop3 rw',
      '',
    ];
    const bytes = Buffer.concat(text.flatMap((line) => [line.includes('\xff') ? Buffer.from(line, 'latin1') : Buffer.from(line), Buffer.from('\n')]));
    expect(parseMounts(bytes)).toEqual([
      { id: 24, point: '/' },
      { id: 31, point: '/srv/my share\\x\ny' },
      { id: 32, point: '/srv/共有' },
      { id: 33, point: '/srv/\u{F00FF}' },
    ]);
  });
  it('of an open file is one of them', () => {
    const fd = openSync('/proc/self/stat', 'r');
    const id = mountIdOf(fd);
    closeSync(fd);
    expect(readMounts().find((mount) => mount.id === id)?.point).toBe('/proc');
  });
});
