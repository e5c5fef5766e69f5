/** A filesystem of a test's own: marks on it concern nobody else. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

export interface LoopDisk {
  /** A directory of the test's own, not on the disk. */
  readonly scratch: string;
  /** Where the ext4 filesystem is mounted. */
  readonly mountPoint: string;
  /** Unmounts and mounts it: the kernel then knows none of its files by a path. */
  remount(): void;
  close(): void;
}

/** 64 MiB of ext4 in a file. Needs root. */
export function openLoopDisk(): LoopDisk {
  const scratch = mkdtempSync(path.join(tmpdir(), 'kuramori-disk-'));
  const mountPoint = path.join(scratch, 'mnt');
  mkdirSync(mountPoint);
  const image = path.join(scratch, 'disk.img');
  writeFileSync(image, '');
  truncateSync(image, 64 * 1024 * 1024);
  execFileSync('mkfs.ext4', ['-q', image]);
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
