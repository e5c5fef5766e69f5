import type { Finding } from '../observation';

const files = 3;
const withinMs = 3000;

/** Several files harmed within moments: no person's pace. Adds to evidence, never stands alone. `harmedAtMs` ascending. */
export function rate(harmedAtMs: readonly number[]): Finding | undefined {
  const last = harmedAtMs.at(-1);
  const first = harmedAtMs.at(-files);
  if (last === undefined || first === undefined || last - first > withinMs) return undefined;
  return {
    indicator: 'rate',
    path: '',
    weight: 10,
    technique: 'T1486',
    summary: `${files} files harmed within ${Math.max(1, Math.round(last - first))} ms`,
  };
}
