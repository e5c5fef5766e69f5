import type { EntryKind, FactOrigin, FileOperation, FileStat } from '@kuramori/contracts';

/** An entry of a protected directory by its stable id; `path` is where it is, or was last when it is not present. */
export interface FileRow extends FileStat {
  id: number;
  path: string;
  present: 0 | 1;
  kind: EntryKind;
  /** The version that holds the content as last read; null: never kept. */
  version: number | null;
  /** Highest number given to a version of this path or file. */
  lastNumber: number;
  /** Content was changed that no version holds yet, since when; who changed it, and the journal entry that waits for its version. */
  pendingSinceMs: number | null;
  pendingActor: string | null;
  pendingEntry: number | null;
}

export type VersionState = 'clean' | 'suspect';

export interface VersionRow {
  id: number;
  fileId: number;
  number: number;
  /** When the content was read (for adopted copies: copied). */
  atMs: number;
  kind: 'file' | 'symlink';
  sha256: string;
  size: number;
  /** JSON array of chunk names; null: one chunk. */
  chunks: string | null;
  mode: number;
  uid: number;
  gid: number;
  mtimeNs: string;
  actor: string;
  actorWords: string;
  state: VersionState;
  pinned: 0 | 1;
  /** ContentFeatures, JSON, where computed. */
  features: string | null;
}

/** Owner, permissions and modification time, as an undo gives them back. */
export interface Metadata {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeNs: string;
}

export interface JournalRow {
  id: number;
  factId: string;
  atMs: number;
  operation: FileOperation;
  kind: EntryKind;
  path: string;
  oldPath: string | null;
  actor: string;
  origin: FactOrigin;
  fileId: number;
  fromVersion: number | null;
  toVersion: number | null;
  written: 0 | 1;
  /** {@link Metadata}, JSON. */
  before: string | null;
  after: string | null;
  /** For a rename or creation that took the place of another file. */
  replacedFile: number | null;
  replacedVersion: number | null;
  replacedMetadata: string | null;
}

export interface ContentRow {
  readonly sha256: string;
  readonly size: number;
  readonly stored: number;
  /** Change of the number of versions that hold it. */
  readonly refs: number;
}

export function metadataOf({ mode, uid, gid, mtimeNs }: Metadata): Metadata {
  return { mode, uid, gid, mtimeNs };
}

export function parseMetadata(json: string | null): Metadata | undefined {
  return json === null ? undefined : (JSON.parse(json) as Metadata);
}

export function chunkNames(json: string | null): readonly string[] | null {
  return json === null ? null : (JSON.parse(json) as string[]);
}
