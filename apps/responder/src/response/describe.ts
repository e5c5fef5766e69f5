/** Sentences of the audit. */
import type { ProcessRef, RestoreReport } from '@kuramori/contracts';
import { programName } from '../domain/protected-programs';
import type { SparedProcess } from '../domain/containment';

/** Names in one sentence; the rest is a number. */
const maxNamed = 12;

export function named(process: ProcessRef): string {
  return `${programName(process) === '' ? 'a process' : programName(process)} (pid ${process.pid})`;
}

export function list(items: readonly string[]): string {
  return items.length <= maxNamed ? items.join(', ') : `${items.slice(0, maxNamed).join(', ')} and ${items.length - maxNamed} more`;
}

export function processes(count: readonly ProcessRef[]): string {
  return `${count.length} ${count.length === 1 ? 'process' : 'processes'}: ${list(count.map(named))}`;
}

export function sparedList(spared: readonly SparedProcess[]): string {
  return list(spared.map(({ process, why }) => `${named(process)}: ${why}`));
}

/** Files told of by name in one sentence. */
export const maxDetailedItems = 20;

/** What came of an undo: the sentence of figures, and what must be looked at by name. */
export function describeReport({ restored, alreadyIntact, quarantined, unrecoverable, conflicts, items }: RestoreReport): {
  readonly counts: string;
  readonly problems: readonly string[];
  readonly hasFailed: boolean;
} {
  const missing = items.filter(({ outcome }) => outcome === 'unrecoverable' || outcome === 'failed' || outcome === 'conflict');
  return {
    counts: `${restored} restored, ${alreadyIntact} already intact, ${quarantined} moved to quarantine, ${unrecoverable} could not be recovered, ${conflicts} changed by others too`,
    problems: missing.slice(0, maxDetailedItems).map(({ path, outcome, detail }) => `${path}: ${outcome}${detail === '' ? '' : `, ${detail}`}`),
    hasFailed: missing.some(({ outcome }) => outcome === 'failed'),
  };
}
