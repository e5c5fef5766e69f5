/**
 * A map that holds at most `limit` entries and forgets those set longest ago, half of them at a time: memory stays bounded, and what is forgotten depends on
 * the stream alone. Two generations rather than one oldest entry at a time: finding the first entry of a Map from which the first was deleted over and over
 * means walking over all the holes (measured: three quarters of the engine's time).
 */
export class BoundedMap<K, V> {
  private young = new Map<K, V>();
  private old = new Map<K, V>();
  private readonly half: number;

  constructor(
    limit: number,
    private readonly forgotten?: (value: V, key: K) => void,
  ) {
    this.half = Math.max(1, Math.floor(limit / 2));
  }

  get size(): number {
    return this.young.size + this.old.size;
  }

  get(key: K): V | undefined {
    return this.young.get(key) ?? this.old.get(key);
  }

  /** Sets a key as the newest. */
  set(key: K, value: V): void {
    this.old.delete(key);
    this.young.set(key, value);
    if (this.young.size <= this.half) return;
    const gone = this.old;
    this.old = this.young;
    this.old.delete(key);
    this.young = new Map([[key, value]]);
    if (this.forgotten !== undefined) for (const [oldKey, oldValue] of gone) this.forgotten(oldValue, oldKey);
  }

  delete(key: K): boolean {
    return this.young.delete(key) || this.old.delete(key);
  }

  *values(): IterableIterator<V> {
    yield* this.old.values();
    yield* this.young.values();
  }

  *keys(): IterableIterator<K> {
    yield* this.old.keys();
    yield* this.young.keys();
  }
}
