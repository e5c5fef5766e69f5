const firstMs = 200;
const mostMs = 30_000;
/** Healthy for this long, and a later end is a new story. */
export const stableMs = 60_000;

/** Delays between restarts of one process: 0.2 s, doubled each time up to 30 s, from the beginning again after a minute of health. */
export class Backoff {
  private failures = 0;

  get restarts(): number {
    return this.failures;
  }

  /** Call when it has ended; `healthyMs`: how long it had been healthy, 0 if never. */
  next(healthyMs: number): number {
    if (healthyMs >= stableMs) this.failures = 0;
    const delayMs = Math.min(mostMs, firstMs * 2 ** this.failures);
    // Beyond this the delay does not grow, and the power must not either.
    this.failures = Math.min(this.failures + 1, 16);
    return delayMs;
  }
}
