/** kuramori.yaml as people write it: one class per section, the rules beside the keys, the type first: only the first that is broken is told. Defaults and units are resolved in load-settings.ts. */
import { Type } from 'class-transformer';
import {
  Allow,
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsBoolean,
  IsEmail,
  IsIn,
  IsInt,
  IsIP,
  IsNotEmpty,
  IsObject,
  IsOptional,
  IsString,
  Matches,
  Max,
  Min,
  ValidateIf,
  ValidateNested,
} from 'class-validator';

const durationPattern = /^\d+(ms|s|m|h|d)$/;
/** More than 90 % kept free leaves no vault worth its name. */
const sizePattern = /^(90|[0-8]?\d)%$|^\d+(\.\d+)?\s?(B|KiB|MiB|GiB|TiB)$/;

export class GuardSection {
  /** Copy before write while the baseline runs. */
  @IsOptional()
  @IsBoolean()
  enabled?: boolean;
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(60_000)
  deadlineMs?: number;
  @IsOptional()
  @IsIn(['allow', 'deny'])
  onDeadline?: 'allow' | 'deny';
}

export class ProtectSection {
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(64)
  @IsString({ each: true })
  @Matches(/^\//, { each: true, message: 'each root must be an absolute path' })
  roots: string[];
  @IsOptional()
  @ValidateIf((section: ProtectSection) => section.extensions !== 'all')
  @IsArray({ message: "must be 'all' or a list of extensions such as [docx, xlsx]" })
  @ArrayMinSize(1, { message: "an empty list keeps nothing at all; leave it out or say 'all' to keep every file" })
  @IsString({ each: true })
  @Matches(/^\.?[^\s./*?]+$/, { each: true, message: 'each must be the last part of a name, such as docx' })
  extensions?: 'all' | string[];
  @IsOptional()
  @IsArray({ message: 'must be a list of patterns such as ["**/*.iso"]' })
  @IsString({ each: true })
  @IsNotEmpty({ each: true, message: 'a pattern must not be empty; leave it out' })
  exclude?: string[];
  @IsOptional()
  @IsIn(['auto', 'fanotify', 'windows', 'chokidar'])
  sensor?: 'auto' | 'fanotify' | 'windows' | 'chokidar';
  @IsOptional()
  @ValidateNested()
  @Type(() => GuardSection)
  guard?: GuardSection;
  @IsOptional()
  @Matches(durationPattern, { message: 'must be a time such as 30s, 15m or 8h' })
  rescanEvery?: string;
}

export class VaultSection {
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(100)
  versions?: number;
  @IsOptional()
  @Matches(sizePattern, { message: 'must be a share such as 10% (at most 90%) or a size such as 20GiB' })
  reserveFree?: string;
  /** Later: checked in load-settings.ts, whatever stands here. */
  @Allow()
  replica?: unknown;
}

export class DetectionSection {
  @IsOptional()
  @IsIn(['low', 'normal', 'high'])
  sensitivity?: 'low' | 'normal' | 'high';
}

export class WhitelistEntry {
  @IsString()
  @Matches(/^\//, { message: 'must be an absolute path' })
  path: string;
  @IsOptional()
  @Matches(/^[0-9a-f]{64}$/, { message: 'must be a SHA-256 of 64 lower-case hex digits' })
  sha256?: string;
  @IsString()
  @IsNotEmpty()
  reason: string;
}

export class BlockClientSection {
  @IsOptional()
  @Matches(durationPattern, { message: 'must be a time such as 30s, 15m or 8h' })
  for?: string;
}

export class ResponseSection {
  @IsOptional()
  @IsBoolean()
  suspend?: boolean;
  @IsOptional()
  @IsBoolean()
  kill?: boolean;
  @IsOptional()
  @IsBoolean()
  quarantine?: boolean;
  @IsOptional()
  @ValidateNested()
  @Type(() => BlockClientSection)
  blockClient?: BlockClientSection;
  @IsOptional()
  @IsBoolean()
  restore?: boolean;
  @Allow()
  disconnectNetwork?: unknown;
  @Allow()
  shutdown?: unknown;
  @IsOptional()
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => WhitelistEntry)
  whitelist?: WhitelistEntry[];
}

export class BootSectorSection {
  @Allow()
  guard?: unknown;
}

export class MailSection {
  @IsString()
  @IsNotEmpty()
  host: string;
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(65_535)
  port?: number;
  @IsOptional()
  @IsIn([true, false, 'none', 'starttls', 'tls'])
  tls?: boolean | 'none' | 'starttls' | 'tls';
  @IsOptional()
  @IsBoolean()
  allowSelfSigned?: boolean;
  @IsOptional()
  @IsString()
  user?: string | null;
  @IsOptional()
  @IsString()
  password?: string | null;
  @IsEmail({ require_tld: false, allow_display_name: true })
  from: string;
  @IsArray()
  @ArrayMinSize(1)
  @IsEmail({ require_tld: false }, { each: true })
  to: string[];
}

export class NotifySection {
  @IsOptional()
  @ValidateNested()
  @Type(() => MailSection)
  mail?: MailSection | null;
  @Allow()
  syslog?: unknown;
  @Allow()
  webhook?: unknown;
}

export class BusSection {
  @IsOptional()
  @Matches(/^(nats|tls):\/\/[^\s]+$/, { message: 'must be an address such as nats://127.0.0.1:4222' })
  url?: string | null;
  @IsOptional()
  @IsString()
  @Matches(/^\//, { message: 'must be an absolute path of a directory' })
  credentials?: string | null;
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(65_535)
  port?: number;
}

export class HttpSection {
  @IsOptional()
  @IsIP(undefined, { message: 'must be an IP address of this machine such as 127.0.0.1' })
  bind?: string;
  /** The five ports after it belong to the services. */
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(65_530)
  port?: number;
}

export class SettingsDocument {
  @IsOptional()
  @Matches(/^[A-Za-z0-9_.-]{1,253}$/, { message: "must be a name of at most 253 letters a-z, digits, '-', '_' and '.'" })
  host?: string;
  @IsOptional()
  @IsString()
  @Matches(/^\//, { message: 'must be an absolute path' })
  dataDir?: string;
  @IsOptional()
  @IsIn(['enforce', 'observe'])
  mode?: 'enforce' | 'observe';
  @IsObject({ message: 'must be there and name at least protect.roots' })
  @ValidateNested()
  @Type(() => ProtectSection)
  protect: ProtectSection;
  @IsOptional()
  @ValidateNested()
  @Type(() => VaultSection)
  vault?: VaultSection;
  @IsOptional()
  @ValidateNested()
  @Type(() => DetectionSection)
  detection?: DetectionSection;
  @IsOptional()
  @ValidateNested()
  @Type(() => ResponseSection)
  response?: ResponseSection;
  @IsOptional()
  @ValidateNested()
  @Type(() => BootSectorSection)
  bootSector?: BootSectorSection;
  @IsOptional()
  @ValidateNested()
  @Type(() => NotifySection)
  notify?: NotifySection;
  @IsOptional()
  @ValidateNested()
  @Type(() => BusSection)
  bus?: BusSection;
  @IsOptional()
  @ValidateNested()
  @Type(() => HttpSection)
  http?: HttpSection;
  @IsOptional()
  @IsIn(['en', 'ja'])
  language?: 'en' | 'ja';
}
