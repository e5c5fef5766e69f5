import fc from 'fast-check';
import { expect, it } from 'vitest';
import { safeText } from './safe-text';

it('holds nothing that a terminal obeys or that forges a line, whatever the text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(safeText(text)).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029\u{F0000}-\u{F00FF}]/u);
    }),
  );
});

it('leaves names as people write them, and shows the rest by number', () => {
  expect(safeText('/srv/共有/été 2026 – plan.docx')).toBe('/srv/共有/été 2026 – plan.docx');
  expect(safeText('a\u{F00FF}b\n\r\t\u001B[2J')).toBe(String.raw`a\xffb\n\r\t\x1b[2J`);
  expect(safeText('invoice\u202Efdp.exe')).toBe(String.raw`invoice\u{202e}fdp.exe`);
});
