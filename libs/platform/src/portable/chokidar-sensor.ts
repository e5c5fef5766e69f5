import { watch, type FSWatcher } from 'chokidar';
import { unknownActor } from '@kuramori/contracts';
import { spoolAtMountOf } from '../linux/guard/spool';
import { pathFromBytes, pathToBytes } from '../path-text';
import { requireDirectories, Scope } from '../scope';
import { type FileSensor, type RawEvent, type SensorFigures, type SensorListener, SensorUnavailableError } from '../sensor';

type Change = Partial<Omit<RawEvent, 'atMs' | 'path' | 'actor'>>;

const nothing = { kind: 'file', created: false, modified: false, closedAfterWrite: false, deleted: false, renamed: false, metadata: false } as const;

/**
 * chokidar: works wherever Node does, knows no actor, and loses events under load without saying so: a rescan stands behind it. A rename is a deletion and a creation.
 * What has a name that is not UTF-8, and everything in such a directory, it never sees.
 */
export class ChokidarSensor implements FileSensor {
  readonly name = 'chokidar';
  readonly knowsActors = false;
  private watcher: FSWatcher | undefined;
  private giveUp: (() => void) | undefined;
  private seen = 0;
  private errors = 0;

  async start(roots: readonly string[], ignore: readonly string[], listener: SensorListener): Promise<void> {
    requireDirectories(roots);
    const scope = new Scope(roots, [...ignore, ...roots.map(spoolAtMountOf)]);
    const watcher = watch(roots.map(plainPath), {
      ignoreInitial: true,
      ignored: (path) => scope.isIgnored(pathText(path)),
      followSymlinks: false,
      persistent: true,
      alwaysStat: false,
      atomic: false,
    });
    this.watcher = watcher;
    const tell = (plain: string, change: Change) => {
      const path = pathText(plain);
      this.seen += 1;
      if (roots.includes(path)) listener.lost(path, `${path} itself was renamed, removed or made anew`);
      else listener.events([{ ...nothing, atMs: Date.now(), path, actor: unknownActor, ...change }]);
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
    await new Promise<void>((resolve, reject) => {
      watcher.once('ready', () => resolve());
      this.giveUp = () => reject(new SensorUnavailableError('chokidar was stopped before it had seen every directory'));
    });
  }

  figures(): SensorFigures {
    return { eventsSeen: this.seen, eventsIgnored: 0, overflows: this.errors, unresolvedActors: this.seen };
  }

  async stop(): Promise<void> {
    await this.watcher?.close();
    this.giveUp?.();
  }
}

function pathText(plain: string): string {
  return pathFromBytes(Buffer.from(plain));
}

/** @throws SensorUnavailableError for a name that chokidar takes for another one: it would watch nothing, and not say so */
function plainPath(path: string): string {
  const bytes = pathToBytes(path);
  const plain = bytes.toString('utf8');
  if (!Buffer.from(plain).equals(bytes)) throw new SensorUnavailableError(`chokidar can't watch ${path}: its name is not UTF-8`);
  if (plain.includes('\\')) throw new SensorUnavailableError(`chokidar can't watch ${path}: it takes a backslash for a slash`);
  return plain;
}
