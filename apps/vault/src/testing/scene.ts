import { randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { MemoryBus } from '@kuramori/bus';
import { parseSettings } from '@kuramori/config';
import { type Actor, type FileBatch, type FileFact, streams, subjects, type VaultStored } from '@kuramori/contracts';
import { fsPath, toFileStat } from '@kuramori/platform';
import { kindOf } from '../capture/file-state';
import { Vault, type VaultOptions } from '../vault';

export const alice: Actor = { key: 'process:b:10:1', kind: 'process', pid: 10, exe: '/usr/bin/vim', user: 'alice' };
export const mallory: Actor = { key: 'process:b:66:1', kind: 'process', pid: 66, exe: '/usr/bin/openssl', user: 'mallory' };

export interface SceneOptions {
  readonly dataDir?: string;
  readonly directory?: string;
  readonly protect?: Record<string, unknown>;
  readonly vault?: Partial<VaultOptions>;
  readonly versions?: number;
  readonly reserveFree?: string;
}

/** A real directory, a vault on it, and facts as a watcher would send them. */
export class Scene {
  readonly watcherId = randomBytes(4).toString('hex');
  readonly bus = new MemoryBus({ firstBackoffMs: 5 });
  readonly log: string[] = [];
  vault!: Vault;
  private sequence = 0;
  private facts = 0;

  private constructor(
    readonly directory: string,
    readonly dataDir: string,
    private readonly options: SceneOptions,
  ) {}

  static async open(options: SceneOptions = {}): Promise<Scene> {
    const directory = options.directory ?? mkdtempSync(path.join(tmpdir(), 'kuramori-vault-'));
    const scene = new Scene(directory, options.dataDir ?? path.join(directory, 'data'), options);
    mkdirSync(scene.share, { recursive: true });
    mkdirSync(scene.dataDir, { recursive: true });
    await scene.bus.ensureStreams(Object.values(streams));
    await scene.start();
    return scene;
  }

  get share(): string {
    return path.join(this.directory, 'share');
  }

  at(name: string): string {
    return path.join(this.share, name);
  }

  async start(): Promise<void> {
    const { protect, versions = 4, reserveFree = '1B', vault } = this.options;
    const settings = parseSettings(
      JSON.stringify({ host: 'fs01', dataDir: this.dataDir, protect: { roots: [this.share], ...protect }, vault: { versions, reserveFree } }),
      'test',
    );
    this.vault = await Vault.open({ settings, bus: this.bus, log: (line) => void this.log.push(line), ...vault });
  }

  /** Starts and waits for the end of the first pass. */
  async baseline(): Promise<void> {
    await this.vault.begin();
    await this.vault.baseline.ended();
  }

  async restart(): Promise<void> {
    await this.vault.stop();
    await this.start();
  }

  /** A fact about what was just done. */
  fact(actor: Actor, operation: FileFact['operation'], name: string, more: Partial<FileFact> = {}): FileFact {
    const file = this.at(name);
    this.facts += 1;
    const stat = lstatSync(fsPath(file), { bigint: true, throwIfNoEntry: false });
    return {
      id: `${this.watcherId}-${this.facts}`,
      atMs: performance.timeOrigin + performance.now(),
      operation,
      kind: stat === undefined ? 'file' : kindOf(stat),
      path: file,
      actor: actor.key,
      origin: 'external',
      ...(operation === 'created' || operation === 'modified' ? { written: true } : {}),
      ...(stat === undefined || operation === 'deleted' ? {} : { stat: toFileStat(stat) }),
      ...more,
    };
  }

  batch(facts: readonly FileFact[], more: Partial<FileBatch> = {}): FileBatch {
    this.sequence += 1;
    const actors = [alice, mallory, { key: 'unknown', kind: 'unknown' } as const].filter(({ key }) => facts.some(({ actor }) => actor === key));
    return {
      host: 'fs01',
      watcherId: this.watcherId,
      sequence: this.sequence,
      completeUntilMs: Date.now(),
      sensor: 'memory',
      actors,
      facts: [...facts],
      ...more,
    };
  }

  async tell(...facts: FileFact[]): Promise<VaultStored> {
    const batch = this.batch(facts);
    await this.vault.batches.handle(batch);
    return this.stored(batch.sequence);
  }

  /** The message about a batch. */
  async stored(sequence: number): Promise<VaultStored> {
    for await (const { body } of this.bus.read(streams.vault.name, subjects.vaultStored('fs01'), 0)) {
      const message = body as VaultStored;
      if (message.sequence === sequence) return message;
    }
    throw new Error(`no message about batch ${sequence}`);
  }

  async notices(kind: Parameters<typeof subjects.vaultNotice>[1]): Promise<unknown[]> {
    const found: unknown[] = [];
    for await (const { body } of this.bus.read(streams.vault.name, subjects.vaultNotice('fs01', kind), 0)) found.push(body);
    return found;
  }

  async undo(more: { dryRun?: boolean; actors?: string[]; below?: string[] } = {}) {
    return this.vault.undo.undo({
      incidentId: 'incident-1',
      actors: more.actors ?? [mallory.key],
      sinceMs: 0,
      dryRun: more.dryRun ?? false,
      ...(more.below === undefined ? {} : { below: more.below }),
    });
  }

  async close(): Promise<void> {
    await this.vault.stop();
    await this.bus.drain();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
