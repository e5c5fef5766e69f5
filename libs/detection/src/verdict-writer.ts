/** Turns an episode into the message that others act on. */
import type { Actor, Evidence, Severity, Technique, Verdict, VerdictLevel, VerdictMember } from '@kuramori/contracts';
import { type Episode, isUnseen } from './episodes';
import type { TechniqueId } from './observation';
import type { Attributed, Group } from './scoreboard';

export interface MemberEvidence {
  readonly key: string;
  readonly actor: Actor;
  readonly actionable: boolean;
  readonly score: number;
  readonly files: number;
  readonly firstAtMs: number;
  readonly findings: readonly { readonly path: string; readonly finding: Attributed }[];
}

interface Position {
  readonly watcherId: string;
  readonly sequence: number;
}
interface Words {
  readonly episode: Episode;
  readonly group: Group;
  readonly level: VerdictLevel;
  /** Which word about the episode this is: with the attack's id it makes the verdict's. */
  readonly part: string;
  readonly members: readonly MemberEvidence[];
  readonly position: Position;
}

/** The contract's limits, and half of nats-server's 1 MiB for a message. */
const evidencePerMember = 50;
const membersPerVerdict = 256;
const bytesPerVerdict = 512 * 1024;
/** Evidence in one verdict: what a person reads, many times over. */
const evidencePerVerdict = 400;

const techniqueNames: Readonly<Record<TechniqueId, string>> = { T1486: 'Data Encrypted for Impact', T1485: 'Data Destruction' };

export class VerdictWriter {
  constructor(
    private readonly host: string,
    private readonly hash: (...parts: readonly string[]) => string,
  ) {}

  /** A verdict of an attack that names as many of these members as one message takes. */
  writeNaming({ first, ...words }: Omit<Words, 'level' | 'part'> & { readonly first: boolean }): { verdict: Verdict; named: readonly string[] } {
    const named = fitting(words.members);
    const part = first
      ? 'attack'
      : `members:${named
          .map(({ key }) => key)
          .sort()
          .join(',')}`;
    return { verdict: this.write({ ...words, members: named, level: 'attack', part }), named: named.map(({ key }) => key) };
  }

  write({ episode, group, level, part, members, position }: Words): Verdict {
    const shown = fitting(members);
    const [main] = shown;
    const findings = shown.flatMap(({ findings: own }) => own);
    const strongest = findings.reduce<Attributed | undefined>(
      (best, { finding }) => (best === undefined || finding.weight > best.weight ? finding : best),
      undefined,
    );
    const family = findings.find(({ finding }) => finding.family !== undefined)?.finding.family;
    const { score } = group;
    return {
      // One attack may have two sides with the same id: what was seen by name, and what a rescan found.
      id: this.hash('verdict', episode.id, isUnseen(episode) ? `${episode.job}:${part}` : part),
      attackId: episode.id,
      host: this.host,
      atMs: group.lastAtMs,
      level,
      score,
      severity: level === 'attack' ? severityOf(score) : 'low',
      confidence: level === 'attack' ? Math.min(99, 80 + Math.floor(score / 25)) : Math.min(75, Math.floor(score * 0.6)),
      title: titleOf(level, main?.actor, strongest?.technique === 'T1485'),
      groupKind: group.kind,
      groupKey: groupKeyOf(group),
      members: this.membersOf(shown),
      techniques: techniquesOf(findings.map(({ finding }) => finding)),
      ...(family === undefined ? {} : { family }),
      firstActivityAtMs: shown.reduce((earliest, member) => Math.min(earliest, sinceOf(member)), group.firstAtMs),
      watcherId: position.watcherId,
      sequence: position.sequence,
    };
  }

  private membersOf(members: readonly MemberEvidence[]): VerdictMember[] {
    const each = Math.max(2, Math.min(evidencePerMember, Math.floor(evidencePerVerdict / Math.max(1, members.length))));
    return members.map((member) => ({
      actor: member.actor,
      score: member.score,
      actionable: member.actionable,
      firstActivityAtMs: sinceOf(member),
      files: member.files,
      evidence: weightiest(member.findings, each),
    }));
  }
}

function sinceOf({ findings, firstAtMs }: MemberEvidence): number {
  return findings.reduce((earliest, { finding }) => Math.min(earliest, finding.sinceMs), firstAtMs);
}

/** The makers of unreadable content first (who only deletes is the lesser half), then by score; as many as a message takes. */
function fitting(members: readonly MemberEvidence[]): MemberEvidence[] {
  const sorted = [...members].sort(
    (a, b) =>
      Number(b.actionable) - Number(a.actionable) ||
      Number(isMaker(b)) - Number(isMaker(a)) ||
      b.score - a.score ||
      a.firstAtMs - b.firstAtMs ||
      (a.key < b.key ? -1 : 1),
  );
  const taken: MemberEvidence[] = [];
  let bytes = 0;
  for (const member of sorted) {
    bytes += bytesOf(member);
    if (taken.length > 0 && (taken.length >= membersPerVerdict || bytes > bytesPerVerdict)) break;
    taken.push(member);
  }
  return taken;
}

function isMaker({ key, findings }: MemberEvidence): boolean {
  return findings.some(({ finding }) => finding.actors[0] === key && finding.kind !== 'note');
}

/** Upper estimate of what a member adds to the message: its line of ancestors, its command line, two pieces of evidence. */
function bytesOf({ actor, findings }: MemberEvidence): number {
  const ancestors = (actor.ancestors ?? []).reduce((sum, { exe }) => sum + exe.length + 80, 0);
  const evidence = findings.slice(0, 2).reduce((sum, { path, finding }) => sum + path.length + finding.summary.length + 120, 0);
  return 3 * ((actor.commandLine ?? '').length + (actor.exe ?? '').length) + ancestors + evidence * 2 + 400;
}

function weightiest(findings: MemberEvidence['findings'], limit: number): Evidence[] {
  return [...findings]
    .sort((a, b) => b.finding.weight - a.finding.weight || a.finding.atMs - b.finding.atMs || (a.path < b.path ? -1 : 1))
    .slice(0, limit)
    .map(({ path, finding: { indicator, summary, weight, atMs } }) => ({
      indicator,
      summary: `${summary}.`,
      weight,
      path,
      at: new Date(atMs).toISOString(),
    }));
}

function techniquesOf(findings: readonly Attributed[]): Technique[] {
  const ids = [...new Set(findings.map(({ technique }) => technique))].sort();
  return ids.map((id) => ({ id, name: techniqueNames[id] }));
}

function severityOf(score: number): Severity {
  return score >= 200 ? 'critical' : 'high';
}

function titleOf(level: VerdictLevel, actor: Actor | undefined, destroyed: boolean): string {
  const who = actor === undefined || actor.kind === 'unknown' ? 'an unknown program' : `${programOf(actor)} (user ${actor.user ?? '?'})`;
  if (level !== 'attack') return `Some files were made unreadable by ${who}`;
  return `Files are being ${destroyed ? 'destroyed' : 'encrypted'} by ${who}`;
}

function programOf({ exe, client }: Actor): string {
  const name = (exe ?? '').slice((exe ?? '').lastIndexOf('/') + 1);
  return name !== '' ? name : client === undefined ? 'a process' : `the client ${client}`;
}

/** What a group of unknown actors has in common is the directory in which they did harm: the undo goes no further. */
export function groupKeyOf({ kind, id, key, directory }: Group): string {
  const unknown = kind === 'subtree' && id.startsWith('tree\0');
  return unknown && directory.length > key.length ? directory : key;
}
