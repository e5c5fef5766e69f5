import type { BlockComparison, ContentFeatures, FileStat } from '@kuramori/contracts';
import type { ContentRef } from '../store/content';
import type { StoredChunk } from '../store/chunk-store';

/** What shall be read and kept. Plain data: it crosses threads. */
export interface CaptureRequest {
  /** Path text. */
  readonly path: string;
  /** Compare with this content and describe both. */
  readonly compare?: { readonly before?: ContentRef & { readonly features?: ContentFeatures } };
  /** A longer file is looked at but not kept now. */
  readonly atMostBytes?: number;
  /** Looked at and described, never kept: there is no room, or it is excluded. */
  readonly keep: boolean;
}

/** How the content differs from the one before. */
export interface Observation {
  readonly before?: ContentFeatures;
  readonly after: ContentFeatures;
  readonly blocks?: BlockComparison;
}

export interface Captured {
  readonly outcome: 'captured';
  /** The state that the content belongs to. */
  readonly stat: FileStat;
  readonly entry: 'file' | 'symlink';
  /** When reading began, epoch milliseconds: what was written before that moment is in it. */
  readonly atMs: number;
  readonly content: ContentRef;
  /** Of `content`, each with the room it takes. */
  readonly stored: readonly StoredChunk[];
  readonly observed?: Observation;
}

/** Why nothing was kept. */
export interface NotCaptured {
  readonly outcome:
    | 'gone'
    /** It was written to during each of three attempts. */
    | 'changing'
    | 'unreadable'
    /** A parent is a symbolic link by now: what the path leads to is none of ours. */
    | 'elsewhere'
    /** Not a regular file or link: nothing to keep. */
    | 'no-content'
    | 'too-long'
    | 'not-kept'
    | 'full';
  readonly detail?: string;
  readonly stat?: FileStat;
  readonly observed?: Observation;
}

export type Capture = Captured | NotCaptured;

/** Features of content that the store holds. */
export interface DescribeRequest {
  readonly content: ContentRef;
  /** The file's name, for what its extension promises. */
  readonly name: string;
}
