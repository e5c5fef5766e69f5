/** Files harmed within this time count as one rush. */
export const rushMs = 10_000;
/** More of them say nothing new. */
export const largestRush = 10;

/** Several files harmed within moments: no person's pace. It multiplies what else is found (1 to 1.5) and decides nothing alone. */
export function rate(harmedInRush: number): number {
  return harmedInRush < 2 ? 1 : 1 + 0.05 * Math.min(largestRush, harmedInRush);
}
