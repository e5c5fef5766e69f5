import type { ServiceName } from '@kuramori/contracts';
import type { Settings } from './settings';

/** A contract with monitors, so it stands here and does not follow a list that may be sorted anew. */
const offsets = { watcher: 1, detector: 2, vault: 3, responder: 4, notifier: 5 } as const satisfies Record<ServiceName, number>;

/** The console's port and the five of the services. */
export const httpPortCount = 6;

/** Where a service answers /health and /metrics. */
export function servicePort({ http }: Pick<Settings, 'http'>, service: ServiceName): number {
  return http.port + offsets[service];
}
