import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsNumber,
  IsOptional,
  IsString,
  Length,
  Matches,
  Max,
  Min,
  ValidateNested,
} from 'class-validator';
import { ContentFeatures } from './file-batch';
import { encodedBytes, maxMessageBytes } from './message-size';

/** Old and new content compared block by block (rules.md 16). Shares are 0–1 of the compared 4 KiB blocks. */
export class BlockComparison {
  /** Blocks compared at the same offset; sampled evenly over the file when there are more than 4,096. */
  @IsInt()
  @Min(0)
  comparedBlocks: number;
  /** Share of compared blocks whose bytes differ. */
  @IsNumber()
  @Min(0)
  @Max(1)
  changedShare: number;
  /** Share of compared blocks that changed from not random-looking to random-looking. */
  @IsNumber()
  @Min(0)
  @Max(1)
  turnedRandomShare: number;
  /** Likeness of the two contents, 1 identical, 0 nothing in common; content-defined, so that an insertion does not make all differ. */
  @IsNumber()
  @Min(0)
  @Max(1)
  similarity: number;
}

export const observedChanges = ['stored', 'removed'] as const;
export type ObservedChangeKind = (typeof observedChanges)[number];

/**
 * What the vault saw of one change, keyed by the fact that reported it, so that the detector can join both streams.
 * `stored`: a new version was kept. `removed`: the entry was deleted, or replaced by a rename; `before` says what was lost from the share.
 */
export class ObservedChange {
  @IsString()
  @Length(1, 128)
  factId: string;
  @IsNumber()
  @Min(0)
  atMs: number;
  @IsIn(observedChanges)
  change: ObservedChangeKind;
  @IsString()
  @Length(1, 32_768)
  path: string;
  /** Key of the actor that the fact names. */
  @IsString()
  actor: string;
  /** Number of the version of this file that was kept, from 1; only for `stored`. */
  @IsOptional()
  @IsInt()
  @Min(1)
  version?: number;
  @IsOptional()
  @Matches(/^[0-9a-f]{64}$/)
  sha256?: string;
  /** Features of the last clean version before this change; absent where the vault held none. */
  @IsOptional()
  @ValidateNested()
  @Type(() => ContentFeatures)
  before?: ContentFeatures;
  /** Features of the new content, over the whole stored file; only for `stored`. */
  @IsOptional()
  @ValidateNested()
  @Type(() => ContentFeatures)
  after?: ContentFeatures;
  /** Only where both contents exist. */
  @IsOptional()
  @ValidateNested()
  @Type(() => BlockComparison)
  blocks?: BlockComparison;
}

/**
 * Subject `vault.stored`: one per handled batch of facts, also when it holds no changes (it moves the journal's position on). Changes that are too much for one
 * message come in several of the same sequence, see storedMessages.
 */
export class VaultStored {
  @IsString()
  @Length(1, 253)
  host: string;
  /** The watcher run and batch up to which the vault's journal is complete. */
  @Matches(/^[0-9a-f]{8}$/)
  watcherId: string;
  @IsInt()
  @Min(0)
  sequence: number;
  /** The `completeUntilMs` of that batch. */
  @IsNumber()
  @Min(0)
  completeUntilMs: number;
  @IsArray()
  @ArrayMaxSize(512)
  @ValidateNested({ each: true })
  @Type(() => ObservedChange)
  changes: ObservedChange[];
}

/** The same in messages that the bus takes, each with as many of the changes as fit. The same message is always divided in the same way. */
export function storedMessages(stored: VaultStored): VaultStored[] {
  const parts: ObservedChange[][] = [[]];
  let bytes = 0;
  for (const change of stored.changes) {
    const own = encodedBytes(change);
    if (bytes > 0 && bytes + own > maxMessageBytes) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)?.push(change);
    bytes += own;
  }
  return parts.map((changes) => ({ ...stored, changes }));
}

export const vaultNoticeKinds = [
  'baseline-done',
  'space-low',
  'space-recovered',
  'restore-done',
  'pinned',
  'evicted',
  'copy-failed',
  'rescan-pending',
] as const;
export type VaultNoticeKind = (typeof vaultNoticeKinds)[number];

/** Subject `vault.<kind with underscores>`: what operators hear of the vault beside stored versions. */
export class VaultNotice {
  @IsString()
  @Length(1, 253)
  host: string;
  @IsIn(vaultNoticeKinds)
  kind: VaultNoticeKind;
  @IsNumber()
  @Min(0)
  atMs: number;
  /** For people, one sentence with what to do. */
  @IsString()
  detail: string;
  @IsOptional()
  @IsString()
  path?: string;
  @IsOptional()
  @IsBoolean()
  alarm?: boolean;
}
