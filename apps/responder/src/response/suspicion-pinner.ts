import { setTimeout as delay } from 'node:timers/promises';
import type { Verdict } from '@kuramori/contracts';
import type { Services } from './services';

/** Suspicions waiting for a vault that is away; beyond that the oldest give way, an attack pins again by itself. */
const maxWaiting = 500;
const retryMs = 1000;
const maxTries = 30;

/** Asks the vault to keep what suspects touched. Never waited for: a verdict that comes after must not wait behind a vault that is away. */
export class SuspicionPinner {
  private readonly waiting = new Map<string, Verdict>();
  private running: Promise<void> | undefined;
  private stopped = false;

  constructor(private readonly services: Pick<Services, 'pin'>) {}

  pin(verdict: Verdict): void {
    this.waiting.delete(verdict.attackId);
    this.waiting.set(verdict.attackId, verdict);
    const oldest = this.waiting.keys().next().value;
    if (this.waiting.size > maxWaiting && oldest !== undefined) this.waiting.delete(oldest);
    this.running ??= this.run().finally(() => {
      this.running = undefined;
    });
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.running;
  }

  private async run(): Promise<void> {
    for (let verdict = this.take(); verdict !== undefined; verdict = this.take()) {
      for (let tries = 0; tries < maxTries && !this.stopping(); tries += 1) {
        try {
          await this.services.pin({
            reason: `suspicion ${verdict.attackId}`,
            level: 'suspicion',
            actors: verdict.members.map(({ actor }) => actor.key),
            sinceMs: Math.max(0, verdict.firstActivityAtMs),
          });
          break;
        } catch {
          await delay(retryMs);
        }
      }
    }
  }

  private take(): Verdict | undefined {
    const [attackId, verdict] = this.waiting.entries().next().value ?? [];
    if (attackId === undefined || this.stopped) return undefined;
    this.waiting.delete(attackId);
    return verdict;
  }

  /** A call, since it changes while `run` waits. */
  private stopping(): boolean {
    return this.stopped;
  }
}
