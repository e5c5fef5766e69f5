import { describe, expect, it } from 'vitest';
import { handleKey, masks, parseFanotifyEvents } from './events';

// Recorded on Linux 6.18, ext4, with FAN_REPORT_DFID_NAME_TARGET: pid 26138 wrote a.txt in a directory, renamed it to ../b.txt, changed the directory's mode, removed it.
const recorded = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const merged = recorded(
  '58000000030018000a01000000000000ffffffff1a660000 020024006e6d1ddde2e4ab3908000000010000000c00000043ecd03d612e747874000000 01001c006e6d1ddde2e4ab3908000000010000000d0000006c28012c',
);
const renamed = recorded(
  '7c000000030018000000001000000000ffffffff1a660000 0a0024006e6d1ddde2e4ab3908000000010000000c00000043ecd03d612e747874000000 0c0024006e6d1ddde2e4ab3908000000010000000200000000000000622e747874000000 01001c006e6d1ddde2e4ab3908000000010000000d0000006c28012c',
);
const changedMode = recorded('38000000030018000400004000000000ffffffff1a660000 020020006e6d1ddde2e4ab3908000000010000000c00000043ecd03d2e000000');
const removed = recorded(
  '54000000030018000002004000000000ffffffff1a660000 020020006e6d1ddde2e4ab3908000000010000000200000000000000e894b500 01001c006e6d1ddde2e4ab3908000000010000000c00000043ecd03d',
);
const overflow = recorded('18000000030018000040000000000000ffffffff00000000');

const parse = (bytes: Buffer) => parseFanotifyEvents(bytes, bytes.length);
const directory = { filesystem: '6e6d1ddde2e4ab39', handle: recorded('08000000010000000c00000043ecd03d') };
const top = { filesystem: '6e6d1ddde2e4ab39', handle: recorded('08000000010000000200000000000000') };
const file = { filesystem: '6e6d1ddde2e4ab39', handle: recorded('08000000010000000d0000006c28012c') };

describe('fanotify events', () => {
  it('merged by the kernel keep all their flags', () => {
    expect(parse(merged)).toEqual([
      {
        mask: masks.create | masks.modify | masks.closeWrite,
        pid: 26_138,
        entry: { directory, name: Buffer.from('a.txt') },
        oldEntry: undefined,
        object: file,
      },
    ]);
  });
  it('of a rename say both places, and what was moved', () => {
    expect(parse(renamed)).toEqual([
      {
        mask: masks.rename,
        pid: 26_138,
        entry: { directory: top, name: Buffer.from('b.txt') },
        oldEntry: { directory, name: Buffer.from('a.txt') },
        object: file,
      },
    ]);
  });
  it('of a directory itself come as its entry "."', () => {
    expect(parse(changedMode)).toMatchObject([{ mask: masks.attrib | masks.onDirectory, entry: { directory, name: Buffer.from('.') } }]);
  });
  it('of a removed directory say by which handle it was known', () => {
    const [event] = parse(removed);
    expect(event).toMatchObject({ mask: masks.delete | masks.onDirectory, entry: { directory: top, name: Buffer.from('蔵') }, object: directory });
    expect(handleKey(event?.object ?? file)).toBe(handleKey(directory));
    expect(handleKey(file)).not.toBe(handleKey(directory));
  });
  it('that were lost are said to be', () => {
    expect(parse(overflow)).toEqual([{ mask: masks.queueOverflow, pid: 0, entry: undefined, oldEntry: undefined, object: undefined }]);
  });
  it('of one read are all found, in order', () => {
    expect(parse(Buffer.concat([merged, renamed, changedMode, removed, overflow])).map(({ mask }) => mask)).toEqual(
      [merged, renamed, changedMode, removed, overflow].map((bytes) => bytes.readBigUInt64LE(8)),
    );
  });
  it('that are cut off at any byte are left out, and those before them are not', () => {
    const both = Buffer.concat([merged, renamed]);
    for (let length = 0; length < both.length; length += 1) {
      const whole = length < merged.length ? 0 : 1;
      expect(parseFanotifyEvents(both, length), `${length} bytes`).toHaveLength(whole);
      expect(parse(both.subarray(0, length)), `${length} bytes`).toHaveLength(whole);
    }
  });
  it('do not change when the buffer is read into again', () => {
    const buffer = Buffer.from(merged);
    const [event] = parse(buffer);
    buffer.fill(0xff);
    expect(event?.entry).toEqual({ directory, name: Buffer.from('a.txt') });
  });
  it('that say nonsense about their length end the reading instead of breaking it', () => {
    for (const at of [0, 6, 26]) {
      for (const value of [0, 1, 0xffff]) {
        const bytes = Buffer.from(merged);
        bytes.writeUInt16LE(value, at);
        expect(() => parse(bytes)).not.toThrow();
      }
    }
    const longHandle = Buffer.from(merged);
    longHandle.writeUInt32LE(0xffff_ffff, 24 + 12);
    expect(() => parse(longHandle)).not.toThrow();
  });
});
