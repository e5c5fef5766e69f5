import { Type } from 'class-transformer';
import { IsBoolean, IsIn, IsInt, IsOptional, IsString, Length, Min, ValidateNested } from 'class-validator';

export const actorKinds = ['process', 'smb-client', 'unknown'] as const;
export type ActorKind = (typeof actorKinds)[number];

/** One process in an actor's line of ancestors, the parent first. Identity is (pid, startTime): pids are reused. */
export class ProcessRef {
  @IsInt()
  @Min(1)
  pid: number;

  /** Start time in clock ticks since boot, field 22 of /proc/PID/stat. 0 when it could not be read. */
  @IsInt()
  @Min(0)
  startTime: number;

  /** Absolute path of the executable; empty for kernel threads and processes gone before they were read. */
  @IsString()
  exe: string;

  /** The kernel's short name of the process (at most 15 bytes). */
  @IsString()
  comm: string;
}

/**
 * Who did something: a process with its start time, an SMB client, or unknown. `key` identifies the actor everywhere:
 * `process:<bootId8>:<pid>:<startTime>`, `smb:<user>@<address>/<share>`, `unknown`.
 */
export class Actor {
  @IsString()
  @Length(1, 512)
  key: string;

  @IsIn(actorKinds)
  kind: ActorKind;

  @IsOptional()
  @IsInt()
  @Min(1)
  pid?: number;

  /** Clock ticks since boot, see {@link ProcessRef.startTime}. */
  @IsOptional()
  @IsInt()
  @Min(0)
  startTime?: number;

  /** Absolute path of the executable. */
  @IsOptional()
  @IsString()
  exe?: string;

  /** Arguments joined by one space; cut at 4,096 characters by the sensor. */
  @IsOptional()
  @IsString()
  commandLine?: string;

  @IsOptional()
  @IsInt()
  @Min(0)
  uid?: number;

  /** Login name of `uid`, or the uid in decimal where the system knows no name. */
  @IsOptional()
  @IsString()
  user?: string;

  /** Session leader's pid: the login or job the process belongs to. */
  @IsOptional()
  @IsInt()
  @Min(0)
  sessionId?: number;

  /** Parents, nearest first, up to pid 1; those that have ended keep the place they had. At most 32. */
  @IsOptional()
  @ValidateNested({ each: true })
  @Type(() => ProcessRef)
  ancestors?: ProcessRef[];

  /** Address of an SMB client. */
  @IsOptional()
  @IsString()
  client?: string;

  /** True for Kuramori's own registered processes (rules.md 3). */
  @IsOptional()
  @IsBoolean()
  own?: boolean;
}

/** The actor of facts whose doer the sensor can't know (chokidar, rescans). */
export const unknownActor: Readonly<Actor> = Object.freeze({ key: 'unknown', kind: 'unknown' });
