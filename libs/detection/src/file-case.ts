/** Everything known against one file, and what follows from it. The order in which the parts came to be known doesn't matter. */
import type { BlockComparison } from '@kuramori/contracts';
import type { Place } from './containers';
import { contentIndicators } from './indicators';
import { archiveAndDelete } from './indicators/archive-and-delete';
import { extensionChurn } from './indicators/extension-churn';
import { areOneAct, type Made } from './pairing';
import { baseName, type Features, type Finding, isReadable, type Replacement } from './observation';
import type { Attributed, Group } from './scoreboard';

/** What the vault saw of one write. */
export interface Comparison {
  readonly before: Features | undefined;
  readonly after: Features | undefined;
  readonly blocks: BlockComparison | undefined;
}

/** One time that new content took the place of the old. */
export interface Write {
  readonly factId: string;
  /** Position among the facts; what comes later is what stands there now. */
  readonly order: number;
  readonly actor: string;
  readonly atMs: number;
  readonly how: 'in-place' | 'renamed-over';
  /** Into a file that the same job had only just created at this name. */
  readonly begun: boolean;
  readonly content: Features | undefined;
  compared: Comparison | undefined;
}

export interface Removal {
  readonly factId: string;
  /** It had been moved aside before, and something else bears its name. */
  readonly nameTaken: boolean;
  /** Beside it stands a readable archive of its name: it was compressed. */
  readonly compressed: boolean;
  readonly order: number;
  readonly actor: string;
  readonly atMs: number;
  readonly job: string;
  readonly user: string;
  /** Which of its job's facts it was. */
  readonly act: number;
  /** Told by the vault. */
  before: Features | undefined;
}

export interface Renaming {
  readonly order: number;
  readonly actor: string;
  readonly atMs: number;
  /** Its name before this one renaming: an attacker's own temporary names are no news. */
  readonly newPath: string;
  readonly content: Features | undefined;
}

export interface FileCase {
  readonly id: number;
  readonly path: string;
  /** Where it is known by: its path, or where it went when another file has taken its name. */
  key: string;
  /** What stood there before the first harm, as far as the facts told. */
  before: Features | undefined;
  writes: Write[];
  removal: Removal | undefined;
  renaming: Renaming | undefined;
  /** New content that took the place of the removed file under another name. */
  successor: Made | undefined;
  /** In a container made by the same job before the removal. */
  place: Place | undefined;
  /** Findings that need no joining: decoys, notes, halves. */
  fixed: Attributed[];
  findings: readonly Attributed[];
  groups: Group[];
}

/** Overwritten in several goes: the newest say what stands there, the first what was lost, and that is kept apart. */
const writesKept = 4;

export function addWrite(file: FileCase, write: Write): void {
  const known = file.writes.find(({ factId }) => factId === write.factId);
  if (known !== undefined) return;
  file.writes = [...file.writes, write].sort((a, b) => a.order - b.order).slice(-writesKept);
}

/** All that follows from a case as it is known now. */
export function judgeCase(file: FileCase): Attributed[] {
  const last = file.writes.at(-1);
  const lastContent = last?.compared?.after ?? last?.content;
  const removed = file.removal !== undefined && file.removal.order > (last?.order ?? -1) && !livesOn(file, file.removal);
  const findings: Attributed[] = [...file.fixed];
  // Readable content stands there again: a program was only under way, or saved by way of a temporary name.
  const recovered = !removed && last !== undefined && lastContent !== undefined && isReadable(lastContent);
  for (const write of recovered ? [last] : file.writes) {
    const after = write.compared?.after ?? write.content;
    // A file is born empty: only one that stood there can be emptied.
    if (after === undefined || (write.begun && after.sizeBytes === 0)) continue;
    const before = write.compared?.before ?? file.before ?? file.removal?.before;
    const replacement: Replacement = { path: file.path, before, after, newPath: undefined, blocks: write.compared?.blocks, how: write.how };
    for (const indicator of contentIndicators) attribute(findings, indicator.judge(replacement), [write.actor], write.atMs, write.atMs);
  }
  if (removed && file.removal !== undefined) judgeRemoval(file, file.removal, findings);
  const { renaming } = file;
  if (renaming !== undefined && !(recovered && last.order > renaming.order) && renaming.newPath !== file.path) {
    const content = lastContent ?? renaming.content ?? file.before;
    attribute(findings, extensionChurn(file.path, renaming.newPath, content), [renaming.actor], renaming.atMs, renaming.atMs);
  }
  return findings;
}

/**
 * Compressed, or saved by way of a backup: then what was removed is the old state, and whether the file is lost is decided by what took its name. Unless an unreadable
 * copy had just been made in the same go: then what is left may be there for show.
 */
function livesOn({ path, successor }: FileCase, removal: Removal): boolean {
  const lives = removal.compressed || (removal.nameTaken && successor?.path !== path);
  return lives && (successor === undefined || successor.atMs > removal.atMs || !areOneAct(successor, removal));
}

function judgeRemoval(file: FileCase, removal: Removal, findings: Attributed[]): void {
  const before = removal.before ?? file.before;
  const { successor, place } = file;
  if (successor !== undefined) {
    const replacement: Replacement = {
      path: file.path,
      before,
      after: successor.content,
      newPath: successor.path,
      blocks: undefined,
      how: 'new-and-deleted',
    };
    const actors = [...new Set([...successor.actors, removal.actor])];
    const atMs = Math.max(successor.atMs, removal.atMs);
    const judged = contentIndicators.map((indicator) => indicator.judge(replacement)).filter((finding) => finding !== undefined);
    // Of a type that nobody knows, or unreadable before: no harm can be proven, but it goes with the harm that is.
    for (const finding of judged.length > 0 ? judged : [exchanged(file.path, successor)])
      attribute(findings, finding, actors, atMs, Math.min(successor.atMs, removal.atMs));
    if (before !== undefined && isReadable(before) && successor.content.structure !== 'encrypted') {
      attribute(findings, extensionChurn(file.path, successor.path, successor.content), successor.actors, successor.atMs, successor.atMs);
    }
  } else if (place !== undefined) {
    const { container } = place;
    attribute(
      findings,
      archiveAndDelete(file.path, before, container),
      [...new Set([...container.actors, removal.actor])],
      removal.atMs,
      Math.min(container.atMs, removal.atMs),
    );
  }
}

function exchanged(path: string, { path: newPath, content }: Made): Finding | undefined {
  if (content.structure !== 'encrypted' || !newPath.startsWith(`${path}.`)) return undefined;
  const summary = `${baseName(path)} is gone and beside it stands ${baseName(newPath)}, which nobody can read`;
  return { indicator: 'write-new-delete-old', kind: 'half', weight: 0, technique: 'T1486', summary };
}

function attribute(findings: Attributed[], finding: Finding | undefined, actors: readonly string[], atMs: number, sinceMs: number): void {
  if (finding !== undefined) findings.push({ ...finding, actors, atMs, sinceMs });
}
