import { describe, expect, it } from 'vitest';
import { parseProcessEvents } from './process-events';

// Recorded on Linux 6.18. 26138 starts python (26147), which starts and ends a thread, names itself, and starts a child that becomes user 1000; 25233 begins a session.
const recorded = {
  acknowledged:
    '4c000000030000001ac504000000000001000000010000001ac50400010000002800000000000000010000003caf213a62050000000000000000000000000000000000000000000000000000',
  forked:
    '4c00000003000000fcca0400000000000100000001000000fcca0400000000002800000001000000010000002046ec38660500001a6600001a66000023660000236600000000000000000000',
  executed:
    '4c00000003000000fdca0400000000000100000001000000fdca04000000000028000000020000000100000040f7613966050000236600002366000000000000000000000000000000000000',
  threadStarted:
    '4c00000003000000feca0400000000000100000001000000feca040000000000280000000100000001000000cc2be33b660500001a6600001a66000024660000236600000000000000000000',
  threadEnded:
    '4c00000003000000cbde0400000000000100000001000000cbde04000000000028000000000000800000000061b4e53b66050000246600002366000000000000ffffffff0000000000000000',
  named:
    '4c00000003000000ffca0400000000000100000001000000ffca04000000000028000000000200000100000083dffb3b6605000023660000236600006b75726120e894b50000000000000000',
  changedUser:
    '4c0000000300000002cb040000000000010000000100000002cb0400000000002800000004000000010000009d3e283c660500002566000025660000e8030000e80300000000000000000000',
  beganSession:
    '4c000000030000003ec504000000000001000000010000003ec5040000000000280000008000000001000000a7cf213c62050000916200009162000000000000000000000000000000000000',
  ended:
    '4c00000003000000cdde0400000000000100000001000000cdde0400000000002800000000000080000000006f6e373c66050000256600002566000000000000110000002366000023660000',
} as const;
const bytes = (...names: (keyof typeof recorded)[]) => Buffer.concat(names.map((name) => Buffer.from(recorded[name], 'hex')));
const parse = (buffer: Buffer) => parseProcessEvents(buffer, buffer.length);

describe('process events', () => {
  it('say who was born of whom and when, became what, and ended', () => {
    expect(parse(bytes('forked'))).toEqual([{ kind: 'fork', parentPid: 26_138, pid: 26_147, atNs: 5_936_599_811_616 }]);
    expect(parse(bytes('executed'))).toEqual([{ kind: 'exec', pid: 26_147 }]);
    expect(parse(bytes('named'))).toEqual([{ kind: 'name', pid: 26_147, comm: 'kura 蔵' }]);
    expect(parse(bytes('changedUser'))).toEqual([{ kind: 'user', pid: 26_149, uid: 1000 }]);
    expect(parse(bytes('beganSession'))).toEqual([{ kind: 'session', pid: 25_233 }]);
    expect(parse(bytes('ended'))).toEqual([{ kind: 'exit', pid: 26_149 }]);
  });
  it('leave out threads, and what is no process event', () => {
    expect(parse(bytes('threadStarted', 'threadEnded', 'acknowledged'))).toEqual([]);
    const unknownKind = bytes('executed');
    unknownKind.writeUInt32LE(0x4000_0000, 36);
    expect(parse(unknownKind)).toEqual([]);
  });
  it('in one datagram are all found, in order', () => {
    expect(parse(bytes('forked', 'threadStarted', 'executed', 'acknowledged', 'ended')).map(({ kind }) => kind)).toEqual(['fork', 'exec', 'exit']);
  });
  it('that are cut off at any byte are left out, and those before them are not', () => {
    for (const cut of ['forked', 'executed', 'named', 'changedUser', 'beganSession', 'ended'] as const) {
      const both = bytes('ended', cut);
      for (let length = 0; length < both.length; length += 1) {
        const whole = length < both.length / 2 ? 0 : 1;
        expect(parseProcessEvents(both, length), `${cut}, ${length} bytes`).toHaveLength(whole);
        expect(parse(both.subarray(0, length)), `${cut}, ${length} bytes`).toHaveLength(whole);
      }
    }
  });
  it('that say nonsense about their length end the reading instead of breaking it', () => {
    for (const size of [0, 1, 16, 35, 36, 51, 60, 75, 77, 0xffff_ffff]) {
      const odd = bytes('forked', 'ended');
      odd.writeUInt32LE(size, 0);
      expect(() => parse(odd), `${size} bytes`).not.toThrow();
    }
  });
});
