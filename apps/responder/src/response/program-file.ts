import { createHash } from 'node:crypto';
import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

/** No single program is larger; a sparse file of terabytes must not keep the response busy for hours. */
const maxProgramBytes = 1024n ** 3n;

/**
 * Opens a regular file for reading and hands it over with what it is; undefined where there is none or it can't be read. What lies at a path may be changed by an
 * attacker at any time: a named pipe would hold up whoever opens it, and a link lead elsewhere. `/proc/PID/exe` is a link by nature, always to a regular file.
 */
export async function withProgram<T>(
  file: string | Buffer,
  links: 'refused' | 'followed',
  use: (handle: FileHandle, stats: BigIntStats) => Promise<T>,
): Promise<T | undefined> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK | (links === 'refused' ? constants.O_NOFOLLOW : 0));
    const stats = await handle.stat({ bigint: true });
    return stats.isFile() && stats.size <= maxProgramBytes ? await use(handle, stats) : undefined;
  } catch {
    return undefined;
  } finally {
    await handle?.close();
  }
}

/** SHA-256 in hex of the file's bytes as far as its size was when it was opened: one that grows meanwhile has an end too. */
export async function sha256Of(handle: FileHandle, { size }: BigIntStats): Promise<string> {
  const hash = createHash('sha256');
  if (size > 0n)
    for await (const chunk of handle.createReadStream({ start: 0, end: Number(size) - 1, autoClose: false })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
