import type { EntryKind, FileOperation } from '@kuramori/contracts';
import { type JournalRow, type Metadata, parseMetadata } from '../catalogue/rows';

/** One change as the planner sees it. */
export interface JournalEntry {
  readonly id: number;
  readonly atMs: number;
  readonly operation: FileOperation;
  readonly kind: EntryKind;
  readonly path: string;
  readonly oldPath: string | undefined;
  readonly fileId: number;
  /** Stored content before and after; null: none is stored. */
  readonly from: number | null;
  readonly to: number | null;
  /** Bytes were written; else a change of `from` to `to` alone says so. */
  readonly written: boolean;
  readonly before: Metadata | undefined;
  readonly after: Metadata | undefined;
  readonly replaced: { readonly fileId: number; readonly version: number | null; readonly metadata: Metadata | undefined } | undefined;
  /** This is what shall be undone. */
  readonly undo: boolean;
  /** Done by Kuramori: what it left counts as wanted from then on. */
  readonly own: boolean;
}

export function toEntry(row: JournalRow, undo: boolean): JournalEntry {
  const { replacedFile } = row;
  return {
    id: row.id,
    atMs: row.atMs,
    operation: row.operation,
    kind: row.kind,
    path: row.path,
    oldPath: row.oldPath ?? undefined,
    fileId: row.fileId,
    from: row.fromVersion,
    to: row.toVersion,
    written: row.written === 1,
    before: parseMetadata(row.before),
    after: parseMetadata(row.after),
    replaced:
      replacedFile === null ? undefined : { fileId: replacedFile, version: row.replacedVersion, metadata: parseMetadata(row.replacedMetadata) },
    undo,
    own: row.origin === 'kuramori',
  };
}
