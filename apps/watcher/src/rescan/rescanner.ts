/** Compares the disk with the vault's catalogue: makes good what no sensor told. */
import { lstatSync, type BigIntStats, type Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import {
  type CatalogueEntry,
  CataloguePage,
  type FileStat,
  type JournalPosition,
  parseMessage,
  restorePrefix,
  unknownActor,
} from '@kuramori/contracts';
import { fsPath, pathFromBytes } from '@kuramori/platform';
import type { Change } from '../coalesce/coalescer';
import type { SeenPaths } from './seen-paths';

/** A difference, and the state of the file that showed it; absent for what is gone. */
export interface Difference extends Change {
  readonly found?: FoundState;
}
export type FoundState = Pick<FileStat, 'ino' | 'size' | 'mtimeNs' | 'ctimeNs'>;

export interface RescannerOptions {
  readonly roots: readonly string[];
  readonly ignore: readonly string[];
  readonly kept: (file: string) => boolean;
  /** Publishes what was seen so far: the catalogue is compared as it is after that, or the same changes would be told twice and by nobody. */
  readonly flush: () => Promise<JournalPosition>;
  /** What the sensor sees while the disk is read: of those it tells itself. */
  readonly seen: Pick<SeenPaths, 'begin' | 'has' | 'end'>;
  /** One page of `vault.catalogue`. */
  readonly catalogue: (query: { after?: string; limit: number; position: JournalPosition }) => Promise<unknown>;
  /** Whether the catalogue holds every file that is kept. While the baseline is on its way, what the catalogue lacks is not new. */
  readonly isComplete: () => Promise<boolean>;
  /** Resolves when there is room for more. */
  readonly report: (differences: readonly Difference[]) => Promise<void>;
  readonly now?: () => number;
}

export interface RescanFigures {
  readonly running: boolean;
  readonly runs: number;
  readonly differences: number;
  readonly lastEndedMs: number;
}

const pageEntries = 2000;
/** Live facts wait behind the samples of so many files at most. */
const reportedAtOnce = 256;
/** Files looked at between two looks at the event loop: what the sensor tells meanwhile must not wait for a slow disk. */
const breatheEvery = 100;

/** One run at a time; a wish during a run means one more run. */
export class Rescanner {
  private running: Promise<void> | undefined;
  private again = false;
  private found: Difference[] = [];
  private stopped = false;
  private letGo: () => void = () => undefined;
  private looks = 0;
  private runs = 0;
  private differences = 0;
  private lastEndedMs = 0;

  constructor(private readonly options: RescannerOptions) {}

  /** Resolves when a run that began after the call has ended, or was stopped. */
  async request(): Promise<void> {
    if (this.stopped) return;
    if (this.running !== undefined) {
      this.again = true;
      await this.running;
      return;
    }
    this.running = this.scanWhileWished();
    try {
      await this.running;
    } finally {
      this.running = undefined;
    }
  }

  figures(): RescanFigures {
    return { running: this.running !== undefined, runs: this.runs, differences: this.differences, lastEndedMs: this.lastEndedMs };
  }

  /** Nothing is reported after it. Doesn't wait for an answer of the vault: it may have ended before. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.letGo();
    await this.running?.catch(() => undefined);
  }

  private wished(): boolean {
    return this.again && !this.stopped;
  }

  private async scanWhileWished(): Promise<void> {
    for (let rounds = 0; rounds === 0 || this.wished(); rounds += 1) {
      this.again = false;
      await this.scan();
    }
  }

  private async scan(): Promise<void> {
    this.found = [];
    this.options.seen.begin();
    const stopped = new Promise<void>((resolve) => {
      this.letGo = resolve;
    });
    try {
      await Promise.race([this.work(), stopped]);
    } finally {
      this.options.seen.end();
    }
  }

  private async work(): Promise<void> {
    // Asked before the catalogue is read: a baseline that ends meanwhile leaves files out of it.
    const isComplete = await this.options.isComplete();
    await this.compare(await this.readCatalogue(await this.options.flush()), isComplete);
  }

  private async compare(known: Map<string, CatalogueEntry>, isComplete: boolean): Promise<void> {
    const nowMs = (this.options.now ?? Date.now)();
    for (const root of this.options.roots) {
      for await (const files of this.walk(root)) {
        for (const file of files) {
          const stat = await this.look(file);
          if (this.stopped) return;
          if (stat === undefined || stat === 'closed' || !(stat.isFile() || stat.isSymbolicLink())) continue;
          const entry = known.get(file);
          known.delete(file);
          const found = stateOf(stat);
          if (entry === undefined) {
            if (isComplete && this.options.kept(file)) await this.tell({ ...difference(file, nowMs), operation: 'created', found });
          } else if (!sameState(entry, found)) await this.tell({ ...difference(file, nowMs), operation: 'modified', found });
        }
        if (this.stopped) return;
      }
    }
    for (const file of known.keys()) {
      if (this.stopped) return;
      if ((await this.look(file)) === undefined) await this.tell({ ...difference(file, nowMs), operation: 'deleted', written: false });
    }
    await this.report();
    if (this.stopped) return;
    this.runs += 1;
    this.lastEndedMs = nowMs;
  }

  /** What stands there: nothing (undefined), or something that the system won't show (a directory closed to us, a bad disk), which is no reason to call it gone. */
  private async look(file: string): Promise<BigIntStats | 'closed' | undefined> {
    this.looks += 1;
    if (this.looks % breatheEvery === 0) await new Promise((resolve) => setImmediate(resolve));
    try {
      return lstatSync(fsPath(file), { bigint: true, throwIfNoEntry: false });
    } catch (error) {
      // A file stands where its directory was.
      return (error as NodeJS.ErrnoException).code === 'ENOTDIR' ? undefined : 'closed';
    }
  }

  private async tell(found: Difference): Promise<void> {
    this.found.push(found);
    if (this.found.length >= reportedAtOnce) await this.report();
  }

  /** What the sensor knows of by now is not told again. */
  private async report(): Promise<void> {
    if (this.found.length === 0) return;
    await this.options.flush();
    if (this.stopped) return;
    const differences = this.found.filter(({ path }) => !this.options.seen.has(path));
    this.found = [];
    this.differences += differences.length;
    if (differences.length > 0) await this.options.report(differences);
  }

  private async readCatalogue(position: JournalPosition): Promise<Map<string, CatalogueEntry>> {
    const known = new Map<string, CatalogueEntry>();
    let after: string | undefined;
    for (;;) {
      const { entries } = parseMessage(
        CataloguePage,
        await this.options.catalogue({ limit: pageEntries, position, ...(after === undefined ? {} : { after }) }),
      );
      for (const entry of entries) known.set(entry.path, entry);
      if (entries.length < pageEntries || this.stopped) return known;
      after = entries.at(-1)?.path;
    }
  }

  private async *walk(directory: string): AsyncGenerator<string[]> {
    if (this.options.ignore.includes(directory)) return;
    let entries: Dirent<Buffer>[];
    try {
      entries = await readdir(fsPath(directory), { withFileTypes: true, encoding: 'buffer' });
    } catch {
      // Gone or closed to us since its parent was read: its files show as deleted only if they are gone.
      return;
    }
    const files: string[] = [];
    const directories: string[] = [];
    for (const entry of entries) {
      const path = `${directory}/${pathFromBytes(entry.name)}`;
      if (entry.isDirectory()) directories.push(path);
      else if (!entry.name.toString('latin1').startsWith(restorePrefix)) files.push(path);
    }
    yield files;
    for (const child of directories) yield* this.walk(child);
  }
}

function difference(path: string, atMs: number) {
  return { atMs, kind: 'file', path, actor: unknownActor, written: true } as const;
}

function stateOf({ ino, size, mtimeNs, ctimeNs }: BigIntStats): FoundState {
  return { ino: String(ino), size: Number(size), mtimeNs: String(mtimeNs), ctimeNs: String(ctimeNs) };
}

export function sameState(a: FoundState, b: FoundState): boolean {
  return a.ino === b.ino && a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs;
}
