import { setTimeout as delay } from 'node:timers/promises';

/**
 * Waits until `condition` gives a value other than undefined or false.
 * @throws Error naming `what` when the time is out; the last error of the condition is its cause
 */
export async function waitFor<T>(
  what: string,
  timeoutMs: number,
  condition: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const endMs = performance.now() + timeoutMs;
  let cause: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value !== undefined && value !== false) return value;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > endMs) throw new Error(`waited ${timeoutMs} ms in vain for: ${what}`, { cause });
    await delay(25);
  }
}
