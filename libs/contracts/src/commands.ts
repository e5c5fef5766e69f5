/** Requests and replies on `kuramori.v1.<host>.command.<service>.<name>`: core NATS request/reply, no stream. */
import { Type } from 'class-transformer';
import { ArrayMaxSize, IsArray, IsBoolean, IsIn, IsInt, IsNumber, IsOptional, IsString, Length, Matches, Min, ValidateNested } from 'class-validator';
import { Incident } from './incident';

/** Every command answers with this around its result: an expected failure is a value, not a lost reply. */
export class CommandReply {
  ok: boolean;
  result?: unknown;
  /** What was wrong, naming the field, and what to do; only when `ok` is false. */
  error?: string;
  /** `invalid` → exit status 2, `not-found` and `failed` → 1. */
  code?: 'invalid' | 'not-found' | 'failed';
}

/** One change Kuramori is about to make (rules.md 17): facts that match travel with origin `kuramori`. */
export class AnnouncedChange {
  @IsString()
  @Length(1, 32_768)
  path: string;
  /** Content that the path will have (hex); absent when the entry will be gone. */
  @IsOptional()
  @Matches(/^[0-9a-f]{64}$/)
  sha256?: string;
}

/** What Kuramori writes beside a file before it renames it into place bears such a name: no news, wherever it is seen. */
export const restorePrefix = '.kuramori-restore-';

/** `watcher.announce`: sent by the vault before a restore or a move into quarantine. Reply result: `{accepted: number}`. */
export class AnnounceCommand {
  @IsArray()
  @ArrayMaxSize(512)
  @ValidateNested({ each: true })
  @Type(() => AnnouncedChange)
  changes: AnnouncedChange[];
}

/** `watcher.rescan`: compare the roots (or one path) with the vault's catalogue now. Reply result: `{started: true}`. */
export class RescanCommand {
  @IsOptional()
  @IsString()
  path?: string;
}

/** `watcher.flush`: publish all that was seen up to now. Reply result: {@link JournalPosition} of the batch that holds it. */
export class FlushCommand {}

/** A place in the stream of facts. */
export class JournalPosition {
  @Matches(/^[0-9a-f]{8}$/)
  watcherId: string;
  @IsInt()
  @Min(0)
  sequence: number;
}

/** `vault.catalogue`: what the vault believes is on the disk, in pages, for the rescan. Reply result: {@link CataloguePage}. */
export class CatalogueQuery {
  /** Answered once the journal holds everything up to there; without it at once. */
  @IsOptional()
  @ValidateNested()
  @Type(() => JournalPosition)
  position?: JournalPosition;
  /** Only entries whose path sorts after this one (byte order); absent for the first page. */
  @IsOptional()
  @IsString()
  after?: string;
  /** Only paths equal to or below this one. */
  @IsOptional()
  @IsString()
  below?: string;
  @IsInt()
  @Min(1)
  limit: number;
}

export class CatalogueEntry {
  @IsString()
  path: string;
  @Matches(/^\d+$/)
  dev: string;
  @Matches(/^\d+$/)
  ino: string;
  @IsInt()
  size: number;
  @Matches(/^-?\d+$/)
  mtimeNs: string;
  @Matches(/^-?\d+$/)
  ctimeNs: string;
}

export class CataloguePage {
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => CatalogueEntry)
  entries: CatalogueEntry[];
}

/** `vault.undo`: undo what these actors did since a moment, and nothing else. Waits until the journal has reached `position`. Reply result: {@link RestoreReport}. */
export class UndoCommand {
  @IsString()
  @Length(1, 64)
  incidentId: string;
  /** Actor keys whose changes are undone. */
  @IsArray()
  @IsString({ each: true })
  actors: string[];
  /** Changes by these actors before this moment stay (milliseconds since the epoch). */
  @IsNumber()
  @Min(0)
  sinceMs: number;
  @IsOptional()
  @ValidateNested()
  @Type(() => JournalPosition)
  position?: JournalPosition;
  /** For the actor `unknown`: only changes at or below these directories. */
  @IsOptional()
  @IsArray()
  @IsString({ each: true })
  below?: string[];
  @IsBoolean()
  dryRun: boolean;
}

/** `vault.restore`: files or trees as they were at a time. Reply result: {@link RestoreReport}. */
export class RestoreCommand {
  @IsArray()
  @IsString({ each: true })
  paths: string[];
  /** Milliseconds since the epoch; absent: the newest clean version. */
  @IsOptional()
  @IsNumber()
  atMs?: number;
  /** Version number as shown by `versions`; only with one path that is a file. */
  @IsOptional()
  @IsInt()
  @Min(1)
  version?: number;
  /** Directory to restore into instead of the original place. */
  @IsOptional()
  @IsString()
  to?: string;
  @IsBoolean()
  dryRun: boolean;
}

export const restoreStepKinds = ['write', 'rename', 'make-directory', 'set-metadata', 'quarantine', 'put-beside', 'none'] as const;
export type RestoreStepKind = (typeof restoreStepKinds)[number];
export const restoreOutcomes = ['planned', 'done', 'already-intact', 'failed', 'unrecoverable', 'conflict'] as const;
export type RestoreOutcome = (typeof restoreOutcomes)[number];

export class RestoreItem {
  @IsString()
  path: string;
  @IsIn(restoreStepKinds)
  step: RestoreStepKind;
  @IsIn(restoreOutcomes)
  outcome: RestoreOutcome;
  /** For people: from where, to where, or why not. */
  @IsString()
  detail: string;
}

export class RestoreReport {
  /** Distinct files concerned. */
  @IsInt()
  touched: number;
  @IsInt()
  restored: number;
  @IsInt()
  alreadyIntact: number;
  @IsInt()
  quarantined: number;
  @IsInt()
  unrecoverable: number;
  @IsInt()
  conflicts: number;
  @IsBoolean()
  dryRun: boolean;
  /** Every item, in the order of the plan. A reply holds the first 2,000; `vault.report` pages through the rest. */
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => RestoreItem)
  items: RestoreItem[];
}

/** `vault.report`: the items of the last undo of an incident, in pages. Reply result: `{items: RestoreItem[], total}`. */
export class ReportQuery {
  @IsString()
  incidentId: string;
  @IsInt()
  @Min(0)
  offset: number;
  @IsInt()
  @Min(1)
  limit: number;
}

/** `vault.versions`: stored versions of one file. Reply result: `{versions: VersionInfo[]}`, newest first. */
export class VersionsQuery {
  @IsString()
  @Length(1, 32_768)
  path: string;
}

export class VersionInfo {
  version: number;
  /** ISO 8601. */
  at: string;
  sizeBytes: number;
  sha256: string;
  /** Actor in words: `openssl (pid 312, user alice)`, `baseline`, `unknown`. */
  actor: string;
  state: 'clean' | 'suspect';
  pinned: boolean;
}

/** `vault.pin`: no version of these files may be evicted, and versions by these actors since then are suspect. Reply result: `{pinned: number}`. */
export class PinCommand {
  /** For people. */
  @IsString()
  reason: string;
  /** What is known against the actors: a suspicion that no attack follows ends by itself. */
  @IsIn(['suspicion', 'attack'])
  level: 'suspicion' | 'attack';
  @IsArray()
  @IsString({ each: true })
  actors: string[];
  @IsNumber()
  @Min(0)
  sinceMs: number;
}

/** `vault.quarantine`: quarantined entries, newest first, in pages. Reply result: {@link QuarantinePage}. */
export class QuarantineQuery {
  @IsOptional()
  @IsString()
  incidentId?: string;
  /** `next` of the page before; absent: the first page. */
  @IsOptional()
  @IsInt()
  @Min(0)
  after?: number;
  /** Entries in a page; the vault gives no more than 256. */
  @IsOptional()
  @IsInt()
  @Min(1)
  limit?: number;
}

export interface QuarantinePage {
  readonly entries: readonly QuarantineEntry[];
  /** Absent: this is the last page. Smaller with every page. */
  readonly next?: number;
}

export class QuarantineEntry {
  id: string;
  /** Where it was. */
  path: string;
  /** Where it is now. */
  storedAt: string;
  incidentId: string;
  at: string;
  sizeBytes: number;
  reason: 'leftover' | 'replaced' | 'program';
}

/** `vault.release`: puts a quarantined entry back to its place (or `to`), never over something. Reply result: `{path}`. */
export class ReleaseCommand {
  @IsString()
  id: string;
  @IsOptional()
  @IsString()
  to?: string;
}

/** `vault.quarantine-file`: moves one file (a program) into quarantine. Sent by the responder. Reply result: `{entry: QuarantineEntry}`. */
export class QuarantineFileCommand {
  @IsString()
  path: string;
  @IsString()
  incidentId: string;
  @Matches(/^[0-9a-f]{64}$/)
  sha256: string;
}

/** `responder.incidents`: history, newest first. Reply result: {@link IncidentList}. */
export class IncidentsQuery {
  @IsOptional()
  @IsNumber()
  sinceMs?: number;
  @IsOptional()
  @IsInt()
  @Min(1)
  limit?: number;
}

export class IncidentList {
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => Incident)
  incidents: Incident[];
}

/** `responder.incident`: one incident by its id or an unambiguous prefix of at least 4 characters. Reply result: `{incident: Incident}`. */
export class IncidentQuery {
  @IsString()
  @Length(4, 36)
  id: string;
}

/** `responder.undo`: the operator wants done (or planned) what the responder does by itself: undo what the actors of an incident did, and nothing else. Reply result: {@link RestoreReport}. */
export class UndoIncidentCommand {
  /** As in {@link IncidentQuery}. */
  @IsString()
  @Length(4, 36)
  id: string;
  @IsBoolean()
  dryRun: boolean;
}

export const incidentDecisions = ['close', 'reopen', 'false-alarm'] as const;
export type IncidentDecision = (typeof incidentDecisions)[number];

/** `responder.decide`: the operator's word. Reply result: `{incident: Incident}`. */
export class DecideCommand {
  @IsString()
  @Length(4, 36)
  id: string;
  @IsIn(incidentDecisions)
  decision: IncidentDecision;
}
