import { closeSync, constants, fsyncSync, openSync, readdirSync, readlinkSync } from 'node:fs';
import { fsPath, pathFromBytes, pathToBytes } from '@kuramori/platform';

/** The directory is not where its path says: one of its parents is a symbolic link. What stands behind it is none of ours. */
export class DisplacedDirectoryError extends Error {
  override readonly name = 'DisplacedDirectoryError';
}

/**
 * A directory held open: what is done through it is done in it, whatever happens to the path meanwhile. Names are reached below /proc/self/fd, which is what Node has
 * in place of openat(2).
 */
export class DirectoryHandle {
  private constructor(private readonly fd: number) {}

  /** @throws DisplacedDirectoryError or a file error (ENOENT, ENOTDIR …) */
  static open(path: string): DirectoryHandle {
    const fd = openSync(fsPath(path), constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    const real = readlinkSync(`/proc/self/fd/${fd}`, { encoding: 'buffer' });
    if (!real.equals(pathToBytes(path))) {
      closeSync(fd);
      throw new DisplacedDirectoryError(`${path} leads to ${pathFromBytes(real)} by a symbolic link: nothing is written there`);
    }
    return new DirectoryHandle(fd);
  }

  /** For node:fs. Only for calls that don't follow the last component. */
  at(name: string): Buffer {
    return Buffer.concat([Buffer.from(`/proc/self/fd/${this.fd}/`), pathToBytes(name)]);
  }

  isEmpty(): boolean {
    return readdirSync(`/proc/self/fd/${this.fd}`).length === 0;
  }

  /** Brings the names in it to the disk. */
  sync(): void {
    try {
      fsyncSync(this.fd);
    } catch {
      // Some filesystems refuse it; the content itself was synced.
    }
  }

  close(): void {
    closeSync(this.fd);
  }
}
