import type { Incident } from '@kuramori/contracts';

const columns: readonly [string, (incident: Incident) => string | number | undefined][] = [
  ['id', ({ id }) => id],
  ['host', ({ host }) => host],
  ['state', ({ state }) => state],
  ['severity', ({ severity }) => severity],
  ['confidence', ({ confidence }) => confidence],
  ['title', ({ title }) => title],
  ['openedAt', ({ openedAt }) => openedAt],
  ['firstActivityAt', ({ firstActivityAt }) => firstActivityAt],
  ['containedAt', ({ containedAt }) => containedAt],
  ['restoredAt', ({ restoredAt }) => restoredAt],
  ['closedAt', ({ closedAt }) => closedAt],
  ['actorKind', ({ actor }) => actor.kind],
  ['user', ({ actor }) => actor.user],
  ['exe', ({ actor }) => actor.exe],
  ['client', ({ actor }) => actor.client],
  ['family', ({ family }) => family],
  ['techniques', ({ techniques }) => techniques.map(({ id }) => id).join(' ')],
  ['touched', ({ files }) => files.touched],
  ['restored', ({ files }) => files.restored],
  ['alreadyIntact', ({ files }) => files.alreadyIntact],
  ['quarantined', ({ files }) => files.quarantined],
  ['unrecoverable', ({ files }) => files.unrecoverable],
];

/** RFC 4180, lines ended by CR LF. A cell that a spreadsheet would take for a formula gets a `'` before it: names in it are the attacker's. */
export function incidentsCsv(incidents: readonly Incident[]): string {
  const lines = [columns.map(([name]) => name), ...incidents.map((incident) => columns.map(([, value]) => cell(value(incident))))];
  return lines.map((line) => `${line.join(',')}\r\n`).join('');
}

function cell(value: string | number | undefined): string {
  if (value === undefined) return '';
  if (typeof value === 'number') return String(value);
  const harmless = /^[=+\-@\t\r]/u.test(value) ? `'${value}` : value;
  return /[",\r\n]/u.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
