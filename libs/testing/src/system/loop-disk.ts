/** A filesystem of a test's own: marks on it concern nobody else, it can be filled to the last byte, and no other test's files slow it down. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

export interface LoopDisk {
  /** A directory of the test's own, not on the disk. */
  readonly scratch: string;
  /** Where the ext4 filesystem is mounted, in `scratch`. */
  readonly mountPoint: string;
  /** Unmounts and mounts it: the kernel then knows none of its files by a path. */
  remount(): void;
  close(): void;
}

export interface LoopDiskOptions {
  readonly mebibytes?: number;
  /** Name of the mount point in `scratch`. */
  readonly name?: string;
}

/** ext4 in a sparse file, without blocks kept back for root. Needs root. @throws Error when it can't be made or mounted */
export function openLoopDisk({ mebibytes = 64, name = 'mnt' }: LoopDiskOptions = {}): LoopDisk {
  const scratch = mkdtempSync(path.join(tmpdir(), 'kuramori-disk-'));
  const mountPoint = path.join(scratch, name);
  mkdirSync(mountPoint);
  const image = path.join(scratch, 'disk.img');
  writeFileSync(image, '');
  truncateSync(image, mebibytes * 1024 * 1024);
  execFileSync('mkfs.ext4', ['-q', '-m', '0', image]);
  const mount = () => execFileSync('mount', ['-o', 'loop', image, mountPoint]);
  const unmount = () => execFileSync('umount', [mountPoint]);
  mount();
  return {
    scratch,
    mountPoint,
    remount: () => {
      unmount();
      mount();
    },
    close: () => {
      unmount();
      rmSync(scratch, { recursive: true, force: true });
    },
  };
}
