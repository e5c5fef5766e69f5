/** A share in memory with the watcher and the vault around it: what happens to real bytes becomes the facts and comparisons that the real ones would publish. */
import { createHash } from 'node:crypto';
import { compareContents, describeContent, planComparison, planSample, type WindowPlan } from '@kuramori/content';
import type { Actor, ContentFeatures, FileBatch, FileFact, ObservedChange, VaultStored, Verdict } from '@kuramori/contracts';
import type { DetectionEngine } from '../engine';

interface StoredFile {
  readonly versions: { readonly author: string; readonly bytes: Uint8Array }[];
}

export interface SimulatorOptions {
  /** Nobody knows who did it (chokidar). */
  readonly anonymous?: boolean;
  readonly factsPerBatch?: number;
  /** Milliseconds of the events' time between two operations. */
  readonly paceMs?: number;
}

/** One batch with the comparison that the vault makes of it. */
export interface Step {
  readonly batch: FileBatch;
  readonly stored: VaultStored;
  /** Distinct originals whose content was lost or replaced up to here. */
  readonly lostFiles: number;
}

const host = 'fs01';
const watcherId = '1a2b3c4d';
export const bootId = '5f1c2a9e';

export class ShareSimulator {
  readonly steps: Step[] = [];
  readonly files = new Map<string, Uint8Array>();
  private readonly vault = new Map<string, StoredFile>();
  private readonly lost = new Set<string>();
  private readonly originals: ReadonlySet<string>;
  private facts: FileFact[] = [];
  private changes: ObservedChange[] = [];
  private actors = new Map<string, Actor>();
  private sequence = 0;
  private factSequence = 0;
  private nextPid = 5000;
  nowMs = 1_764_000_000_000;
  /** Only these are told by the vault, when set: what it could not keep it can't compare. */
  vaultKnows: (path: string) => boolean = () => true;

  constructor(
    files: ReadonlyMap<string, Uint8Array>,
    private readonly options: SimulatorOptions = {},
  ) {
    for (const [path, bytes] of files) {
      this.files.set(path, bytes);
      this.vault.set(path, { versions: [{ author: 'baseline', bytes }] });
    }
    this.originals = new Set(files.keys());
  }

  /** A process below others; without a parent it is the leader of a session of its own, started by cron. */
  process(exe: string, parent?: Actor, user = 'alice'): Actor {
    const pid = (this.nextPid += 1);
    const startTime = 900_000 + pid;
    const ancestors =
      parent?.pid === undefined
        ? [
            { pid: 700, startTime: 70, exe: '/usr/sbin/cron', comm: 'cron' },
            { pid: 1, startTime: 1, exe: '/usr/lib/systemd/systemd', comm: 'systemd' },
          ]
        : [
            {
              pid: parent.pid,
              startTime: parent.startTime ?? 0,
              exe: parent.exe ?? '',
              comm: (parent.exe ?? '').slice((parent.exe ?? '').lastIndexOf('/') + 1).slice(0, 15),
            },
            ...(parent.ancestors ?? []),
          ];
    return {
      key: `process:${bootId}:${pid}:${startTime}`,
      kind: 'process',
      pid,
      startTime,
      exe,
      commandLine: exe,
      uid: 1000,
      user,
      sessionId: parent?.sessionId ?? pid,
      ancestors,
    };
  }

  read(path: string): Uint8Array {
    const bytes = this.files.get(path);
    if (bytes === undefined) throw new Error(`the scenario reads ${path}, which isn't there`);
    return bytes;
  }

  write(actor: Actor, path: string, bytes: Uint8Array): void {
    const existed = this.files.has(path);
    this.files.set(path, bytes);
    const fact = this.fact(actor, {
      operation: existed ? 'modified' : 'created',
      path,
      written: true,
      content: this.describe(path, bytes, !existed),
    });
    this.observeWrite(fact, path, bytes);
    if (existed) this.noteLost(path);
    this.tick();
  }

  rename(actor: Actor, from: string, to: string): void {
    const bytes = this.read(from);
    const replaced = this.files.has(to);
    this.files.delete(from);
    this.files.set(to, bytes);
    const extension = (path: string) => /\.[^./]*$/u.exec(path)?.[0] ?? '';
    const content = extension(from) === extension(to) ? {} : { content: this.describe(to, bytes, false) };
    const fact = this.fact(actor, { operation: 'renamed', path: to, oldPath: from, ...(replaced ? { replaced: true } : {}), ...content });
    const target = this.vault.get(to);
    if (target !== undefined) this.observeLoss(fact, to, target);
    const moved = this.vault.get(from);
    this.vault.delete(from);
    if (moved !== undefined) this.vault.set(to, moved);
    if (replaced) this.noteLost(to);
    this.noteLost(from);
    this.tick();
  }

  delete(actor: Actor, path: string): void {
    if (!this.files.delete(path)) throw new Error(`the scenario deletes ${path}, which isn't there`);
    const fact = this.fact(actor, { operation: 'deleted', path });
    const known = this.vault.get(path);
    this.vault.delete(path);
    if (known !== undefined) this.observeLoss(fact, path, known);
    this.noteLost(path);
    this.tick();
  }

  /** Kuramori's own restore of a file. */
  restore(actor: Actor, path: string, bytes: Uint8Array): void {
    this.files.set(path, bytes);
    this.fact(
      { ...actor, own: true },
      { operation: 'modified', path, written: true, origin: 'kuramori', content: this.describe(path, bytes, false) },
    );
    this.vault.set(path, { versions: [{ author: 'baseline', bytes }] });
    this.tick();
  }

  wait(ms: number): void {
    this.flush();
    this.nowMs += ms;
  }

  /** Ends the batch in hand. */
  flush(): void {
    if (this.facts.length === 0) return;
    this.sequence += 1;
    const head = { host, watcherId, sequence: this.sequence, completeUntilMs: this.nowMs };
    this.steps.push({
      batch: { ...head, sensor: 'fanotify', actors: [...this.actors.values()], facts: this.facts },
      stored: { ...head, changes: this.changes },
      lostFiles: this.lost.size,
    });
    this.facts = [];
    this.changes = [];
    this.actors = new Map();
  }

  /** Empty batches, as a watcher sends while nothing happens. */
  heartbeat(ms: number): void {
    this.wait(ms);
    this.sequence += 1;
    const head = { host, watcherId, sequence: this.sequence, completeUntilMs: this.nowMs };
    this.steps.push({ batch: { ...head, sensor: 'fanotify', actors: [], facts: [] }, stored: { ...head, changes: [] }, lostFiles: this.lost.size });
  }

  private fact(actor: Actor, parts: Pick<FileFact, 'operation' | 'path'> & Partial<FileFact>): FileFact {
    const doer: Actor = this.options.anonymous === true ? { key: 'unknown', kind: 'unknown' } : actor;
    this.actors.set(doer.key, doer);
    this.factSequence += 1;
    const fact: FileFact = { id: `${watcherId}-${this.factSequence}`, atMs: this.nowMs, kind: 'file', actor: doer.key, origin: 'external', ...parts };
    this.facts.push(fact);
    return fact;
  }

  private tick(): void {
    this.nowMs += this.options.paceMs ?? 5;
    if (this.facts.length >= (this.options.factsPerBatch ?? 1)) this.flush();
  }

  private noteLost(path: string): void {
    if (this.originals.has(path)) this.lost.add(path);
  }

  private observeWrite(fact: FileFact, path: string, bytes: Uint8Array): void {
    const known = this.vault.get(path) ?? { versions: [] };
    const clean = known.versions.findLast(({ author }) => author !== fact.actor || fact.actor === 'unknown')?.bytes;
    this.vault.set(path, { versions: [...known.versions, { author: fact.actor, bytes }] });
    if (!this.vaultKnows(path)) return;
    const after = this.describe(path, bytes, false);
    const compared =
      clean === undefined
        ? {}
        : {
            before: this.describe(path, clean, false),
            blocks: compareContents(
              { sizeBytes: clean.length, windows: windows(clean, planComparison(clean.length, bytes.length)) },
              { sizeBytes: bytes.length, windows: windows(bytes, planComparison(clean.length, bytes.length)) },
            ),
          };
    this.changes.push({
      factId: fact.id,
      atMs: fact.atMs,
      change: 'stored',
      path,
      actor: fact.actor,
      version: known.versions.length + 1,
      after,
      ...compared,
    });
  }

  private observeLoss(fact: FileFact, path: string, { versions }: StoredFile): void {
    const last = versions.at(-1);
    const before = last === undefined || !this.vaultKnows(path) ? {} : { before: this.describe(path, last.bytes, false) };
    this.changes.push({ factId: fact.id, atMs: fact.atMs, change: 'removed', path, actor: fact.actor, ...before });
  }

  private describe(path: string, bytes: Uint8Array, isNew: boolean): ContentFeatures {
    const features = describeContent({
      name: path.slice(path.lastIndexOf('/') + 1),
      sizeBytes: bytes.length,
      windows: windows(bytes, planSample(bytes.length)),
      wantTextHead: isNew && bytes.length <= 65_536,
    });
    return { ...features, sha256: createHash('sha256').update(bytes).digest('hex') };
  }
}

function windows(bytes: Uint8Array, plan: readonly WindowPlan[]) {
  return plan.map(({ offset, length }) => ({ offset, bytes: bytes.subarray(offset, offset + length) }));
}

/** When comparisons reach the engine, seen from their batch. */
export type Delivery = 'at-once' | 'late' | 'early' | 'never';

export interface Judged {
  readonly verdicts: readonly Verdict[];
  /** Originals lost when the first attack verdict was spoken. */
  readonly lostAtVerdict: number | undefined;
}

/** Feeds what happened to an engine. */
export function judge(engine: DetectionEngine, steps: readonly Step[], delivery: Delivery = 'at-once', lateBy = 7): Judged {
  const verdicts: Verdict[] = [];
  let lostAtVerdict: number | undefined;
  const take = (spoken: readonly Verdict[], step: Step) => {
    verdicts.push(...spoken);
    if (spoken.some(({ level }) => level === 'attack')) lostAtVerdict ??= step.lostFiles;
  };
  const waiting: Step[] = [];
  const last = steps.at(-1);
  for (const step of steps) {
    // The last batch finds the vault up to date.
    while (step === last && waiting.length > 0) take(engine.onVaultStored(waiting.shift()?.stored ?? step.stored), step);
    if (delivery === 'early') take(engine.onVaultStored(step.stored), step);
    take(engine.onFileBatch(step.batch), step);
    if (delivery === 'at-once') take(engine.onVaultStored(step.stored), step);
    if (delivery !== 'late') continue;
    waiting.push(step);
    const due = waiting.length > lateBy ? waiting.shift() : undefined;
    if (due !== undefined) take(engine.onVaultStored(due.stored), step);
  }
  for (const step of waiting) if (last !== undefined) take(engine.onVaultStored(step.stored), last);
  return { verdicts, lostAtVerdict };
}
