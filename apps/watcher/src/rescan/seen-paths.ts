import type { RawEvent } from '@kuramori/platform';

/** Paths of which the sensor told while somebody listened. */
export class SeenPaths {
  private paths: Set<string> | undefined;

  begin(): void {
    this.paths = new Set();
  }

  note(events: readonly Pick<RawEvent, 'path' | 'oldPath' | 'kind' | 'renamed' | 'created' | 'deleted'>[]): void {
    if (this.paths === undefined) return;
    for (const { path, oldPath, kind, renamed, created, deleted } of events) {
      // New rights of a directory say nothing about what is in it.
      if (kind === 'directory' && !renamed && !created && !deleted) continue;
      this.paths.add(path);
      if (oldPath !== undefined) this.paths.add(oldPath);
    }
  }

  /** Whether it told of this path, or of a directory above it. */
  has(path: string): boolean {
    if (this.paths === undefined || this.paths.size === 0) return false;
    for (let part = path; part !== ''; part = part.slice(0, part.lastIndexOf('/'))) if (this.paths.has(part)) return true;
    return false;
  }

  end(): void {
    this.paths = undefined;
  }
}
