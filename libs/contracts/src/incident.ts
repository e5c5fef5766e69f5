import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsDefined,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  IsUUID,
  Length,
  Matches,
  Max,
  Min,
  ValidateNested,
} from 'class-validator';
import { actorKinds, type ActorKind, ProcessRef } from './actor';
import { Evidence, severities, type Severity, Technique } from './verdict';

/**
 * `opened` → `contained` → `restored` → `closed`; `updated` announces news without a change of state; `false_alarm` is the operator's word.
 * An incident with state `opened` may go to `restored` directly where containment was not possible.
 */
export const incidentStates = ['opened', 'contained', 'restored', 'closed', 'false_alarm'] as const;
export type IncidentState = (typeof incidentStates)[number];
/** Last token of the subject `kuramori.v1.<host>.incident.<event>`. */
export const incidentEvents = ['opened', 'updated', 'contained', 'restored', 'closed', 'false_alarm'] as const;
export type IncidentEvent = (typeof incidentEvents)[number];

const isoUtc = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;

/** The main actor as shown outside: the root of what was contained. */
export class IncidentActor {
  @IsIn(actorKinds)
  kind: ActorKind;
  @IsOptional()
  @IsInt()
  pid?: number;
  @IsOptional()
  @IsString()
  exe?: string;
  @IsOptional()
  @Matches(/^[0-9a-f]{64}$/)
  exeSha256?: string;
  @IsOptional()
  @IsString()
  commandLine?: string;
  @IsOptional()
  @IsString()
  user?: string;
  @IsOptional()
  @IsString()
  client?: string;
  /** The processes of the attack, root first, as far as known. */
  @IsArray()
  @ArrayMaxSize(256)
  @ValidateNested({ each: true })
  @Type(() => ProcessRef)
  processTree: ProcessRef[];
}

export const actionStatuses = ['planned', 'running', 'done', 'failed', 'skipped', 'would-do'] as const;
export type ActionStatus = (typeof actionStatuses)[number];

/** One step of the response, audited. `would-do` in observe mode. */
export class IncidentAction {
  /** `suspend`, `kill`, `quarantine-program`, `restore`, `clean-up`, `pin`, … */
  @IsString()
  @Length(1, 64)
  name: string;
  @IsIn(actionStatuses)
  status: ActionStatus;
  @Matches(isoUtc)
  at: string;
  /** For people: what was done to what, or why not and what to do. */
  @IsString()
  detail: string;
}

/** Counts of distinct files; the lists are asked for with `incident ID --files`. */
export class IncidentFiles {
  @IsInt()
  @Min(0)
  touched: number;
  @IsInt()
  @Min(0)
  restored: number;
  @IsInt()
  @Min(0)
  alreadyIntact: number;
  @IsInt()
  @Min(0)
  quarantined: number;
  @IsInt()
  @Min(0)
  unrecoverable: number;
}

/** The one record of an attack, owned by the responder. */
export class Incident {
  @IsUUID()
  id: string;
  @IsString()
  @Length(1, 253)
  host: string;
  @IsIn(incidentStates)
  state: IncidentState;
  @IsIn(severities)
  severity: Severity;
  @IsInt()
  @Min(0)
  @Max(100)
  confidence: number;
  @IsString()
  title: string;
  @Matches(isoUtc)
  openedAt: string;
  @Matches(isoUtc)
  firstActivityAt: string;
  @IsOptional()
  @Matches(isoUtc)
  containedAt?: string;
  @IsOptional()
  @Matches(isoUtc)
  restoredAt?: string;
  @IsOptional()
  @Matches(isoUtc)
  closedAt?: string;
  @IsDefined()
  @ValidateNested()
  @Type(() => IncidentActor)
  actor: IncidentActor;
  @IsOptional()
  @IsString()
  family?: string;
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => Technique)
  techniques: Technique[];
  @IsArray()
  @ArrayMaxSize(500)
  @ValidateNested({ each: true })
  @Type(() => Evidence)
  evidence: Evidence[];
  @IsArray()
  @ArrayMaxSize(1000)
  @ValidateNested({ each: true })
  @Type(() => IncidentAction)
  actions: IncidentAction[];
  @IsDefined()
  @ValidateNested()
  @Type(() => IncidentFiles)
  files: IncidentFiles;
}

/** CloudEvents 1.0 (structured JSON) around an incident; `type` is `jp.kuramori.incident.<event>.v1`. */
export class IncidentCloudEvent {
  @IsIn(['1.0'])
  specversion: '1.0';
  /** Unique per source: the incident's id and a number that grows with each event of it. */
  @IsString()
  @Length(1, 128)
  id: string;
  /** `/kuramori/<host>/responder`. */
  @IsString()
  source: string;
  @Matches(/^jp\.kuramori\.incident\.(opened|updated|contained|restored|closed|false_alarm)\.v1$/)
  type: string;
  /** The incident's id. */
  @IsString()
  subject: string;
  @Matches(isoUtc)
  time: string;
  @IsIn(['application/json'])
  datacontenttype: 'application/json';
  @IsDefined()
  @ValidateNested()
  @Type(() => Incident)
  data: Incident;
}
