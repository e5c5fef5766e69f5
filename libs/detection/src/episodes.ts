/** Attacks (and suspicions that may become one) while they run: who belongs to which, and what has been said about it. */
import type { GroupKind, Verdict, VerdictLevel, VerdictMember } from '@kuramori/contracts';
import { BoundedMap } from './bounded-map';

export interface Episode {
  readonly id: string;
  /** What it belongs to: a job (outermost tree), a user, a root. */
  readonly job: string;
  level: VerdictLevel | 'none';
  lastAtMs: number;
  /** The group that crossed the line. */
  group: { id: string; kind: GroupKind; key: string };
  /** Actors that a verdict has named. */
  readonly announced: Set<string>;
  /** Actors with evidence that no verdict has named yet. */
  readonly waiting: Set<string>;
  updates: number;
  lastUpdateAtMs: number;
  /** Files at the last verdict, as a power of two. */
  filesExponent: number;
  /** Files with evidence when a verdict was last spoken. */
  announcedFiles: number;
  /** Files of the actors that were named before a restart. */
  recalledFiles: number;
  /** The group's key at the last verdict. */
  directory: string;
  /** Since when its score is worth a warning. */
  warningSinceMs: number | undefined;
  /** When Kuramori last put back a file that it had harmed. */
  answeredAtMs: number | undefined;
}

/** Without new evidence for this long an attack is over; what comes later is another one. */
export const attackQuietMs = 10 * 60_000;
/** Jobs with evidence; those of long ago are over. */
const rememberedEpisodes = 20_000;
/** Attacks of one job that run at once: each was answered, and another began. */
const episodesPerJob = 8;

export class Episodes {
  /** Newest first. */
  private readonly byJob = new BoundedMap<string, readonly Episode[]>(rememberedEpisodes);
  private readonly ordinals = new BoundedMap<string, number>(rememberedEpisodes);
  /** Running attacks by user and program: workers of one attack that share no parent. */
  private readonly byProgram = new BoundedMap<string, Episode>(1000);

  constructor(private readonly hash: (...parts: readonly string[]) => string) {}

  /** The newest episode of a job that still runs at a moment and that `belongs` takes for one's own. */
  running(job: string, atMs: number, belongs: (episode: Episode) => boolean = () => true): Episode | undefined {
    return this.byJob.get(job)?.find((episode) => isAlive(episode, atMs) && belongs(episode));
  }

  attackOfProgram(program: string, atMs: number): Episode | undefined {
    const episode = program === '' ? undefined : this.byProgram.get(program);
    return episode !== undefined && isAlive(episode, atMs) ? episode : undefined;
  }

  noteProgram(program: string, episode: Episode): void {
    if (program !== '') this.byProgram.set(program, episode);
  }

  /** `watcherId` keeps ids of users and directories apart between runs whose history nobody remembers; a job's own key is unique for ever. */
  begin(job: string, watcherId: string, atMs: number): Episode {
    const ordinal = (this.ordinals.get(job) ?? 0) + 1;
    const unique = job.startsWith('process:') ? '' : watcherId;
    return this.add(job, ordinal, this.hash('attack', job, String(ordinal), unique), atMs);
  }

  /** Another side of an attack under way, told of under the same id. */
  beginWithin({ id }: Episode, job: string, atMs: number): Episode {
    return this.add(job, this.ordinals.get(job) ?? 0, id, atMs);
  }

  /** Attacks of known actors that still run at a moment, in the order in which they began. */
  runningAttacks(atMs: number): Episode[] {
    return [...new Set([...this.byJob.values()].flat())].filter(
      (episode) => episode.level === 'attack' && !isUnseen(episode) && isAlive(episode, atMs),
    );
  }

  /** Another job takes part in it. */
  join(job: string, episode: Episode): void {
    const others = (this.byJob.get(job) ?? []).filter((other) => other !== episode);
    this.byJob.set(job, [episode, ...others].slice(0, episodesPerJob));
  }

  /** What was said before a restart is not said again, and an attack under way keeps its id. */
  recall(verdict: Verdict, job: string): Episode {
    const known = this.byJob.get(job)?.find(({ id }) => id === verdict.attackId);
    const episode = known ?? this.add(job, (this.ordinals.get(job) ?? 0) + 1, verdict.attackId, verdict.atMs);
    if (rank(verdict.level) >= rank(episode.level)) {
      episode.level = verdict.level;
      episode.group = { id: groupId(verdict.groupKind, verdict.groupKey), kind: verdict.groupKind, key: verdict.groupKey };
    }
    if (verdict.level === 'attack') {
      const fresh = verdict.members.filter(({ actor }) => !episode.announced.has(actor.key));
      episode.recalledFiles += filesOf(fresh);
      episode.filesExponent = Math.max(episode.filesExponent, Math.floor(Math.log2(Math.max(1, episode.recalledFiles, filesOf(verdict.members)))));
      episode.announcedFiles = Number.POSITIVE_INFINITY;
      episode.directory = verdict.groupKey;
      for (const { actor } of verdict.members) episode.announced.add(actor.kind === 'unknown' ? job : actor.key);
    }
    episode.lastAtMs = Math.max(episode.lastAtMs, verdict.atMs);
    episode.lastUpdateAtMs = Math.max(episode.lastUpdateAtMs, verdict.atMs);
    return episode;
  }

  private add(job: string, ordinal: number, id: string, atMs: number): Episode {
    const episode: Episode = {
      id,
      job,
      level: 'none',
      lastAtMs: atMs,
      group: { id: '', kind: 'actor', key: '' },
      announced: new Set(),
      waiting: new Set(),
      updates: 0,
      lastUpdateAtMs: atMs,
      filesExponent: 0,
      announcedFiles: 0,
      recalledFiles: 0,
      directory: '',
      warningSinceMs: undefined,
      answeredAtMs: undefined,
    };
    this.ordinals.set(job, ordinal);
    this.join(job, episode);
    return episode;
  }
}

/** Made up of changes of which nobody knows who made them. */
export function isUnseen({ job }: Episode): boolean {
  return job.startsWith('unknown:');
}

function filesOf(members: readonly Pick<VerdictMember, 'files'>[]): number {
  return members.reduce((sum, { files }) => sum + files, 0);
}

function isAlive({ lastAtMs }: Episode, atMs: number): boolean {
  return atMs - lastAtMs <= attackQuietMs;
}

export function rank(level: Episode['level']): number {
  return ['none', 'suspicion', 'warning', 'attack'].indexOf(level);
}

/** Ids of groups on the scoreboard. Trees and actors share one: a tree is its root with everything below. */
export function groupId(kind: GroupKind, key: string): string {
  switch (kind) {
    case 'actor':
    case 'process-tree':
    case 'client':
      return `tree\0${key}`;
    default:
      return `${kind}\0${key}`;
  }
}
