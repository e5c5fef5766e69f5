const mebibyte = 1024 ** 2;

/** How the disk of dataDir is shared out when it fills up. */
export interface WorkingRoom {
  /** No copy is made that would leave less: the bus, the databases and an undo's quarantine need room of their own. */
  readonly keptFreeBytes: number;
  /** Set aside by `up` in a file, and given free when less than `lowBytes` are left: enough to get through an attack. */
  readonly setAsideBytes: number;
  readonly lowBytes: number;
}

/** By the size of the disk, so that a small one isn't eaten up by what is kept free on it. */
export function workingRoom(diskBytes: number): WorkingRoom {
  const setAsideBytes = Math.min(64 * mebibyte, Math.floor(diskBytes / 8));
  const lowBytes = Math.min(32 * mebibyte, Math.floor(diskBytes / 16));
  return { setAsideBytes, lowBytes, keptFreeBytes: setAsideBytes + lowBytes };
}
