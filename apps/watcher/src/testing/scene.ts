import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { type Bus, BusUnavailableError, MemoryBus } from '@kuramori/bus';
import { parseSettings, type Settings } from '@kuramori/config';
import { type CatalogueEntry, CatalogueQuery, FileBatch, type FileFact, parseMessage, streams, subjects } from '@kuramori/contracts';
import { MemorySensor, type RawEvent } from '@kuramori/platform';
import { Watcher, type WatcherOptions } from '../watcher';
import { rawEvent } from './events';
import { Place } from './place';

export interface SceneOptions {
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  readonly protect?: Record<string, unknown>;
  readonly watcher?: Partial<WatcherOptions>;
  /** A real sensor in place of the one the test speaks for. */
  readonly chokidar?: boolean;
  /** The vault's baseline is still on its way. */
  readonly incomplete?: boolean;
}

/** A real directory, a watcher on it whose sensor the test speaks for, and a vault that answers as it is told. */
export class Scene {
  readonly place: Place;
  readonly bus = new MemoryBus({ firstBackoffMs: 5 });
  readonly log: string[] = [];
  readonly settings: Settings;
  /** What the vault says of the disk, by path. */
  readonly catalogue = new Map<string, CatalogueEntry>();
  readonly queries: CatalogueQuery[] = [];
  /** Settled before the vault answers for its catalogue. */
  catalogueHeld: Promise<void> = Promise.resolve();
  baselineDone: boolean;
  vaultAway = false;
  busAway = false;
  sensor!: MemorySensor;
  watcher!: Watcher;

  private constructor(private readonly options: SceneOptions) {
    this.place = new Place(options.files);
    const dataDir = path.join(this.place.directory, 'data');
    mkdirSync(dataDir);
    this.settings = parseSettings(JSON.stringify({ host: 'fs01', dataDir, protect: { roots: [this.place.share], ...options.protect } }), 'test');
    this.baselineDone = options.incomplete !== true;
  }

  /** Everything that is there is in the catalogue; the watcher runs. */
  static async open(options: SceneOptions = {}): Promise<Scene> {
    const scene = new Scene(options);
    for (const name of Object.keys(options.files ?? {})) scene.know(name);
    await scene.bus.ensureStreams(Object.values(streams));
    await scene.bus.respond(subjects.command('fs01', 'vault', 'baseline'), async () => ({ ok: true, result: { done: scene.baselineDone } }));
    await scene.bus.respond(subjects.command('fs01', 'vault', 'catalogue'), async (payload) => scene.answer(payload));
    await scene.start();
    return scene;
  }

  at(name: string): string {
    return this.place.at(name);
  }

  async start(overrides: Partial<WatcherOptions> = this.options.watcher ?? {}): Promise<void> {
    this.sensor = new MemorySensor();
    const watcher = new Watcher({
      settings: this.settings,
      bus: this.busOfTheWatcher(),
      log: (line) => void this.log.push(line),
      ...(this.options.chokidar === true ? {} : { sensor: this.sensor }),
      ...overrides,
    });
    await watcher.start();
    this.watcher = watcher;
  }

  async restart(): Promise<void> {
    await this.watcher.stop();
    await this.start();
  }

  /** The sensor tells. */
  push(name: string, what: Partial<RawEvent>, actor?: RawEvent['actor']): void {
    const oldPath = what.oldPath === undefined ? {} : { oldPath: this.at(what.oldPath) };
    this.sensor.push(rawEvent(this.at(name), { ...what, ...oldPath }, actor));
  }

  /** The vault has a file as it is now. */
  know(name: string): void {
    this.catalogue.set(this.at(name), this.place.entry(name));
  }

  /** Everything in the stream, each checked against its class. */
  async batches(): Promise<FileBatch[]> {
    const found: FileBatch[] = [];
    for await (const { body } of this.bus.read(streams.files.name, subjects.fileBatch('fs01'), 0)) found.push(parseMessage(FileBatch, body));
    return found;
  }

  async facts(): Promise<FileFact[]> {
    return (await this.batches()).flatMap(({ facts }) => facts);
  }

  /** The facts in short: `modified d/plan.txt`, `renamed new.txt old.txt`. */
  async told(): Promise<string[]> {
    const name = (file: string) => path.relative(this.place.share, file);
    return (await this.facts()).map(({ operation, path: file, oldPath }) =>
      [operation, name(file), ...(oldPath === undefined ? [] : [name(oldPath)])].join(' '),
    );
  }

  async close(): Promise<void> {
    this.busAway = false;
    await this.watcher.stop();
    await this.bus.drain();
    this.place.remove();
  }

  private busOfTheWatcher(): Pick<Bus, 'publish' | 'request'> {
    const there = () => {
      if (this.busAway) throw new BusUnavailableError('away');
    };
    return {
      publish: async (subject, message, options) => {
        there();
        return this.bus.publish(subject, message, options);
      },
      request: async (subject, payload, options) => {
        there();
        return this.bus.request(subject, payload, options);
      },
    };
  }

  private async answer(payload: unknown): Promise<object> {
    const query = parseMessage(CatalogueQuery, payload);
    this.queries.push(query);
    await this.catalogueHeld;
    if (this.vaultAway) return { ok: false, code: 'failed', error: 'the journal is not there yet' };
    const after = Buffer.from(query.after ?? '');
    const entries = [...this.catalogue.values()]
      .filter(({ path: file }) => Buffer.compare(Buffer.from(file), after) > 0)
      .sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)))
      .slice(0, query.limit);
    return { ok: true, result: { entries } };
  }
}
