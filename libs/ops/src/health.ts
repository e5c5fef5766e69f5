import type { ServiceName } from '@kuramori/contracts';

/** Status words of rules.md 25; `down` is said by whoever gets no answer. */
export const healthStatuses = ['starting', 'healthy', 'degraded', 'down'] as const;
export type HealthStatus = (typeof healthStatuses)[number];

export interface ProbeResult {
  readonly status: Exclude<HealthStatus, 'down'>;
  /** For people: what is wrong and what to do; when not healthy. */
  readonly reason?: string;
  /** Figures for `kuramori status`; merged over all probes. */
  readonly details?: Readonly<Record<string, unknown>>;
}

export interface HealthReport {
  readonly service: ServiceName;
  readonly status: HealthStatus;
  readonly pid: number;
  readonly uptimeS: number;
  readonly reason?: string;
  readonly details: Readonly<Record<string, unknown>>;
}

const rank: Readonly<Record<HealthStatus, number>> = { healthy: 0, degraded: 1, starting: 2, down: 3 };

/** Collects what each part of a service says of itself. */
export class HealthRegistry {
  private readonly probes = new Map<string, () => ProbeResult | Promise<ProbeResult>>();

  constructor(private readonly service: ServiceName) {}

  /** A later probe of the same name replaces the earlier one. A probe that throws counts as degraded. */
  register(name: string, probe: () => ProbeResult | Promise<ProbeResult>): void {
    this.probes.set(name, probe);
  }

  /** The worst status of all probes, with every reason. */
  async report(): Promise<HealthReport> {
    let status: HealthStatus = 'healthy';
    const reasons: string[] = [];
    let details: Record<string, unknown> = {};
    for (const [name, probe] of this.probes) {
      const result = await Promise.resolve()
        .then(probe)
        .catch((error: unknown): ProbeResult => ({ status: 'degraded', reason: `${name}: ${error instanceof Error ? error.message : String(error)}` }));
      if (rank[result.status] > rank[status]) status = result.status;
      if (result.reason !== undefined) reasons.push(result.reason);
      details = { ...details, ...result.details };
    }
    return {
      service: this.service,
      status,
      pid: process.pid,
      uptimeS: Math.round(process.uptime()),
      ...(reasons.length === 0 ? {} : { reason: reasons.join('; ') }),
      details,
    };
  }
}
