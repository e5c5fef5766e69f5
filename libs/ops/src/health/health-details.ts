/** What `kuramori status` puts together from the `details` of each service's `/health/ready`. A service may add more of its own. */

/** vault */
export interface VaultHealthDetails {
  readonly protection: {
    /** Files with at least one stored version. */
    readonly files: number;
    readonly bytes: number;
    /** Changes seen but not yet stored. */
    readonly pending: number;
    /** Age of the oldest of them; 0 when nothing is pending. */
    readonly oldestPendingMs: number;
    /** Whether the first pass over all roots has ended. `status` is not ready before. Absent counts as done. */
    readonly baselineDone?: boolean;
    /** Files below the roots as far as counted, for the progress bar. */
    readonly totalFiles?: number;
    /** Bytes below the roots that `extensions` and `exclude` keep out of the vault (rules.md 18). */
    readonly excludedBytes?: number;
  };
  readonly vault: {
    readonly versions: number;
    /** On disk. */
    readonly storedBytes: number;
    /** Sum of the versions' sizes. */
    readonly logicalBytes: number;
    readonly freeBytes: number;
  };
}

/** responder */
export interface ResponderHealthDetails {
  readonly incidents: { readonly open: number };
  readonly mode: 'enforce' | 'observe';
}

/** Every service, while nats-server takes no messages although it is there. */
export interface BusHealthDetails {
  readonly busStuckMs: number;
}

/** The body of `GET /health/ready`; HTTP status 200 when `status` is `healthy` or `degraded`, else 503. */
export interface ServiceHealth {
  readonly status: 'starting' | 'healthy' | 'degraded' | 'down';
  readonly service: string;
  readonly pid: number;
  readonly uptimeS: number;
  readonly reason?: string;
  readonly details: object;
}
