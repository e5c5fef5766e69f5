/** A notice as a mail: pure. First a document of headings, facts and lists, then that document as plain text and as HTML. */
import type { Language } from '@kuramori/config';
import type { Incident } from '@kuramori/contracts';
import type { Notice } from '../../notice';
import { type Phrases, phrasesOf } from './phrases';
import { escapeHtml, oneLine } from './mail-text';

export interface RenderedMail {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

type Block =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'facts'; readonly facts: readonly (readonly [label: string, value: string])[] }
  | { readonly kind: 'list'; readonly items: readonly string[] }
  | { readonly kind: 'command'; readonly command: string };
interface Section {
  readonly heading: string;
  readonly blocks: readonly Block[];
}

/** A tired reader takes in some lines, not thousands; the rest is one command away. */
const maxListed = 10;
/** RFC 5322 allows 998 characters in a line; mail readers show about a hundred of a subject. */
const maxSubjectLength = 160;

export function renderMail({ kind, incident }: Notice, language: Language): RenderedMail {
  const phrases = phrasesOf(language);
  const state = kind === 'opened' ? undefined : outcome(incident, phrases);
  const subject = kind === 'opened' ? phrases.subjectOpened(incident.host, who(incident, phrases)) : phrases.subjectOver(incident.host, state ?? '');
  const sections = [
    what(incident, kind, phrases),
    whoSection(incident, phrases),
    done(incident, phrases, language),
    files(incident, phrases),
    why(incident, phrases),
    next(incident, kind, phrases),
  ];
  const shown = sections.filter(({ blocks }) => blocks.length > 0);
  const title = oneLine(subject, maxSubjectLength);
  return { subject: title, text: asText(shown, phrases.footer), html: asHtml(title, shown, phrases.footer, language) };
}

const failedToContain = (incident: Incident) => incident.actions.findLast(({ name }) => name === 'contain')?.status === 'failed';
const observed = (incident: Incident) => incident.actions.some(({ status }) => status === 'would-do');
const wasRestored = (incident: Incident) => incident.restoredAt !== undefined;

function outcome(incident: Incident, phrases: Phrases): string {
  if (incident.state === 'false_alarm') return phrases.over.falseAlarm;
  if (observed(incident)) return phrases.over.observed;
  if (!wasRestored(incident)) return phrases.over.closed;
  if (incident.files.unrecoverable > 0) return phrases.over.notAllRestored;
  return failedToContain(incident) ? phrases.over.notContained : phrases.over.restoredAll;
}

function who({ actor }: Incident, phrases: Phrases): string {
  const user = oneLine(actor.user ?? '', 64);
  if (actor.kind === 'smb-client') return phrases.whoClient(oneLine(actor.client ?? '', 64), user);
  if (actor.kind === 'unknown' || actor.exe === undefined || actor.exe === '') return phrases.whoUnknown;
  return phrases.whoProgram(oneLine(actor.exe.slice(actor.exe.lastIndexOf('/') + 1), 64), user);
}

/** `2026-11-24 12:00:03 UTC` */
function time(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`;
}

function what(incident: Incident, kind: Notice['kind'], phrases: Phrases): Section {
  const { labels } = phrases;
  const now =
    kind === 'over'
      ? outcome(incident, phrases)
      : observed(incident)
        ? phrases.opened.observed
        : failedToContain(incident)
          ? phrases.opened.notContained
          : incident.containedAt === undefined
            ? phrases.opened.working
            : phrases.opened.contained;
  return {
    heading: phrases.headings.what,
    blocks: [
      { kind: 'text', text: kind === 'opened' ? `${phrases.opened.attack}${phrases.space}${now}` : phrases.sentence(now) },
      ...(phrases.indicators === undefined ? [{ kind: 'text' as const, text: oneLine(incident.title) }] : []),
      {
        kind: 'facts',
        facts: [
          [labels.server, oneLine(incident.host)],
          [labels.severity, `${phrases.severities[incident.severity]}${phrases.comma}${labels.confidence} ${incident.confidence} %`],
          [labels.began, time(incident.firstActivityAt)],
          ...(incident.containedAt === undefined ? [] : [[labels.stopped, time(incident.containedAt)] as const]),
          ...(incident.restoredAt === undefined ? [] : [[labels.restored, time(incident.restoredAt)] as const]),
          ...(incident.family === undefined ? [] : [[labels.family, oneLine(incident.family)] as const]),
          [labels.incident, incident.id],
        ],
      },
    ],
  };
}

function whoSection(incident: Incident, phrases: Phrases): Section {
  const { actor } = incident;
  const { labels } = phrases;
  if (actor.kind === 'unknown') return { heading: phrases.headings.who, blocks: [{ kind: 'text', text: phrases.whoUnknown }] };
  const facts = (
    [
      [labels.program, actor.exe],
      [labels.command, actor.commandLine],
      [labels.processId, actor.pid === undefined ? undefined : String(actor.pid)],
      [labels.user, actor.user],
      [labels.client, actor.client],
    ] as const
  ).flatMap(([label, value]) => (value === undefined || value === '' ? [] : [[label, oneLine(value)] as const]));
  return { heading: phrases.headings.who, blocks: facts.length === 0 ? [] : [{ kind: 'facts', facts }] };
}

function done(incident: Incident, phrases: Phrases, language: Language): Section {
  const lines = incident.actions
    .filter(({ name }) => name !== 'pin')
    .map(({ name, status, detail }) => {
      // Details are English; in another language they are shown where they say what the status alone does not.
      const explains = language === 'en' || status === 'failed' || status === 'skipped' || name === 'quarantine-program';
      return `${phrases.actions[name] ?? oneLine(name)}: ${phrases.statuses[status]}${explains && detail !== '' ? ` – ${oneLine(detail)}` : ''}`;
    });
  return { heading: phrases.headings.done, blocks: lines.length === 0 ? [] : [{ kind: 'list', items: cut(lines, phrases) }] };
}

function files(incident: Incident, phrases: Phrases): Section {
  const names = phrases.fileCounts;
  const { touched, restored, alreadyIntact, quarantined, unrecoverable } = incident.files;
  const counts = [
    [names.touched, touched, true],
    [names.restored, restored, wasRestored(incident)],
    [names.alreadyIntact, alreadyIntact, alreadyIntact > 0],
    [names.quarantined, quarantined, quarantined > 0],
    [names.unrecoverable, unrecoverable, unrecoverable > 0],
  ] as const;
  return {
    heading: phrases.headings.files,
    blocks: [{ kind: 'facts', facts: counts.filter(([, , shown]) => shown).map(([label, count]) => [label, String(count)]) }],
  };
}

function why(incident: Incident, phrases: Phrases): Section {
  const heaviest = [...incident.evidence].sort((left, right) => right.weight - left.weight);
  const lines = heaviest.map(({ indicator, summary, path }) => {
    const reason = phrases.indicators?.[indicator] ?? oneLine(summary);
    return path === undefined ? reason : `${reason}: ${oneLine(path)}`;
  });
  return { heading: phrases.headings.why, blocks: lines.length === 0 ? [] : [{ kind: 'list', items: cut([...new Set(lines)], phrases) }] };
}

function next(incident: Incident, kind: Notice['kind'], phrases: Phrases): Section {
  const command = `kuramori incident ${incident.id}`;
  const text = (line: string): Block => ({ kind: 'text', text: line });
  const blocks: Block[] = [];
  const acted = !observed(incident) && incident.state !== 'false_alarm';
  if (observed(incident)) blocks.push(text(phrases.next.stopByHand.split(/(?<=[.。])\s?/u)[0] ?? ''), text(phrases.next.enforce));
  else if (failedToContain(incident) && incident.state !== 'false_alarm') blocks.push(text(phrases.next.stopByHand));
  else if (kind === 'opened') blocks.push(text(phrases.next.nothing));
  if (incident.files.unrecoverable > 0) blocks.push(text(phrases.next.unrecoverable), { kind: 'command', command: `${command} --files` });
  blocks.push(text(phrases.next.details), { kind: 'command', command });
  if (acted) {
    if (kind === 'over') blocks.push(text(phrases.next.password));
    blocks.push(text(phrases.next.falseAlarm), { kind: 'command', command: `${command} false-alarm` });
  }
  return { heading: phrases.headings.next, blocks };
}

function cut(lines: readonly string[], phrases: Phrases): string[] {
  return lines.length <= maxListed ? [...lines] : [...lines.slice(0, maxListed), phrases.more(lines.length - maxListed)];
}

function asText(sections: readonly Section[], footer: string): string {
  const lines = sections.flatMap(({ heading, blocks }) => [heading, '-'.repeat(3), ...blocks.flatMap(textLines), '']);
  return [...lines, '-- ', footer, ''].join('\n');
}

function textLines(block: Block): string[] {
  switch (block.kind) {
    case 'text':
      return [block.text];
    case 'facts':
      return block.facts.map(([label, value]) => `  ${label}: ${value}`);
    case 'list':
      return block.items.map((item) => `  * ${item}`);
    case 'command':
      return [`    ${block.command}`];
  }
}

const style = {
  body: 'font-family:sans-serif;font-size:15px;line-height:1.45;color:#1a1a1a;max-width:44em',
  heading: 'font-size:15px;margin:1.2em 0 .3em',
  label: 'text-align:left;font-weight:normal;color:#555;padding:0 1em 0 0;vertical-align:top;white-space:nowrap',
  value: 'word-break:break-word',
  command: 'background:#f2f2f2;padding:.4em .6em;white-space:pre-wrap',
  footer: 'color:#777;font-size:13px;margin-top:1.6em',
} as const;

function asHtml(title: string, sections: readonly Section[], footer: string, language: Language): string {
  const body = sections
    .map(({ heading, blocks }) => `<h2 style="${style.heading}">${escapeHtml(heading)}</h2>\n${blocks.map(htmlOf).join('\n')}`)
    .join('\n');
  return `<!doctype html>
<html lang="${language}"><head><meta charset="utf-8"><title>${escapeHtml(title)}</title></head>
<body style="${style.body}">
${body}
<p style="${style.footer}">${escapeHtml(footer)}</p>
</body></html>
`;
}

function htmlOf(block: Block): string {
  switch (block.kind) {
    case 'text':
      return `<p>${escapeHtml(block.text)}</p>`;
    case 'facts':
      return `<table>\n${block.facts.map(([label, value]) => `<tr><th style="${style.label}">${escapeHtml(label)}</th><td style="${style.value}">${escapeHtml(value)}</td></tr>`).join('\n')}\n</table>`;
    case 'list':
      return `<ul>\n${block.items.map((item) => `<li>${escapeHtml(item)}</li>`).join('\n')}\n</ul>`;
    case 'command':
      return `<pre style="${style.command}">${escapeHtml(block.command)}</pre>`;
  }
}
