import type { Mode } from '@kuramori/config';
import { type ServiceName, serviceNames } from '@kuramori/contracts';
import type { ResponderHealthDetails, ServiceHealth, ServiceStatus, VaultHealthDetails } from '@kuramori/ops';

/** Older than this and a change counts as not protected (rules.md 25). */
const readyPendingMs = 5000;

export interface ServiceReport {
  readonly status: ServiceStatus;
  /** null: no answer. */
  readonly pid: number | null;
  readonly uptimeS: number | null;
  readonly reason?: string;
  readonly details?: object;
}

type Protection = VaultHealthDetails['protection'];
type VaultFigures = VaultHealthDetails['vault'];

/** What `kuramori status --json` prints (docs/schemas/status.json). */
export interface StatusReport {
  readonly ready: boolean;
  /** Why not, for people. */
  readonly reasons: readonly string[];
  readonly services: Readonly<Record<ServiceName, ServiceReport>>;
  readonly protection: Protection;
  readonly vault: VaultFigures;
  readonly incidents: { readonly open: number };
  readonly mode: Mode;
}

/** What one service answered, or why it did not. */
export type ServiceAnswer = { readonly health: ServiceHealth } | { readonly down: string };

const numbers = <K extends string>(source: unknown, keys: readonly K[]): Record<K, number> => {
  const given = typeof source === 'object' && source !== null ? (source as Readonly<Record<string, unknown>>) : {};
  return Object.fromEntries(keys.map((key) => [key, typeof given[key] === 'number' ? given[key] : 0])) as Record<K, number>;
};

/** Puts the answers together; figures of a service that is down are 0. Pure. */
export function assembleStatus(answers: Readonly<Record<ServiceName, ServiceAnswer>>, fallbackMode: Mode): StatusReport {
  const services = Object.fromEntries(serviceNames.map((name) => [name, toReport(answers[name])])) as Record<ServiceName, ServiceReport>;
  const vaultDetails = (services.vault.details ?? {}) as Partial<VaultHealthDetails>;
  const responderDetails = (services.responder.details ?? {}) as Partial<ResponderHealthDetails>;
  const protection: Protection = {
    ...vaultDetails.protection,
    ...numbers(vaultDetails.protection, ['files', 'bytes', 'pending', 'oldestPendingMs']),
  };
  const reasons = serviceNames
    .filter((name) => services[name].status !== 'healthy')
    .map((name) => `${name} is ${services[name].status}${services[name].reason === undefined ? '' : `: ${services[name].reason}`}`);
  if (vaultDetails.protection?.baselineDone === false) reasons.push('the first copy of all files is not complete');
  if (protection.oldestPendingMs >= readyPendingMs) reasons.push(`changes wait to be stored for ${Math.round(protection.oldestPendingMs / 1000)} s`);
  return {
    ready: reasons.length === 0,
    reasons,
    services,
    protection,
    vault: { ...vaultDetails.vault, ...numbers(vaultDetails.vault, ['versions', 'storedBytes', 'logicalBytes', 'freeBytes']) },
    incidents: numbers(responderDetails.incidents, ['open']),
    mode: responderDetails.mode === 'observe' || responderDetails.mode === 'enforce' ? responderDetails.mode : fallbackMode,
  };
}

function toReport(answer: ServiceAnswer): ServiceReport {
  if ('down' in answer) return { status: 'down', pid: null, uptimeS: null, reason: answer.down };
  const { status, pid, uptimeS, reason, details } = answer.health;
  return { status, pid, uptimeS, ...(reason === undefined ? {} : { reason }), details };
}

/** Nothing at all answers: Kuramori is not running. */
export function nothingRuns(report: StatusReport): boolean {
  return Object.values(report.services).every(({ pid }) => pid === null);
}
