import { randomFillSync } from 'node:crypto';
import { existsSync, rmSync, statfsSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { workingRoom } from '@kuramori/config';

/** nats-server's store gives up at the first write that finds no room: with less than this free that has probably happened. */
const fullBytes = 4 * 1024 ** 2;
const blockBytes = 1024 ** 2;

export interface DiskLook {
  readonly freeBytes: number;
  /** The reserve was given free just now, from a disk that was full. */
  readonly releasedFromFull: boolean;
}

/** Room on the disk of dataDir that is set aside while there is some, and given free when there is none: bus and databases get through an attack with it. */
export class DiskReserve {
  private readonly file: string;
  private filling = false;

  constructor(
    private readonly dataDir: string,
    private readonly say: (line: string) => void,
  ) {
    this.file = path.join(dataDir, 'run', 'disk-reserve');
  }

  /** Gives the reserve free when the disk is nearly full, and takes it again when there is room. Cheap: to be called several times a second. */
  look(): DiskLook {
    const { bavail, bsize, blocks } = statfsSync(this.dataDir);
    const freeBytes = bavail * bsize;
    const { setAsideBytes, lowBytes, keptFreeBytes } = workingRoom(blocks * bsize);
    const there = existsSync(this.file);
    if (there && freeBytes < lowBytes) {
      rmSync(this.file, { force: true });
      this.say(
        `the disk of ${this.dataDir} is full: ${megabytes(setAsideBytes)} that were set aside for this are free now and keep protection going for a while. FREE SOME SPACE SOON.`,
      );
      return { freeBytes, releasedFromFull: freeBytes < fullBytes };
    }
    if (!there && !this.filling && freeBytes > 2 * keptFreeBytes) void this.fill(setAsideBytes);
    return { freeBytes, releasedFromFull: false };
  }

  /** Random bytes: a filesystem that compresses would set nothing aside for zeros. */
  private async fill(bytes: number): Promise<void> {
    this.filling = true;
    const temporary = `${this.file}.tmp`;
    try {
      const handle = await open(temporary, 'w', 0o600);
      try {
        const block = Buffer.allocUnsafe(blockBytes);
        for (let written = 0; written < bytes; written += blockBytes) await handle.write(randomFillSync(block));
      } finally {
        await handle.close();
      }
      await rename(temporary, this.file);
    } catch {
      // No room after all: there is nothing to set aside.
      await rm(temporary, { force: true }).catch(() => undefined);
    } finally {
      this.filling = false;
    }
  }
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1024 ** 2)} MiB`;
}
