import { serviceNames, safeText } from '@kuramori/contracts';
import { formatBytes, formatCount, formatSeconds } from '../output/format';
import { table } from '../output/table';
import type { Words } from '../output/words';
import type { StatusReport } from './status-report';

/** The status for people. */
export function statusText(report: StatusReport, words: Words): string {
  const { protection, vault, incidents } = report;
  const rows = serviceNames.map((name) => {
    const { status, pid, uptimeS, reason } = report.services[name];
    return [name, status, pid === null ? '-' : String(pid), uptimeS === null ? '-' : formatSeconds(uptimeS), safeText(reason ?? '')];
  });
  const pending =
    protection.pending === 0
      ? words.nothingWaiting
      : `${formatCount(protection.pending)} ${words.waiting} ${formatSeconds(protection.oldestPendingMs / 1000)}`;
  return [
    report.ready ? words.ready : `${words.notReady}: ${safeText(report.reasons.join('; '))}`,
    '',
    table([words.service, words.status, words.pid, words.up, words.why], rows, 4),
    '',
    `${words.protected}: ${formatCount(protection.files)} ${words.files}, ${formatBytes(protection.bytes)}; ${pending}`,
    `${words.vault}: ${formatCount(vault.versions)} ${words.versions}, ${formatBytes(vault.storedBytes)} ${words.storedFor} ${formatBytes(vault.logicalBytes)}; ${formatBytes(vault.freeBytes)} ${words.free}`,
    `${words.incidents}: ${incidents.open} ${words.open}`,
    `${words.mode}: ${report.mode === 'observe' ? words.observed : report.mode}`,
  ].join('\n');
}
