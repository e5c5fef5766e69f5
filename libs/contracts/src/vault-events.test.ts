import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodedBytes, maxMessageBytes, type ObservedChange, storedMessages, VaultStored } from '.';
import { parseMessage } from './validation';

const change = (index: number, path: string): ObservedChange => ({ factId: `12345678-${index}`, atMs: 1, change: 'removed', path, actor: 'unknown' });
const stored = (changes: ObservedChange[]): VaultStored => ({ host: 'fs01', watcherId: '12345678', sequence: 7, completeUntilMs: 1, changes });

describe('what the vault stored', () => {
  it('travels in one message where it fits, also when it is nothing', () => {
    for (const message of [stored([]), stored([change(1, '/a'), change(2, '/b')])]) expect(storedMessages(message)).toEqual([message]);
  });

  it('is divided where names are long: every change once and in order, each message of a size that a bus takes', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 4096 }), { maxLength: 200 }), (lengths) => {
        const message = stored(lengths.map((length, index) => change(index, `/${'\u0001'.repeat(length)}`)));
        const parts = storedMessages(message);
        expect(parts.flatMap(({ changes }) => changes)).toEqual(message.changes);
        for (const part of parts) {
          expect(encodedBytes(part)).toBeLessThan(maxMessageBytes + 32 * 1024);
          expect(parseMessage(VaultStored, part)).toMatchObject({ watcherId: '12345678', sequence: 7 });
        }
      }),
      { numRuns: 20 },
    );
  });
});
