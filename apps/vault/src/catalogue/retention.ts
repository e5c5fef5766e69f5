import type { VersionRow } from './rows';

const hourMs = 60 * 60 * 1000;
/**
 * How far back anything can be undone. Journal entries, versions of deleted files and what an attack has pinned leave together after it: each is of no use without the
 * others. A month, as backups commonly keep it: whoever misses a file asks by the end of the month.
 */
export const undoableMs = 30 * 24 * hourMs;
/** The state of so long ago is kept beside the newest versions: many saves (or an encryptor's many writes) within a minute push nothing older out. */
const keptAgesMs = [hourMs, 24 * hourMs];

type Aged = Pick<VersionRow, 'id' | 'atMs' | 'state' | 'pinned'>;

/**
 * Which versions of one path give way. Clean ones give way to newer clean ones alone, and never the state of an hour or a day ago (or the oldest there is, when none is that old);
 * suspect ones to newer suspect ones; pinned ones and `current` (what is on the disk) never.
 */
export function evictable(versions: readonly Aged[], keep: number, nowMs: number, current: ReadonlySet<number>): number[] {
  const newestFirst = [...versions].sort((a, b) => b.atMs - a.atMs || b.id - a.id);
  const candidates = newestFirst.filter(({ pinned }) => pinned === 0);
  const clean = candidates.filter(({ state }) => state === 'clean');
  const suspect = candidates.filter(({ state }) => state === 'suspect');
  const kept = new Set<number>(current);
  for (const { id } of [...clean.slice(0, keep), ...suspect.slice(0, keep)]) kept.add(id);
  for (const age of keptAgesMs) {
    const state = clean.find(({ atMs }) => atMs <= nowMs - age) ?? clean.at(-1);
    if (state !== undefined) kept.add(state.id);
  }
  return candidates.filter(({ id }) => !kept.has(id)).map(({ id }) => id);
}
