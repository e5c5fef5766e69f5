/**
 * Keeping content and clearing it away must not overlap: a reader that finds a chunk "already there" relies on it until its version is committed.
 * Many may keep at once; clearing waits for a moment without any, and gives up where that takes too long.
 */
export class ContentGate {
  private keeping = 0;
  private clearing: Promise<void> | undefined;
  private idle: (() => void)[] = [];

  /** Reads, keeps and commits. */
  async keep<T>(work: () => Promise<T>): Promise<T> {
    while (this.clearing !== undefined) await this.clearing;
    this.keeping += 1;
    try {
      return await work();
    } finally {
      this.keeping -= 1;
      if (this.keeping === 0) for (const wake of this.idle.splice(0)) wake();
    }
  }

  /** Runs when nothing is being kept, else not at all: the caller tries again later. Must be short. */
  async tryClear(work: () => Promise<void>): Promise<boolean> {
    if (this.clearing !== undefined || this.keeping > 0) return false;
    let release: () => void = () => undefined;
    this.clearing = new Promise((resolve) => (release = resolve));
    try {
      await work();
      return true;
    } finally {
      this.clearing = undefined;
      release();
    }
  }

  /** Resolves at the next moment without anybody keeping. */
  async quiet(): Promise<void> {
    if (this.keeping > 0) await new Promise<void>((resolve) => this.idle.push(resolve));
  }
}
