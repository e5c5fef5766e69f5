/** Which new file was made from which lost one: by name, else by size. Looked up by index, so that a storm of files costs no search. */
import { BoundedMap } from './bounded-map';
import { baseName, directoryOf, type Features } from './observation';

/** A new file that nobody can read. */
export interface Made {
  path: string;
  /** Whose it is first, then who else had a hand in it. */
  readonly actors: readonly string[];
  readonly job: string;
  readonly user: string;
  readonly atMs: number;
  /** Which of its job's facts it was. */
  readonly act: number;
  content: Features;
}

export interface Lost {
  readonly path: string;
  readonly actor: string;
  readonly job: string;
  readonly user: string;
  readonly atMs: number;
  readonly act: number;
  readonly before: Features | undefined;
}

/** Names tell also after a long time: some encrypt everything first and delete at the end. Sizes only within moments of one job. */
const sizeWithinMs = 60_000;
/** In another folder and by another job: people keep copies of one document in many folders, and clear one of them some day. */
const otherJobWithinMs = 60_000;
const smallestBytesForSize = 4096;
/**
 * Facts of a job between the new file and the loss of the old one, up to which both are one act: four workers that write and delete. A version control or backup program
 * makes ciphertext-like files by the hundred and deletes others later: some of those always have the size of one of these.
 */
const factsOfOneAct = 8;
/** Ciphertexts remembered; a pair is nearly always made at once. */
const rememberedMade = 20_000;
/** Files of one name or size that are looked at. */
const candidatesAtMost = 16;

export class MadeFiles {
  private readonly byPath: BoundedMap<string, Made>;
  private readonly byName = new Map<string, Set<Made>>();
  private readonly bySize = new Map<number, Set<Made>>();

  constructor() {
    this.byPath = new BoundedMap(rememberedMade, (made) => this.unindex(made));
  }

  get(path: string): Made | undefined {
    return this.byPath.get(path);
  }

  add(made: Made): void {
    this.delete(made.path);
    this.byPath.set(made.path, made);
    for (const key of namesOfMade(made.path)) addTo(this.byName, key, made);
    addTo(this.bySize, sizeClass(made.content.sizeBytes), made);
  }

  delete(path: string): void {
    const made = this.byPath.get(path);
    if (made === undefined) return;
    this.byPath.delete(path);
    this.unindex(made);
  }

  rename(from: string, to: string): void {
    const made = this.byPath.get(from);
    if (made === undefined) return;
    this.delete(from);
    this.add({ ...made, path: to });
  }

  /** What stands in place of a lost file, or undefined. */
  successorOf(lost: Lost): Made | undefined {
    const named = namesOfLost(lost.path).flatMap((key) =>
      [...(this.byName.get(key) ?? [])]
        .slice(-candidatesAtMost)
        .filter((made) => made.path !== lost.path && related(lost, made) && mayHold(made, lost)),
    );
    if (named.length > 0) return nearest(lost, named);
    const bytes = lost.before?.sizeBytes ?? 0;
    if (bytes < smallestBytesForSize) return undefined;
    const sized = [0, 1, 2].flatMap((step) => [...(this.bySize.get(sizeClass(bytes) + step) ?? [])].slice(-candidatesAtMost));
    return nearest(
      lost,
      sized.filter((made) => {
        return (
          made.path !== lost.path &&
          made.job === lost.job &&
          Math.abs(made.atMs - lost.atMs) <= sizeWithinMs &&
          (besideEachOther(made, lost) || areOneAct(made, lost)) &&
          hasSizeOfCipher(made, bytes)
        );
      }),
    );
  }

  private unindex(made: Made): void {
    for (const key of namesOfMade(made.path)) removeFrom(this.byName, key, made);
    removeFrom(this.bySize, sizeClass(made.content.sizeBytes), made);
  }
}

/** The same job, or the same person: whoever makes the new file and whoever removes the old one need not be one process. */
function related(lost: Lost, made: Made): boolean {
  return lost.job === made.job || lost.job.startsWith('unknown') || made.job.startsWith('unknown') || (lost.user !== '' && lost.user === made.user);
}

/** Done in one go: the new file made and the old one lost. */
export function areOneAct(one: Pick<Lost, 'job' | 'act'>, other: Pick<Lost, 'job' | 'act'>): boolean {
  return one.job === other.job && Math.abs(one.act - other.act) <= factsOfOneAct;
}

function besideEachOther(made: Made, lost: Lost): boolean {
  return directoryOf(made.path) === directoryOf(lost.path);
}

/** Many folders hold a file of the same name: elsewhere, the new one must also be of a size that the lost one can have become. */
function mayHold(made: Made, lost: Lost): boolean {
  if (besideEachOther(made, lost)) return true;
  const bytes = lost.before?.sizeBytes;
  if (bytes === undefined) return false;
  // Encoded it grows by a third; compressed before it was encrypted it shrinks, but then only whose hand it was tells it from another file.
  if (made.job === lost.job) return made.content.sizeBytes <= bytes * 1.4 + smallestBytesForSize;
  return hasSizeOfCipher(made, bytes) && Math.abs(made.atMs - lost.atMs) <= otherJobWithinMs;
}

/** Block ciphers, salts and tags add little. */
function hasSizeOfCipher({ content }: Made, bytes: number): boolean {
  const grown = content.sizeBytes - bytes;
  return grown >= 0 && grown <= 512 + bytes * 0.01;
}

function nearest(lost: Lost, candidates: readonly Made[]): Made | undefined {
  return [...candidates].sort((a, b) => Math.abs(a.atMs - lost.atMs) - Math.abs(b.atMs - lost.atMs) || (a.path < b.path ? -1 : 1))[0];
}

/** Keys under which a new file is found by what it may have been made from: `plan.xlsx.id-7.lock` → plan.xlsx.id-7, plan.xlsx, plan; `enc_plan.xlsx` → plan.xlsx. */
export function namesOfMade(path: string): string[] {
  const name = baseName(path);
  const directory = directoryOf(path);
  const keys = [`*/${name}`];
  for (let dot = name.lastIndexOf('.'), parts = 0; dot > 0 && parts < 4; dot = name.lastIndexOf('.', dot - 1), parts += 1) {
    const stem = name.slice(0, dot);
    keys.push(`${directory}/${stem}`);
    if (stem.includes('.')) keys.push(`*/${stem}`);
  }
  const separator = /[_\- .]/u.exec(name)?.index ?? -1;
  if (separator > 0 && name.slice(separator + 1).includes('.')) keys.push(`${directory}/${name.slice(separator + 1)}`);
  return keys;
}

/** What compressors make of one file, and how they call it. */
export const compressedTypes: ReadonlySet<string> = new Set(['gzip', 'xz', 'bzip2', 'zstd', 'zip', '7z', 'rar']);
const compressedExtensions = ['gz', 'xz', 'bz2', 'zst', 'zip', '7z', 'rar'];

export function compressedNames(path: string): string[] {
  return compressedExtensions.map((extension) => `${path}.${extension}`);
}

/** Keys of a lost file: its path, its name anywhere, its path without the extension. */
export function namesOfLost(path: string): string[] {
  const name = baseName(path);
  const dot = name.lastIndexOf('.');
  return [path, `*/${name}`, ...(dot > 0 ? [`${directoryOf(path)}/${name.slice(0, dot)}`] : [])];
}

/** Classes of 6 %: what a cipher adds to files of this size stays within two. */
function sizeClass(bytes: number): number {
  return Math.floor(Math.log(Math.max(1, bytes)) / Math.log(1.06));
}

function addTo<K, V>(index: Map<K, Set<V>>, key: K, value: V): void {
  const known = index.get(key);
  if (known === undefined) index.set(key, new Set([value]));
  else known.add(value);
}

function removeFrom<K, V>(index: Map<K, Set<V>>, key: K, value: V): void {
  const known = index.get(key);
  known?.delete(value);
  if (known?.size === 0) index.delete(key);
}
