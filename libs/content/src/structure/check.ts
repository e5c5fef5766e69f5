import type { Structure } from '@kuramori/contracts';
import type { WindowReader } from '../reader';
import { checkAudio } from './audio';
import { checkCompressed } from './compressed';
import { checkImage } from './image';
import { checkMp4 } from './mp4';
import { checkOle } from './ole';
import { checkPdf } from './pdf';
import { checkSqlite } from './sqlite';
import { checkZip } from './zip';

type Check = (reader: WindowReader) => Structure;

const checks: Readonly<Record<string, Check>> = {
  pdf: checkPdf,
  jpeg: checkImage,
  png: checkImage,
  gif: checkImage,
  tiff: checkImage,
  mp4: checkMp4,
  ole: checkOle,
  sqlite: checkSqlite,
  gzip: checkCompressed,
  xz: checkCompressed,
  '7z': checkCompressed,
  rar: checkCompressed,
  mp3: checkAudio,
  ogg: checkAudio,
  flac: checkAudio,
  riff: checkAudio,
  ...Object.fromEntries(['zip', 'docx', 'xlsx', 'pptx', 'odt', 'ods', 'odp', 'odg', 'epub'].map((type) => [type, checkZip])),
};

/** Whether a file that begins as `type` still holds together as one. In doubt `unknown`, never `broken`. */
export function checkStructure(type: string, reader: WindowReader): Structure {
  const check = checks[type];
  if (check === undefined) return 'unknown';
  try {
    return check(reader);
  } catch (error) {
    // Offsets in a damaged file may point anywhere: reading there says only that nothing can be said.
    if (error instanceof RangeError) return 'unknown';
    throw error;
  }
}
