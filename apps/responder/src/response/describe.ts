/** Sentences of the audit. */
import type { ProcessRef } from '@kuramori/contracts';
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
