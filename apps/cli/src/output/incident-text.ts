import { type Incident, type RestoreItem, safeText } from '@kuramori/contracts';
import { formatTime } from './format';
import { table } from './table';
import type { Words } from './words';

/** More would push the timeline off the screen; --json has all. */
const shownEvidence = 20;
const shownProcesses = 10;

/** One incident for people. Everything in it that an attacker can name is made safe. */
export function incidentText(incident: Incident, items: readonly RestoreItem[] | undefined, words: Words): string {
  const { actor, files, evidence, actions } = incident;
  const who = [
    actor.kind === 'unknown' ? 'unknown: this sensor can not tell who it was' : undefined,
    actor.exe === undefined ? undefined : `program ${actor.exe}`,
    actor.pid === undefined ? undefined : `pid ${actor.pid}`,
    actor.user === undefined ? undefined : `user ${actor.user}`,
    actor.client === undefined ? undefined : `client ${actor.client}`,
  ].filter((part) => part !== undefined);
  const facts: [string, string | undefined][] = [
    ['id', incident.id],
    ['state', `${incident.state}, severity ${incident.severity}, confidence ${incident.confidence}`],
    ['actor', who.join(', ')],
    ['command', actor.commandLine],
    ['family', incident.family],
    ['techniques', incident.techniques.map(({ id, name }) => `${id} ${name}`).join(', ') || undefined],
    ['first activity', formatTime(incident.firstActivityAt)],
    ['opened', formatTime(incident.openedAt)],
    ['contained', incident.containedAt === undefined ? undefined : formatTime(incident.containedAt)],
    ['restored', incident.restoredAt === undefined ? undefined : formatTime(incident.restoredAt)],
    ['closed', incident.closedAt === undefined ? undefined : formatTime(incident.closedAt)],
    [
      'files',
      `${files.touched} touched, ${files.restored} restored, ${files.alreadyIntact} were intact, ${files.quarantined} in quarantine, ${files.unrecoverable} unrecoverable`,
    ],
  ];
  const parts = [
    safeText(incident.title),
    '',
    ...facts.flatMap(([name, value]) => (value === undefined ? [] : [`${name.padEnd(15)} ${safeText(value)}`])),
  ];
  if (actor.processTree.length > 0) {
    const shown = actor.processTree.slice(0, shownProcesses).map(({ pid, exe, comm }) => [String(pid), safeText(exe === '' ? comm : exe)]);
    parts.push('', 'Processes', table(['pid', 'program'], shown, 1), ...more(actor.processTree.length - shownProcesses));
  }
  if (evidence.length > 0) {
    const shown = evidence
      .slice(0, shownEvidence)
      .map(({ at, indicator, weight, summary }) => [formatTime(at), indicator, String(weight), safeText(summary)]);
    parts.push('', 'Evidence', table([words.time, 'indicator', 'weight', words.title], shown, 3), ...more(evidence.length - shownEvidence));
  }
  if (actions.length > 0) {
    const shown = actions.map(({ at, name, status, detail }) => [formatTime(at), name, status, safeText(detail)]);
    parts.push('', 'What was done', table([words.time, words.step, words.outcome, words.detail], shown, 3));
  }
  if (items !== undefined) parts.push('', 'Files', items.length === 0 ? 'none listed' : restoreItemsText(items, words));
  return parts.join('\n');
}

export function restoreItemsText(items: readonly RestoreItem[], words: Words): string {
  // The path is what people look for and what may be long: it stands last and is broken.
  const rows = items.map(({ outcome, step, detail, path }) => [outcome, step, safeText(path) + (detail === '' ? '' : `  (${safeText(detail)})`)]);
  return table([words.outcome, words.step, words.file], rows, 2);
}

function more(count: number): string[] {
  return count > 0 ? [`… and ${count} more (--json has all)`] : [];
}
