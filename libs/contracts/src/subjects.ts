/** The only home of subject names. `<host>` is made a safe token by {@link hostToken}. */
import type { IncidentEvent } from './incident';
import type { VaultNoticeKind } from './vault-events';

const prefix = 'kuramori.v1';

/** A host name as one NATS token: dots and characters with a meaning in subjects become `_`. */
export function hostToken(host: string): string {
  return host.replaceAll(/[^A-Za-z0-9_-]/gu, '_');
}

/** Whether two names mean one host: on the bus it is known by its token alone. */
export function isSameHost(one: string, other: string): boolean {
  return hostToken(one) === hostToken(other);
}

export const serviceNames = ['watcher', 'detector', 'vault', 'responder', 'notifier'] as const;
export type ServiceName = (typeof serviceNames)[number];

/** Commands each service answers. */
export const commandNames = {
  watcher: ['announce', 'rescan', 'flush'],
  detector: [],
  vault: ['baseline', 'catalogue', 'undo', 'restore', 'report', 'versions', 'pin', 'quarantine', 'release', 'quarantine-file'],
  responder: ['incidents', 'incident', 'decide', 'undo'],
  notifier: [],
} as const satisfies Record<ServiceName, readonly string[]>;

/** A host name, or `*` for all hosts in a subscription or stream. */
export const subjects = {
  fileBatch: (host: string) => `${prefix}.${token(host)}.file.batch`,
  vaultStored: (host: string) => `${prefix}.${token(host)}.vault.stored`,
  vaultNotice: (host: string, kind: VaultNoticeKind) => `${prefix}.${token(host)}.vault.${kind.replaceAll('-', '_')}`,
  vaultAll: (host: string) => `${prefix}.${token(host)}.vault.>`,
  verdict: (host: string) => `${prefix}.${token(host)}.verdict`,
  incident: (host: string, event: IncidentEvent) => `${prefix}.${token(host)}.incident.${event}`,
  incidentAll: (host: string) => `${prefix}.${token(host)}.incident.>`,
  command: (host: string, service: ServiceName, name: string) => `${prefix}.${token(host)}.command.${service}.${name}`,
} as const;

function token(host: string): string {
  return host === '*' ? '*' : hostToken(host);
}
