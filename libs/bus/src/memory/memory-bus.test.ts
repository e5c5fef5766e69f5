import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { busContract } from '../bus.contract';
import { MemoryBus, subjectMatches } from './memory-bus';

busContract('the memory bus', async () => ({ bus: new MemoryBus({ firstBackoffMs: 5 }), close: async () => undefined }));

describe('subject patterns', () => {
  it('match themselves and their wildcards', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z]{1,4}$/u), { minLength: 1, maxLength: 5 }), (tokens) => {
        const subject = tokens.join('.');
        expect(subjectMatches(subject, subject)).toBe(true);
        expect(subjectMatches('>', subject)).toBe(true);
        expect(subjectMatches(tokens.map(() => '*').join('.'), subject)).toBe(true);
        expect(subjectMatches(`${subject}.more`, subject)).toBe(false);
      }),
    );
  });
});
