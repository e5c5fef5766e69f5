import type { Bus } from '@kuramori/bus';
import type { Settings } from '@kuramori/config';
import type { CapturePool } from './capture/capture-pool';
import type { Ids } from './catalogue/catalogue';
import type { Database } from './catalogue/database';
import type { Notices } from './notices';
import type { ChunkStore } from './store/chunk-store';
import type { ContentGate } from './store/content-gate';
import type { SpaceReserve } from './store/space-reserve';

/** What the vault's use cases share. */
export interface VaultCore {
  readonly settings: Settings;
  readonly bus: Pick<Bus, 'publish' | 'request' | 'figures'>;
  readonly database: Database;
  readonly ids: Ids;
  readonly store: ChunkStore;
  readonly pool: CapturePool;
  readonly gate: ContentGate;
  readonly reserve: SpaceReserve;
  readonly notices: Notices;
  /** Actors whose versions are suspect, since when. Kept in the database; this is its image. */
  readonly suspects: Map<string, number>;
  /** Whether the vault keeps a file (rules.md 18). */
  readonly kept: (path: string) => boolean;
  readonly log: (line: string) => void;
  readonly now: () => number;
}
