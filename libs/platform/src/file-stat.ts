import type { BigIntStats } from 'node:fs';
import type { FileStat } from '@kuramori/contracts';

/** What stat(2) said, as it travels. */
export function toFileStat(stat: BigIntStats): FileStat {
  return {
    dev: String(stat.dev),
    ino: String(stat.ino),
    size: Number(stat.size),
    mtimeNs: String(stat.mtimeNs),
    ctimeNs: String(stat.ctimeNs),
    mode: Number(stat.mode),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    nlink: Number(stat.nlink),
  };
}
