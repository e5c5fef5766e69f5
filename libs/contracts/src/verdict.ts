import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsDefined,
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

export const severities = ['low', 'medium', 'high', 'critical'] as const;
export type Severity = (typeof severities)[number];

/** `suspicion`: the vault pins, nobody is told. `warning`: an incident of low severity, no mail, no action. `attack`: contain and undo. */
export const verdictLevels = ['suspicion', 'warning', 'attack'] as const;
export type VerdictLevel = (typeof verdictLevels)[number];

/** What members of a group have in common; see detection.md. */
export const groupKinds = ['actor', 'process-tree', 'user', 'client', 'subtree', 'share', 'executable'] as const;
export type GroupKind = (typeof groupKinds)[number];

/** A MITRE ATT&CK technique. */
export class Technique {
  @Matches(/^T\d{4}(\.\d{3})?$/)
  id: string;
  @IsString()
  name: string;
}

/** One reason for a verdict, on one file where it concerns one. */
export class Evidence {
  /** Name of the indicator, e.g. `content-replaced`. */
  @IsString()
  @Length(1, 64)
  indicator: string;
  /** One sentence a person can read, in English; other languages are rendered from indicator and fields by who shows it. */
  @IsString()
  summary: string;
  /** Points added to the score. */
  @IsNumber()
  weight: number;
  @IsOptional()
  @IsString()
  path?: string;
  /** ISO 8601, UTC, time of the event. */
  @Matches(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/)
  at: string;
}

/** One actor of the group with the evidence of its own (rules.md 6). */
export class VerdictMember {
  @IsDefined()
  @ValidateNested()
  @Type(() => Actor)
  actor: Actor;
  @IsNumber()
  @Min(0)
  score: number;
  /** Has enough evidence of its own to be contained and undone; else it is listed only. */
  @IsBoolean()
  actionable: boolean;
  /** Milliseconds since the epoch of this member's first harmful operation. */
  @IsNumber()
  @Min(0)
  firstActivityAtMs: number;
  /** Distinct files with evidence. */
  @IsInt()
  @Min(0)
  files: number;
  @IsArray()
  @ArrayMaxSize(50)
  @ValidateNested({ each: true })
  @Type(() => Evidence)
  evidence: Evidence[];
}

/** An actor or group judged. Deterministic: the same stream gives the same verdict with the same id (rules.md 2). */
export class Verdict {
  /** Hash of host, group, level and the first fact: a replayed verdict acts once. */
  @Matches(/^[0-9a-f]{32}$/)
  id: string;
  /** The same for all verdicts about one attack: later verdicts (more members, higher level) update the incident. */
  @Matches(/^[0-9a-f]{32}$/)
  attackId: string;
  @IsString()
  @Length(1, 253)
  host: string;
  /** Time of the event that crossed the line, milliseconds since the epoch. */
  @IsNumber()
  @Min(0)
  atMs: number;
  @IsIn(verdictLevels)
  level: VerdictLevel;
  @IsNumber()
  @Min(0)
  score: number;
  @IsIn(severities)
  severity: Severity;
  @IsInt()
  @Min(0)
  @Max(100)
  confidence: number;
  /** One line for the subject of a mail, e.g. `Files are being encrypted by openssl (user root)`. */
  @IsString()
  title: string;
  @IsIn(groupKinds)
  groupKind: GroupKind;
  /** What the group has in common: the root process's key, the user, the directory … */
  @IsString()
  groupKey: string;
  @IsArray()
  @ArrayMaxSize(256)
  @ValidateNested({ each: true })
  @Type(() => VerdictMember)
  members: VerdictMember[];
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => Technique)
  techniques: Technique[];
  /** Family of ransomware where extension, note or marker fit; it names, it never decides. */
  @IsOptional()
  @IsString()
  family?: string;
  @IsNumber()
  @Min(0)
  firstActivityAtMs: number;
  /** The last batch the judgement rests on. */
  @Matches(/^[0-9a-f]{8}$/)
  watcherId: string;
  @IsInt()
  @Min(0)
  sequence: number;
}
