/** Streams as a watcher and a vault would make them, for tests of judgement. */
import type { Actor, BlockComparison, ContentFeatures, FileBatch, FileFact, ObservedChange, VaultStored } from '@kuramori/contracts';

export const docx: ContentFeatures = {
  sizeBytes: 40_000,
  sampledBytes: 40_000,
  type: 'docx',
  extensionType: 'docx',
  entropy: 7.6,
  chiSquare: 9000,
  randomShare: 0,
  printableShare: 0.4,
  distinctBytes: 256,
  structure: 'intact',
};
export const text: ContentFeatures = {
  sizeBytes: 4000,
  sampledBytes: 4000,
  type: 'text',
  extensionType: 'text',
  entropy: 4.7,
  chiSquare: 60_000,
  randomShare: 0,
  printableShare: 1,
  distinctBytes: 80,
  structure: 'intact',
};
export const gzip: ContentFeatures = {
  sizeBytes: 20_000,
  sampledBytes: 20_000,
  type: 'gzip',
  extensionType: 'gzip',
  entropy: 7.98,
  chiSquare: 330,
  randomShare: 1,
  printableShare: 0.37,
  distinctBytes: 256,
  structure: 'intact',
};
export const jpeg: ContentFeatures = {
  sizeBytes: 80_000,
  sampledBytes: 80_000,
  type: 'jpeg',
  extensionType: 'jpeg',
  entropy: 7.95,
  chiSquare: 5000,
  randomShare: 0,
  printableShare: 0.37,
  distinctBytes: 256,
  structure: 'intact',
};
export const random = (extensionType = 'docx', sizeBytes = 40_000): ContentFeatures => ({
  sizeBytes,
  sampledBytes: Math.min(sizeBytes, 256 * 1024),
  type: 'data',
  extensionType,
  entropy: 7.99,
  chiSquare: 256,
  randomShare: 1,
  printableShare: 0.37,
  distinctBytes: 256,
  structure: extensionType === '' ? 'unknown' : 'broken',
});
export const salted = (sizeBytes = 40_032): ContentFeatures => ({ ...random('', sizeBytes), type: 'openssl-salted', structure: 'encrypted' });
export const base64: ContentFeatures = { ...text, entropy: 6.0, distinctBytes: 65, chiSquare: 20_000, sizeBytes: 53_000, sampledBytes: 53_000 };
export const zeros: ContentFeatures = { ...random(), entropy: 0, chiSquare: 1e7, randomShare: 0, distinctBytes: 1, printableShare: 0 };
export const empty: ContentFeatures = {
  ...random(),
  sizeBytes: 0,
  sampledBytes: 0,
  type: 'empty',
  entropy: 0,
  chiSquare: 0,
  randomShare: 0,
  distinctBytes: 0,
  structure: 'unknown',
};

export const turned = (turnedRandomShare = 1, changedShare = 1, similarity = 0): BlockComparison => ({
  comparedBlocks: 10,
  changedShare,
  turnedRandomShare,
  similarity,
});

/** A process; `parents` nearest first. */
export function process(pid: number, exe: string, parents: readonly Actor[] = [], user = 'alice'): Actor {
  return {
    key: `process:boot0001:${pid}:${pid * 10}`,
    kind: 'process',
    pid,
    startTime: pid * 10,
    exe,
    commandLine: exe,
    uid: 1000,
    user,
    sessionId: parents.at(-1)?.pid ?? pid,
    ancestors: [
      ...parents.map((parent) => ({
        pid: parent.pid ?? 0,
        startTime: parent.startTime ?? 0,
        exe: parent.exe ?? '',
        comm: (parent.exe ?? '').split('/').at(-1) ?? '',
      })),
      { pid: 1, startTime: 1, exe: '/usr/lib/systemd/systemd', comm: 'systemd' },
    ],
  };
}

type Step = Partial<FileFact> &
  Pick<FileFact, 'operation' | 'path'> & { readonly by: Actor; readonly vault?: Partial<ObservedChange> & Pick<ObservedChange, 'change'> };

/** Turns steps into batches and the vault's comparisons, one batch a step. */
export class Story {
  private sequence = 0;
  private atMs = 1_764_000_000_000;
  readonly messages: ({ readonly batch: FileBatch } | { readonly stored: VaultStored })[] = [];

  constructor(private readonly stepMs = 10) {}

  wait(ms: number): this {
    this.atMs += ms;
    return this;
  }

  step({ by, vault, ...fact }: Step): this {
    this.sequence += 1;
    this.atMs += this.stepMs;
    const id = `00000001-${this.sequence}`;
    const base = { host: 'h', watcherId: '00000001', sequence: this.sequence, completeUntilMs: this.atMs };
    this.messages.push({
      batch: { ...base, sensor: 'memory', actors: [by], facts: [{ id, atMs: this.atMs, kind: 'file', actor: by.key, origin: 'external', ...fact }] },
    });
    if (vault !== undefined)
      this.messages.push({ stored: { ...base, changes: [{ factId: id, atMs: this.atMs, path: fact.path, actor: by.key, ...vault }] } });
    return this;
  }

  /** An empty batch later on: time passes. */
  tick(ms: number): this {
    this.wait(ms);
    this.sequence += 1;
    this.messages.push({
      batch: { host: 'h', watcherId: '00000001', sequence: this.sequence, completeUntilMs: this.atMs, sensor: 'memory', actors: [], facts: [] },
    });
    return this;
  }

  overwrite(by: Actor, path: string, before: ContentFeatures, after: ContentFeatures, blocks: BlockComparison = turned()): this {
    return this.step({
      by,
      operation: 'modified',
      path,
      written: true,
      content: after,
      vault: { change: 'stored', version: 2, before, after, blocks },
    });
  }
  create(by: Actor, path: string, content: ContentFeatures): this {
    return this.step({ by, operation: 'created', path, written: true, content, vault: { change: 'stored', version: 1, after: content } });
  }
  remove(by: Actor, path: string, before: ContentFeatures): this {
    return this.step({ by, operation: 'deleted', path, vault: { change: 'removed', before } });
  }
  rename(by: Actor, oldPath: string, path: string, replaced?: ContentFeatures): this {
    return this.step({
      by,
      operation: 'renamed',
      oldPath,
      path,
      ...(replaced === undefined ? {} : { vault: { change: 'removed' as const, before: replaced } }),
    });
  }
}
