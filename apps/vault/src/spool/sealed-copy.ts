import { FileStat } from '@kuramori/contracts';
import type { SpooledCopy, SpooledData } from '@kuramori/platform';
import { Type } from 'class-transformer';
import { IsInt, IsString, Length, Matches, Min, ValidateNested } from 'class-validator';

class SealedData implements SpooledData {
  @Matches(/^\d+$/)
  ino: string;
  @IsInt()
  @Min(0)
  size: number;
  @Matches(/^-?\d+$/)
  ctimeNs: string;
}

/** What a sidecar of the guard must be, whoever sealed it: an older or newer version may have. */
export class SealedCopy implements SpooledCopy {
  @IsString()
  @Length(1, 32_768)
  path: string;
  @ValidateNested()
  @Type(() => FileStat)
  stat: FileStat;
  @IsInt()
  @Min(0)
  copiedAtMs: number;
  @ValidateNested()
  @Type(() => SealedData)
  data: SealedData;
}
