import { statfsSync } from 'node:fs';
import { type Settings, workingRoom } from '@kuramori/config';

/** The figure is looked at again after this time: a look costs microseconds, a full disk costs much more. */
const validMs = 250;
/** After a write that found no room the figures are not believed for this long: they may count room that only root or nobody gets. */
const heldMs = 5000;

/** Room that is left free on the disk of dataDir: below it no new copies are made, and nothing is taken away either. */
export class SpaceReserve {
  private checkedMs = -Infinity;
  private free = 0;
  private low = false;
  private heldUntilMs = -Infinity;

  constructor(
    private readonly directory: string,
    private readonly reserve: Settings['vault']['reserveFree'],
    /** Called once at each turn. */
    private readonly turned: (low: boolean, detail: string) => void = () => undefined,
  ) {}

  get freeBytes(): number {
    this.look();
    return this.free;
  }

  isLow(): boolean {
    this.look();
    return this.low;
  }

  /** A write failed for want of room, whatever the figures say. */
  noteFull(): void {
    this.heldUntilMs = performance.now() + heldMs;
    this.turn(true, 0);
  }

  private look(): void {
    const nowMs = performance.now();
    if (nowMs - this.checkedMs < validMs) return;
    this.checkedMs = nowMs;
    const { bavail, bsize, blocks } = statfsSync(this.directory);
    this.free = bavail * bsize;
    const wanted = 'percent' in this.reserve ? (blocks * bsize * this.reserve.percent) / 100 : this.reserve.bytes;
    const reserved = Math.max(wanted, workingRoom(blocks * bsize).keptFreeBytes);
    this.turn(this.free < reserved || nowMs < this.heldUntilMs, reserved);
  }

  private turn(low: boolean, reservedBytes: number): void {
    if (low === this.low) return;
    this.low = low;
    const megabytes = (bytes: number) => `${Math.round(bytes / 1024 / 1024)} MiB`;
    this.turned(
      low,
      low
        ? `the disk of ${this.directory} has ${megabytes(this.free)} of free space left, ${megabytes(reservedBytes)} are reserved: no new copies are made, older versions are safe; free some space, or lower vault.reserveFree`
        : `the disk of ${this.directory} has ${megabytes(this.free)} of free space again: copies are made, and what waited is made good`,
    );
  }
}
