/** What a job may have put its files into: containers that need a password. All of them together hold no more than fits. */
import { BoundedMap } from './bounded-map';
import { isReadable, type Features } from './observation';
import type { Made } from './pairing';

/** Room that a file takes in a job's containers. */
export interface Place {
  readonly container: Made;
  readonly pool: { usedBytes: number };
  readonly bytes: number;
}

interface Pool {
  newest: Made[];
  /** Of each, by path. */
  readonly sizes: BoundedMap<string, number>;
  bytes: number;
  usedBytes: number;
  lastAtMs: number;
}

/** Those that are named in evidence. */
const namedPerJob = 4;
const rememberedJobs = 2000;
const sizesPerJob = 1000;
const withinMs = 10 * 60_000;
/** Bits per byte from which nothing makes it smaller: archives, pictures, office documents. */
const compressedEntropy = 7.2;
/** What good compression leaves of a file, whether it had been compressed before or not. */
const leftOf = { compressed: 0.9, plain: 0.2 };

export class Containers {
  private readonly pools = new BoundedMap<string, Pool>(rememberedJobs);

  add(made: Made): void {
    const known = this.pools.get(made.job);
    const pool =
      known !== undefined && made.atMs - known.lastAtMs <= withinMs
        ? known
        : { newest: [], sizes: new BoundedMap<string, number>(sizesPerJob), bytes: 0, usedBytes: 0, lastAtMs: made.atMs };
    pool.bytes += made.content.sizeBytes - (pool.sizes.get(made.path) ?? 0);
    pool.sizes.set(made.path, made.content.sizeBytes);
    pool.newest = [...pool.newest.filter(({ path }) => path !== made.path), made].slice(-namedPerJob);
    pool.lastAtMs = made.atMs;
    this.pools.set(made.job, pool);
  }

  /** Kuramori took it away with the attack it belonged to: what is removed from now on isn't in it. */
  delete({ job, path }: Made): void {
    const pool = this.pools.get(job);
    const bytes = pool?.sizes.get(path);
    if (pool === undefined || bytes === undefined) return;
    pool.sizes.delete(path);
    pool.bytes -= bytes;
    // What was placed in it is back as well.
    pool.usedBytes = Math.max(0, pool.usedBytes - bytes);
    pool.newest = pool.newest.filter((made) => made.path !== path);
  }

  /** Where a removed file may be, if there is still room for it. What it took before is given back first. */
  place(before: Features | undefined, removal: { readonly job: string; readonly atMs: number }, taken: Place | undefined): Place | undefined {
    if (taken !== undefined) taken.pool.usedBytes -= taken.bytes;
    const pool = this.pools.get(removal.job);
    const container = pool?.newest.findLast(({ atMs }) => atMs <= removal.atMs && removal.atMs - atMs <= withinMs);
    if (pool === undefined || container === undefined || before === undefined || !isReadable(before)) return undefined;
    const bytes = before.sizeBytes * (before.entropy > compressedEntropy ? leftOf.compressed : leftOf.plain);
    if (pool.usedBytes + bytes > pool.bytes) return undefined;
    pool.usedBytes += bytes;
    return { container, pool, bytes };
  }
}
