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
import { Actor } from './actor';

/** Facts per batch: what a reader handles in some milliseconds. Long names make it fewer, see maxMessageBytes. */
export const maxFactsPerBatch = 256;

export const fileOperations = ['created', 'modified', 'deleted', 'renamed', 'metadata'] as const;
export type FileOperation = (typeof fileOperations)[number];
export const entryKinds = ['file', 'directory', 'symlink', 'other'] as const;
export type EntryKind = (typeof entryKinds)[number];
export const structures = ['intact', 'broken', 'encrypted', 'unknown'] as const;
/** `encrypted`: a well-formed container that says itself that its content is encrypted (7z/zip with password, OpenPGP, age …). */
export type Structure = (typeof structures)[number];
export const factOrigins = ['external', 'kuramori'] as const;
export type FactOrigin = (typeof factOrigins)[number];

/** The part of stat(2) that identifies a state of a file. 64-bit values are decimal strings: JSON numbers would round them. */
export class FileStat {
  @Matches(/^\d+$/)
  dev: string;
  @Matches(/^\d+$/)
  ino: string;
  /** Bytes. */
  @IsInt()
  @Min(0)
  size: number;
  /** Nanoseconds since the epoch. */
  @Matches(/^-?\d+$/)
  mtimeNs: string;
  /** Nanoseconds since the epoch. */
  @Matches(/^-?\d+$/)
  ctimeNs: string;
  /** Permission and type bits as in st_mode. */
  @IsInt()
  @Min(0)
  mode: number;
  @IsInt()
  @Min(0)
  uid: number;
  @IsInt()
  @Min(0)
  gid: number;
  @IsInt()
  @Min(0)
  nlink: number;
}

/** What a file's bytes look like: computed by libs/content from samples, so figures are of the sampled bytes. */
export class ContentFeatures {
  /** Size of the whole file in bytes when it was sampled. */
  @IsInt()
  @Min(0)
  sizeBytes: number;
  @IsInt()
  @Min(0)
  sampledBytes: number;
  /** Short type name found by magic or text heuristics (`pdf`, `zip`, `docx`, `jpeg`, `text`, …); `data` where nothing fits, `empty` for no bytes. */
  @IsString()
  type: string;
  /** The type the name's extension promises, empty where the extension is unknown or missing. */
  @IsString()
  extensionType: string;
  /** Shannon entropy of the sample, bits per byte, 0–8. */
  @IsNumber()
  @Min(0)
  @Max(8)
  entropy: number;
  /** Chi-square against the uniform distribution (255 degrees of freedom) of the sample's byte histogram; ~255 for random bytes. 0 for an empty file. */
  @IsNumber()
  @Min(0)
  chiSquare: number;
  /** Share (0–1) of sampled windows that can't be told from random bytes. */
  @IsNumber()
  @Min(0)
  @Max(1)
  randomShare: number;
  /** Share (0–1) of bytes that are printable text (ASCII printable, white space, valid UTF-8). */
  @IsNumber()
  @Min(0)
  @Max(1)
  printableShare: number;
  /** Number of distinct byte values in the sample, 0–256: 64–66 with high printableShare is base64. */
  @IsInt()
  @Min(0)
  @Max(256)
  distinctBytes: number;
  @IsIn(structures)
  structure: Structure;
  /** SHA-256 of the whole content (hex), where the file was small enough to be read whole. */
  @IsOptional()
  @Matches(/^[0-9a-f]{64}$/)
  sha256?: string;
  /** First characters of a small text file (at most 4,096), for ransom-note wording. Only for files up to 64 KiB that are new. */
  @IsOptional()
  @IsString()
  @Length(0, 4096)
  textHead?: string;
}

/** One file operation, coalesced: what happened to one path, by whom, and what the bytes look like now. */
export class FileFact {
  /** Unique for ever: `<watcherId>-<sequence of the fact in decimal>`. */
  @IsString()
  @Length(1, 128)
  id: string;
  /** When it happened, milliseconds since the epoch (may have a fraction). Time of the event, never of handling. */
  @IsNumber()
  @Min(0)
  atMs: number;
  @IsIn(fileOperations)
  operation: FileOperation;
  @IsIn(entryKinds)
  kind: EntryKind;
  /** Absolute path in the reversible text form of libs/platform `path-text` (non-UTF-8 bytes are mapped, nothing is lost). For a rename: the new path. */
  @IsString()
  @Length(1, 32_768)
  path: string;
  /** For a rename: the path before. */
  @IsOptional()
  @IsString()
  oldPath?: string;
  /** A rename replaced a file that stood at `path`. */
  @IsOptional()
  @IsBoolean()
  replaced?: boolean;
  /** `created` or `modified`: bytes were written (a MODIFY or CLOSE_WRITE was seen), as against a mere create or touch. */
  @IsOptional()
  @IsBoolean()
  written?: boolean;
  /** The actor's key; the actor itself stands in the batch's `actors`. */
  @IsString()
  @Length(1, 512)
  actor: string;
  @IsIn(factOrigins)
  origin: FactOrigin;
  /** Found by comparing the disk with the vault's catalogue, not seen happening. */
  @IsOptional()
  @IsBoolean()
  rescan?: boolean;
  /** State of the entry when it was looked at after the operation; absent when it was gone by then. */
  @IsOptional()
  @ValidateNested()
  @Type(() => FileStat)
  stat?: FileStat;
  /** Features of the new bytes; for files that were written, or renamed to a new extension. */
  @IsOptional()
  @ValidateNested()
  @Type(() => ContentFeatures)
  content?: ContentFeatures;
}

/** Everything a watcher saw since its last batch, in order. `sequence` grows by one per batch and watcher run; a hole means loss. */
export class FileBatch {
  @IsString()
  @Length(1, 253)
  host: string;
  /** Names one run of one watcher: `<random 8 hex>`; `sequence` restarts at 1 with it. */
  @Matches(/^[0-9a-f]{8}$/)
  watcherId: string;
  @IsInt()
  @Min(1)
  sequence: number;
  /** Everything that happened before this moment is in this or an earlier batch (milliseconds since the epoch). */
  @IsNumber()
  @Min(0)
  completeUntilMs: number;
  @IsIn(['fanotify', 'chokidar', 'windows', 'memory'])
  sensor: 'fanotify' | 'chokidar' | 'windows' | 'memory';
  /** The sensor lost events before this batch (queue overflow …): a rescan is under way. */
  @IsOptional()
  @IsBoolean()
  gap?: boolean;
  /** Every actor named by a fact of this batch. */
  @IsArray()
  @ArrayMaxSize(maxFactsPerBatch)
  @ValidateNested({ each: true })
  @Type(() => Actor)
  actors: Actor[];
  /** May be empty: a heartbeat that moves `completeUntilMs` on. */
  @IsArray()
  @ArrayMaxSize(maxFactsPerBatch)
  @ValidateNested({ each: true })
  @Type(() => FileFact)
  facts: FileFact[];
}
