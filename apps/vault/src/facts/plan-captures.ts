import type { FileFact } from '@kuramori/contracts';

/** What is to be read for a batch: one look at each file that was written, where it is after the batch. */
export interface PlannedCapture {
  /** Index of the fact with which the content is settled: the last one that tells of this file's content. */
  readonly index: number;
  /** Where the file is after the batch. */
  readonly path: string;
  /** Where it was before the batch; absent when it came into being in it. */
  readonly pathBefore: string | undefined;
}

/** What the vault knows of a path before the batch. */
export interface KnownState {
  /** Its content, as it is on the disk now, is in the vault. */
  readonly kept: boolean;
}

interface Followed {
  path: string | undefined;
  readonly pathBefore: string | undefined;
  readonly known: KnownState | undefined;
  index: number | undefined;
}

/** Pure: follows each file through the batch's renames. */
export function planCaptures(facts: readonly FileFact[], known: (path: string) => KnownState | undefined): PlannedCapture[] {
  const followed = new Map<string, Followed>();
  const all: Followed[] = [];
  // What stood there before the batch has left: whatever comes there now is another file.
  const vacated = new Set<string>();
  const isVacated = (path: string) => {
    for (let part = path; part !== ''; part = part.slice(0, part.lastIndexOf('/'))) if (vacated.has(part)) return true;
    return false;
  };
  const at = (path: string): Followed => {
    const existing = followed.get(path);
    if (existing !== undefined) return existing;
    const state = isVacated(path) ? undefined : known(path);
    const created: Followed = { path, pathBefore: state === undefined ? undefined : path, known: state, index: undefined };
    followed.set(path, created);
    all.push(created);
    return created;
  };
  for (const [index, fact] of facts.entries()) {
    if (fact.kind === 'other') continue;
    if (fact.kind === 'directory') {
      if (fact.operation === 'renamed' && fact.oldPath !== undefined) {
        moveBelow(followed, fact.oldPath, fact.path);
        vacated.add(fact.oldPath);
      } else if (fact.operation === 'deleted') vacated.add(fact.path);
      continue;
    }
    switch (fact.operation) {
      case 'created':
      case 'modified':
        at(fact.path).index = index;
        break;
      case 'renamed': {
        const file = at(fact.oldPath ?? fact.path);
        followed.delete(fact.oldPath ?? fact.path);
        if (fact.oldPath !== undefined) vacated.add(fact.oldPath);
        const replaced = followed.get(fact.path);
        if (replaced !== undefined) replaced.path = undefined;
        file.path = fact.path;
        followed.set(fact.path, file);
        // Settled once more here: a write just before the rename had no stable place to be read from.
        if (file.index !== undefined || fact.written === true || file.known?.kept !== true) file.index = index;
        break;
      }
      case 'metadata': {
        const file = at(fact.path);
        if (file.index !== undefined || file.known?.kept !== true) file.index = index;
        break;
      }
      case 'deleted': {
        const file = at(fact.path);
        file.path = undefined;
        followed.delete(fact.path);
        vacated.add(fact.path);
        break;
      }
    }
  }
  return all.flatMap(({ path, pathBefore, index }) => (path === undefined || index === undefined ? [] : [{ index, path, pathBefore }]));
}

function moveBelow(followed: Map<string, Followed>, from: string, to: string): void {
  for (const [path, file] of [...followed]) {
    if (!path.startsWith(`${from}/`)) continue;
    followed.delete(path);
    const moved = to + path.slice(from.length);
    file.path = moved;
    followed.set(moved, file);
  }
}
