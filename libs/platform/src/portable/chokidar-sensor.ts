import { watch, type FSWatcher } from 'chokidar';
import { unknownActor } from '@kuramori/contracts';
import type { FileSensor, RawEvent, SensorFigures, SensorListener } from '../sensor';

type Change = Partial<Omit<RawEvent, 'atMs' | 'path' | 'actor'>>;

/** chokidar: works wherever Node does, knows no actor, and loses events under load without saying so: a rescan stands behind it. */
export class ChokidarSensor implements FileSensor {
  readonly name = 'chokidar';
  readonly knowsActors = false;
  private watcher: FSWatcher | undefined;
  private seen = 0;
  private errors = 0;

  async start(roots: readonly string[], ignore: readonly string[], listener: SensorListener): Promise<void> {
    const below = (path: string) => ignore.some((top) => path === top || path.startsWith(`${top}/`));
    const watcher = watch([...roots], {
      ignoreInitial: true,
      ignored: below,
      followSymlinks: false,
      persistent: true,
      alwaysStat: false,
      atomic: false,
    });
    this.watcher = watcher;
    const tell = (path: string, change: Change) => {
      this.seen += 1;
      listener.events([
        {
          atMs: Date.now(),
          kind: 'file',
          path,
          created: false,
          modified: false,
          closedAfterWrite: false,
          deleted: false,
          renamed: false,
          metadata: false,
          actor: unknownActor,
          ...change,
        },
      ]);
    };
    watcher.on('add', (path) => tell(path, { created: true, modified: true, closedAfterWrite: true }));
    watcher.on('change', (path) => tell(path, { modified: true, closedAfterWrite: true }));
    watcher.on('unlink', (path) => tell(path, { deleted: true }));
    watcher.on('addDir', (path) => tell(path, { kind: 'directory', created: true }));
    watcher.on('unlinkDir', (path) => tell(path, { kind: 'directory', deleted: true }));
    watcher.on('error', (error) => {
      this.errors += 1;
      for (const root of roots) listener.lost(root, error instanceof Error ? error.message : String(error));
    });
    await new Promise<void>((resolve) => {
      watcher.once('ready', () => resolve());
    });
  }

  figures(): SensorFigures {
    return { eventsSeen: this.seen, eventsIgnored: 0, overflows: this.errors, unresolvedActors: this.seen };
  }

  async stop(): Promise<void> {
    await this.watcher?.close();
    this.watcher = undefined;
  }
}
