import { lstatSync, writeFileSync } from 'node:fs';
import type { FileStat } from '@kuramori/contracts';
import { dataOf, SpoolDirectory, SpoolSeal, writeSidecar } from '@kuramori/platform';

/** A copy as the guard leaves it. */
export function leaveCopy(
  spoolPath: string,
  dataDir: string,
  { id = 'ab', path, stat, content }: { id?: string; path: string; stat: FileStat; content: string },
): void {
  const spool = SpoolDirectory.make(spoolPath);
  writeFileSync(spool.at(`${id}.data`), content, { mode: 0o600 });
  const data = dataOf(lstatSync(spool.at(`${id}.data`), { bigint: true }));
  writeSidecar(spool, SpoolSeal.of(dataDir), id, { path, stat, copiedAtMs: Date.now(), data });
  spool.close();
}
