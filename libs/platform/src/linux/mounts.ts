/** What is mounted where (proc_pid_mountinfo(5)). */
import { readFileSync } from 'node:fs';
import { pathFromBytes } from '../path-text';

export interface Mount {
  readonly id: number;
  /** Path text. */
  readonly point: string;
}

/** Spaces, tabs, line ends and backslashes in a path stand as three octal digits. */
function unescaped(text: string): string {
  const bytes = text.replaceAll(/\\([0-7]{3})/gu, (_whole, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
  return pathFromBytes(Buffer.from(bytes, 'latin1'));
}

/** Lines that are no mounts are left out. */
export function parseMounts(mountinfo: Buffer): Mount[] {
  return mountinfo
    .toString('latin1')
    .split('\n')
    .flatMap((line) => {
      const [id, , , , point] = line.split(' ');
      return id === undefined || point === undefined ? [] : [{ id: Number(id), point: unescaped(point) }];
    });
}

export function readMounts(): Mount[] {
  return parseMounts(readFileSync('/proc/self/mountinfo'));
}

/** The mount that an open file of this process is on. */
export function mountIdOf(fd: number): number {
  return Number(/^mnt_id:\s*(\d+)/mu.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1] ?? '0');
}
