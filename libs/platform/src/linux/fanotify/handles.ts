/** From file handles to paths, as the kernel has them at this moment. */
import { closeSync, fstatSync, openSync, readlinkSync } from 'node:fs';
import { fsPath, pathFromBytes, pathToBytes } from '../../path-text';
import { isAtOrBelow } from '../../scope';
import { close, filesystemId, openByHandleAt } from '../libc';
import { mountIdOf, readMounts } from '../mounts';
import type { FileHandle } from './events';

interface WatchedMount {
  /** An open directory on it, as open_by_handle_at(2) needs. */
  readonly fd: number;
  readonly id: number;
  readonly point: string;
}

/** An object that is known by its handle. `gone`: it has no name any more, or none yet. `unknown`: the kernel itself doesn't know where it is. */
export type Found =
  { readonly state: 'named'; readonly path: string; readonly hasOtherNames: boolean } | { readonly state: 'gone' } | { readonly state: 'unknown' };

const openPathOnly = 0o10_000_000 | 0o2_000_000; // O_PATH | O_CLOEXEC
const deletedMark = ' (deleted)';

export class Handles {
  /** A filesystem may be mounted in several places (bind mounts): each shows only what lies below it. */
  private readonly mounts = new Map<string, WatchedMount[]>();

  /** From now on handles on the filesystem that holds the directory have paths. @throws Error when it can't be opened or told where it is */
  addMount(directory: string): void {
    const filesystem = filesystemId(pathToBytes(directory));
    const known = this.mounts.get(filesystem) ?? [];
    const fd = openSync(fsPath(directory), 'r');
    const id = mountIdOf(fd);
    if (known.some((mount) => mount.id === id)) {
      closeSync(fd);
      return;
    }
    known.push({ fd, id, point: readMounts().find((mount) => mount.id === id)?.point ?? '/' });
    this.mounts.set(filesystem, known);
  }

  /** Undefined when the directory is gone, or can't be seen from where the roots are. */
  pathOfDirectory(directory: FileHandle): string | undefined {
    return this.open(directory, (fd, path, point) => {
      // A directory that somebody still has open outlives its removal; a name may end in these words, too.
      if (path.endsWith(deletedMark) && fstatSync(fd).nlink === 0) return undefined;
      // What this mount doesn't show has a path of another world.
      return isAtOrBelow(path, point) ? path : undefined;
    });
  }

  find(object: FileHandle): Found {
    const found = this.open(object, (fd, path): Found => {
      const stat = fstatSync(fd);
      if (stat.nlink === 0) return { state: 'gone' };
      // A file at the root of all directories: opened by its handle, and nobody has looked it up by a path yet.
      if (!stat.isDirectory() && path === '/') return { state: 'unknown' };
      return { state: 'named', path, hasOtherNames: !stat.isDirectory() && stat.nlink > 1 };
    });
    return found ?? { state: 'gone' };
  }

  close(): void {
    for (const mounts of this.mounts.values()) for (const { fd } of mounts) closeSync(fd);
    this.mounts.clear();
  }

  /** The first answer that `look` gives to the opened object, seen from each mount of its filesystem. */
  private open<T>({ filesystem, handle }: FileHandle, look: (fd: number, path: string, point: string) => T | undefined): T | undefined {
    for (const { fd: mount, point } of this.mounts.get(filesystem) ?? []) {
      const fd = openByHandleAt(mount, handle, openPathOnly);
      if (fd < 0) continue;
      try {
        const answer = look(fd, pathFromBytes(readlinkSync(`/proc/self/fd/${fd}`, { encoding: 'buffer' })), point);
        if (answer !== undefined) return answer;
      } finally {
        close(fd);
      }
    }
    return undefined;
  }
}
