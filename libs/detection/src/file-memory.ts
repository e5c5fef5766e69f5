/** What the engine remembers of files: features by path, and what was made or removed lately. Bounded; what is forgotten is told again by the vault. */
import type { Actor, ContentFeatures } from '@kuramori/contracts';
import { baseName, directoryOf } from './observation';

export interface Made {
  readonly path: string;
  readonly actor: Actor;
  readonly atMs: number;
  readonly content: ContentFeatures;
}
export interface Removed {
  readonly path: string;
  readonly actor: Actor;
  readonly atMs: number;
  /** Undefined when nobody has told what it held (yet). */
  readonly before: ContentFeatures | undefined;
}

/** A new file and the removal of the old one belong together when they lie this near in time. */
export const pairWithinMs = 120_000;
const rememberedFiles = 200_000;
const recentLimit = 5000;

export class FileMemory {
  private readonly features = new Map<string, ContentFeatures>();
  private made: Made[] = [];
  private removed: Removed[] = [];

  featuresOf(path: string): ContentFeatures | undefined {
    return this.features.get(path);
  }
  remember(path: string, features: ContentFeatures): void {
    this.features.delete(path);
    this.features.set(path, features);
    if (this.features.size > rememberedFiles) {
      const oldest = this.features.keys().next();
      if (oldest.done !== true) this.features.delete(oldest.value);
    }
  }
  forget(path: string): void {
    this.features.delete(path);
  }
  rename(from: string, to: string): void {
    const features = this.features.get(from);
    this.features.delete(from);
    if (features === undefined) this.features.delete(to);
    else this.remember(to, features);
    this.made = this.made.map((each) => (each.path === from ? { ...each, path: to } : each));
  }

  addMade(made: Made): void {
    this.made = this.made.filter(({ path }) => path !== made.path);
    this.made.push(made);
    if (this.made.length > recentLimit) this.made = this.made.slice(-recentLimit / 2);
  }
  addRemoved(removed: Removed): void {
    this.removed = this.removed.filter(({ path }) => path !== removed.path);
    this.removed.push(removed);
    if (this.removed.length > recentLimit) this.removed = this.removed.slice(-recentLimit / 2);
  }

  /** What was made in place of a removed file. */
  successorOf(removed: Removed, related: (a: Actor, b: Actor) => boolean): Made | undefined {
    return this.made.findLast((made) => belongTogether(removed, made) && related(removed.actor, made.actor));
  }
  /** What was removed in favour of a new file. */
  predecessorOf(made: Made, related: (a: Actor, b: Actor) => boolean): Removed | undefined {
    return this.removed.findLast((removed) => belongTogether(removed, made) && related(removed.actor, made.actor));
  }
}

function belongTogether(removed: Removed, made: Made): boolean {
  if (Math.abs(removed.atMs - made.atMs) > pairWithinMs || made.path === removed.path) return false;
  const oldName = baseName(removed.path);
  const newName = baseName(made.path);
  const dot = oldName.lastIndexOf('.');
  const stem = dot > 0 ? oldName.slice(0, dot) : oldName;
  if (
    directoryOf(removed.path) === directoryOf(made.path) &&
    (newName.startsWith(oldName) || newName.startsWith(`${stem}.`) || newName.endsWith(oldName))
  )
    return true;
  if (removed.before === undefined) return false;
  // A random name, perhaps in another folder: the size tells. Block ciphers, salts and tags add little.
  const difference = made.content.sizeBytes - removed.before.sizeBytes;
  return removed.before.sizeBytes >= 1024 && difference >= 0 && difference <= 1024 + removed.before.sizeBytes * 0.01;
}
