import type { AnnouncedChange } from '@kuramori/contracts';

/** A restore follows its announcement within seconds; after this it is forgotten. */
const validMs = 10 * 60 * 1000;
const limit = 200_000;

/** What Kuramori said it would change (rules.md 17). */
export class Announcements {
  private readonly changes = new Map<string, { readonly sha256: string | undefined; readonly untilMs: number }>();

  add(changes: readonly AnnouncedChange[], nowMs: number): number {
    for (const { path, sha256 } of changes) {
      this.changes.delete(path);
      this.changes.set(path, { sha256, untilMs: nowMs + validMs });
    }
    for (const path of this.changes.keys()) {
      if (this.changes.size <= limit) break;
      this.changes.delete(path);
    }
    return changes.length;
  }

  has(path: string, nowMs: number): boolean {
    const change = this.changes.get(path);
    if (change !== undefined && change.untilMs < nowMs) this.changes.delete(path);
    return this.changes.has(path);
  }

  /** Whether this content (undefined: the entry is gone) is what was announced for the path. */
  matches(path: string, sha256: string | undefined, nowMs: number): boolean {
    return this.has(path, nowMs) && this.changes.get(path)?.sha256 === sha256;
  }
}
