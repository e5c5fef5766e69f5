/** Which incidents people are told of, and when: pure. */
import { type Incident, severities } from '@kuramori/contracts';

export const noticeKinds = ['opened', 'over'] as const;
/** `opened`: an attack is under way. `over`: it has ended, and what came of it. */
export type NoticeKind = (typeof noticeKinds)[number];
export type NoticeState = 'waiting' | 'sent' | 'refused';

/** What is told; every channel gives it its own form. */
export interface Notice {
  readonly kind: NoticeKind;
  readonly incident: Incident;
}

/** What was told already about an incident by one channel. */
export type KnownNotices = Readonly<Partial<Record<NoticeKind, NoticeState>>>;

export type NoticeChange =
  { readonly change: 'add' | 'refresh'; readonly kind: NoticeKind } | { readonly change: 'withdraw'; readonly kind: NoticeKind };

/** From this severity on somebody is told; below it an incident is only recorded (rules.md 8). */
const toldFrom = severities.indexOf('medium');

export function isOver(incident: Incident): boolean {
  return incident.state === 'restored' || incident.state === 'closed' || incident.state === 'false_alarm';
}

/**
 * One notice when an incident reaches medium severity, one when it is over, none for anything between. What has not left yet tells the latest, and
 * an end that turned out to be none (attacked again before it was told) is withdrawn.
 */
export function noticeChanges(incident: Incident, known: KnownNotices): NoticeChange[] {
  const changes: NoticeChange[] = [];
  const over = isOver(incident);
  if (known.opened === undefined) {
    // An incident that was over before anybody was told of it (put right by an operator, or known to be harmless) is told of by nobody.
    if (severities.indexOf(incident.severity) < toldFrom || incident.state === 'false_alarm') return [];
    changes.push({ change: 'add', kind: 'opened' });
  } else if (known.opened === 'waiting') {
    changes.push({ change: 'refresh', kind: 'opened' });
  }
  if (over && known.over === undefined) changes.push({ change: 'add', kind: 'over' });
  if (known.over === 'waiting') changes.push({ change: over ? 'refresh' : 'withdraw', kind: 'over' });
  return changes;
}
