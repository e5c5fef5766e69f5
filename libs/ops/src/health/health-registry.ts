/** The words of rules.md 25. */
export const serviceStatuses = ['starting', 'healthy', 'degraded', 'down'] as const;
export type ServiceStatus = (typeof serviceStatuses)[number];

export interface HealthReport {
  readonly status: ServiceStatus;
  /** For people: what is wrong and what to do about it. Expected whenever the status is not `healthy`. */
  readonly reason?: string;
  /** Figures for `status`; those of several checks are merged into one object, later names win. See health-details.ts. */
  readonly details?: object;
}

export type HealthCheck = () => HealthReport | Promise<HealthReport>;

/** A check that hangs must not hang the probe: monitors give up after some seconds. */
const checkTimeoutMs = 2000;

const rank = (status: ServiceStatus) => ['healthy', 'degraded', 'starting', 'down'].indexOf(status);

/** Everything a service knows about its own health. The worst check decides; reasons and details of all are told. */
export class HealthRegistry {
  private readonly checks = new Map<string, HealthCheck>();

  /** A second check of the same name replaces the first. */
  register(name: string, check: HealthCheck): void {
    this.checks.set(name, check);
  }

  /** Never rejects: a check that throws or takes longer than 2 s counts as `down` and names itself. No checks: `healthy`. */
  async report(): Promise<HealthReport> {
    const reports = await Promise.all([...this.checks].map(([name, check]) => runCheck(name, check)));
    const status = reports.reduce<ServiceStatus>((worst, report) => (rank(report.status) > rank(worst) ? report.status : worst), 'healthy');
    const reasons = reports.flatMap(({ reason }) => (reason === undefined || reason === '' ? [] : [reason]));
    return {
      status,
      ...(reasons.length === 0 ? {} : { reason: reasons.join('; ') }),
      details: Object.assign({}, ...reports.map(({ details }) => details ?? {})) as object,
    };
  }
}

async function runCheck(name: string, check: HealthCheck): Promise<HealthReport> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<HealthReport>((resolve) => {
    timer = setTimeout(() => resolve({ status: 'down', reason: `${name}: no answer within ${checkTimeoutMs} ms` }), checkTimeoutMs);
  });
  try {
    return await Promise.race([Promise.resolve().then(check), tooLate]);
  } catch (error) {
    return { status: 'down', reason: `${name}: ${error instanceof Error ? error.message : String(error)}` };
  } finally {
    clearTimeout(timer);
  }
}
