import { setTimeout as delay } from 'node:timers/promises';
import { BusTooLargeError, callCommand } from '@kuramori/bus';
import {
  type ContentFeatures,
  type FileBatch,
  type FileFact,
  type JournalPosition,
  type ObservedChange,
  storedMessages,
  subjects,
  type VaultStored,
} from '@kuramori/contracts';
import type { Capture, CaptureRequest, DescribeRequest } from '../capture/capture';
import { filesAt, versionsOf } from '../catalogue/catalogue';
import type { Sql } from '../catalogue/database';
import { chunkNames, type FileRow, type VersionRow } from '../catalogue/rows';
import type { VaultCore } from '../core';
import { isDiskFull } from '../store/disk-full';
import { actorInWords, applyFacts, holdsWriteOf, isSameFile } from './apply-facts';
import { isThere } from './is-there';
import { planCaptures, type PlannedCapture } from './plan-captures';
import { type Author, pathsOf, WorkingSet } from './working-set';

/** Longer files are looked at now (samples) and kept right after the batch: its message must not wait for gigabytes. */
export const keptAtOnceBytes = 8 * 1024 * 1024;
const retryMs = 500;

/** Where a watcher run is in the journal. */
interface Position {
  readonly sequence: number;
  readonly completeUntilMs: number;
}

export interface BatchHandlerOptions {
  readonly baselineDone: () => boolean;
  /** Takes the guard's copies over before anything is judged. */
  readonly adopt: () => Promise<void>;
  /** Files wait for a later look. */
  readonly pending: () => void;
}

/**
 * One batch of facts after the other: journal, new versions and position in one transaction, then the message about them. A batch that comes again changes nothing
 * and brings the same message, which is kept until the next batch.
 */
export class BatchHandler {
  private readonly positions = new Map<string, Position>();
  private readonly waiters = new Set<() => void>();
  private oldestFactMs: number | undefined;
  handledFacts = 0;

  constructor(
    private readonly core: VaultCore,
    private readonly options: BatchHandlerOptions,
  ) {}

  async load(): Promise<void> {
    const rows = await this.core.database.read<Position & { watcherId: string }>('SELECT "watcherId", "sequence", "completeUntilMs" FROM "position"');
    for (const { watcherId, sequence, completeUntilMs } of rows) this.positions.set(watcherId, { sequence, completeUntilMs });
  }

  /** Resolves when the batch is in the journal and its message in the stream. While the disk is full or the bus away it waits: nothing is passed over. */
  async handle(batch: FileBatch): Promise<void> {
    this.oldestFactMs = batch.facts[0]?.atMs ?? batch.completeUntilMs;
    try {
      for (;;) {
        try {
          await this.handleOnce(batch);
          return;
        } catch (error) {
          if (!isDiskFull(error)) throw error;
          this.core.reserve.noteFull();
          await delay(retryMs);
        }
      }
    } finally {
      this.oldestFactMs = undefined;
    }
  }

  /** Event time of the first fact in hand. */
  get oldestInHandMs(): number | undefined {
    return this.oldestFactMs;
  }

  /** Resolves when the journal holds everything up to there; false after the time. */
  async reached({ watcherId, sequence }: JournalPosition, timeoutMs: number): Promise<boolean> {
    const there = () => (this.positions.get(watcherId)?.sequence ?? 0) >= sequence;
    if (there()) return true;
    return new Promise((resolve) => {
      const look = () => {
        if (there()) end(true);
      };
      const end = (result: boolean) => {
        clearTimeout(timer);
        this.waiters.delete(look);
        resolve(result);
      };
      const timer = setTimeout(() => end(false), timeoutMs);
      this.waiters.add(look);
    });
  }

  private async handleOnce(batch: FileBatch): Promise<void> {
    const known = this.positions.get(batch.watcherId);
    if (known !== undefined && batch.sequence <= known.sequence) {
      await this.publishAgain(batch);
      return;
    }
    if (batch.sequence > (known?.sequence ?? 0) + 1) this.missed(batch, known);
    await this.options.adopt();
    const message = await this.core.gate.keep(() => this.journal(batch));
    this.positions.set(batch.watcherId, { sequence: batch.sequence, completeUntilMs: batch.completeUntilMs });
    this.handledFacts += batch.facts.length;
    await this.publish(message);
    for (const wake of [...this.waiters]) wake();
  }

  private async journal(batch: FileBatch): Promise<VaultStored> {
    const authors = new Map<string, Author>(batch.actors.map((actor) => [actor.key, { key: actor.key, words: actorInWords(actor) }]));
    const own = new Set(batch.actors.filter(({ own: isOwn }) => isOwn === true).map(({ key }) => key));
    // A restore brings catalogue and journal up to date by itself: its facts are not entered twice (rules.md 17).
    const facts = batch.facts.filter((fact) => fact.origin !== 'kuramori' && !own.has(fact.actor));
    const look = await this.look(facts);
    const result = await this.core.database.transaction(async (sql) => {
      // During an undo most batches hold nothing but our own changes.
      const changes = facts.length === 0 ? [] : await this.enter(sql, facts, look, authors);
      const stored: VaultStored = {
        host: batch.host,
        watcherId: batch.watcherId,
        sequence: batch.sequence,
        completeUntilMs: batch.completeUntilMs,
        changes,
      };
      await sql.query(
        `INSERT INTO "position" ("watcherId", "sequence", "completeUntilMs", "message") VALUES (?, ?, ?, ?)
         ON CONFLICT ("watcherId") DO UPDATE SET "sequence" = excluded."sequence", "completeUntilMs" = excluded."completeUntilMs", "message" = excluded."message"`,
        [batch.watcherId, batch.sequence, batch.completeUntilMs, JSON.stringify(stored)],
      );
      return stored;
    });
    if ([...look.captures.values()].some(({ outcome }) => outcome !== 'captured' && outcome !== 'gone')) this.options.pending();
    return result;
  }

  private async enter(
    sql: Sql,
    facts: readonly FileFact[],
    look: Awaited<ReturnType<BatchHandler['look']>>,
    authors: ReadonlyMap<string, Author>,
  ): Promise<ObservedChange[]> {
    const nowMs = this.core.now();
    const set = new WorkingSet(sql, this.core.ids, this.core.suspects);
    await set.load(pathsOf(facts));
    const changes = await applyFacts(set, facts, {
      ...look,
      kept: (path) => this.core.kept(path),
      exists: isThere,
      baselineDone: this.options.baselineDone(),
      author: (key) => authors.get(key) ?? { key, words: key },
      nowMs,
    });
    await set.write();
    await set.evict(this.core.settings.vault.versions, nowMs);
    return changes;
  }

  /** Reads what the batch changed, before the transaction: files are slow, the database is shared. */
  private async look(facts: readonly FileFact[]): Promise<{ captures: Map<number, Capture>; lostFeatures: Map<number, ContentFeatures> }> {
    if (facts.length === 0) return { captures: new Map(), lostFeatures: new Map() };
    const { rows, versions } = await this.known(pathsOf(facts));
    const planned = planCaptures(facts, (path) => {
      const row = rowAt(rows, path, facts);
      return row === undefined ? undefined : { kept: row.version !== null && row.pendingSinceMs === null };
    });
    const low = this.core.reserve.isLow();
    const requests = planned.map((plan) => this.request(plan, facts, rows, versions, low));
    const lost = this.lostRows(facts, rows);
    const descriptions = lost.flatMap(({ row }) => this.describeRequest(row, versions.get(row.id) ?? []));
    const [captures, features] = await Promise.all([
      this.core.pool.capture('live', requests),
      this.core.pool.describe(descriptions.map(({ request }) => request)),
    ]);
    const lostFeatures = new Map<number, ContentFeatures>();
    for (const { row } of lost) {
      const cached = cleanVersion(versions.get(row.id))?.features;
      if (cached !== undefined && cached !== null) lostFeatures.set(row.id, JSON.parse(cached) as ContentFeatures);
    }
    for (const [index, { fileId }] of descriptions.entries()) {
      const described = features[index];
      if (described !== undefined) lostFeatures.set(fileId, described);
    }
    const byIndex = new Map<number, Capture>();
    for (const [position, { index, path }] of planned.entries()) {
      const capture = captures[position];
      if (capture === undefined) continue;
      if (capture.outcome === 'full') this.core.reserve.noteFull();
      // No room is no reason to forget it: it stays pending.
      byIndex.set(index, capture.outcome === 'not-kept' && low && this.core.kept(path) ? { ...capture, outcome: 'full' } : capture);
    }
    return { captures: byIndex, lostFeatures };
  }

  private async known(paths: readonly string[]): Promise<{ rows: Map<string, FileRow>; versions: Map<number, VersionRow[]> }> {
    const sql = { query: <Row>(text: string, parameters?: readonly unknown[]) => this.core.database.read<Row>(text, parameters) };
    const found = await filesAt(sql, paths);
    const versions = await versionsOf(
      sql,
      found.map(({ id }) => id),
    );
    return { rows: new Map(found.map((row) => [row.path, row])), versions };
  }

  private request(
    { path, pathBefore, index }: PlannedCapture,
    facts: readonly FileFact[],
    rows: ReadonlyMap<string, FileRow>,
    versions: ReadonlyMap<number, VersionRow[]>,
    low: boolean,
  ): CaptureRequest {
    const row = pathBefore === undefined ? undefined : rowAt(rows, pathBefore, facts);
    const fact = facts[index];
    const all = row === undefined ? undefined : versions.get(row.id);
    // What was read after the change is not what was there before.
    const isBefore = (version: VersionRow) => row === undefined || fact === undefined || !holdsWriteOf(version, row, fact);
    // A file that came into being with this change was nothing before, even if the baseline or the guard has seen its beginnings.
    const isNew = fact?.operation === 'created' && fact.rescan !== true && row !== undefined && isSameFile(row, fact.stat);
    const before = isNew ? undefined : cleanVersion(all?.filter(isBefore));
    return {
      path,
      keep: !low && this.core.kept(path),
      atMostBytes: keptAtOnceBytes,
      compare: before?.kind !== 'file' ? {} : { before: contentOf(before) },
    };
  }

  /** Files that a deletion or a rename over them takes away. */
  private lostRows(facts: readonly FileFact[], rows: ReadonlyMap<string, FileRow>): { row: FileRow }[] {
    const lost = new Map<number, FileRow>();
    for (const fact of facts) {
      if (fact.kind === 'directory') continue;
      const row = rowAt(rows, fact.path, facts);
      if (row === undefined) continue;
      const replaced = fact.operation === 'renamed' || (fact.stat !== undefined && (fact.stat.ino !== row.ino || fact.stat.dev !== row.dev));
      if (fact.operation === 'deleted' || replaced) lost.set(row.id, row);
    }
    return [...lost.values()].map((row) => ({ row }));
  }

  private describeRequest(row: FileRow, versions: readonly VersionRow[]): { fileId: number; request: DescribeRequest }[] {
    const version = cleanVersion(versions);
    if (version?.features !== null || version.kind !== 'file') return [];
    return [{ fileId: row.id, request: { content: contentOf(version), name: row.path.slice(row.path.lastIndexOf('/') + 1) } }];
  }

  private missed(batch: FileBatch, known: Position | undefined): void {
    const from = (known?.sequence ?? 0) + 1;
    this.core.notices.tell(
      'rescan-pending',
      `batches ${from} to ${batch.sequence - 1} of watcher run ${batch.watcherId} never came: the disk is compared with the catalogue`,
      { alarm: true },
    );
    void callCommand(this.core.bus, this.core.settings.host, 'watcher', 'rescan', {}, { timeoutMs: 5000 }).catch((error: unknown) =>
      this.core.log(
        `the watcher could not be asked for a rescan: ${error instanceof Error ? error.message : String(error)}; it does one by itself when it starts and every protect.rescanEvery`,
      ),
    );
  }

  private async publishAgain({ watcherId, sequence }: FileBatch): Promise<void> {
    const [row] = await this.core.database.read<{ sequence: number; message: string | null }>(
      'SELECT "sequence", "message" FROM "position" WHERE "watcherId" = ?',
      [watcherId],
    );
    // An older batch was acknowledged after its message was published.
    if (row?.sequence === sequence && row.message !== null) await this.publish(JSON.parse(row.message) as VaultStored);
  }

  private async publish(message: VaultStored): Promise<void> {
    const id = `${message.watcherId}-${message.sequence}`;
    for (const [index, part] of storedMessages(message).entries()) await this.publishPart(part, index === 0 ? id : `${id}-${index + 1}`);
  }

  private async publishPart(part: VaultStored, messageId: string): Promise<void> {
    const subject = subjects.vaultStored(this.core.settings.host);
    for (let waitMs = 50; ; waitMs = Math.min(waitMs * 2, 2000)) {
      try {
        await this.core.bus.publish(subject, part, { messageId });
        return;
      } catch (error) {
        if (error instanceof BusTooLargeError && part.changes.length > 0) {
          this.core.log(
            `the bus takes no message as large as what the vault saw of batch ${part.sequence} (${error.message}): ${part.changes.length} changes are judged without their comparison. Set max_payload of nats-server to 1 MiB or more`,
          );
          await this.publishPart({ ...part, changes: [] }, messageId);
          return;
        }
        // Full or away: the batch is not acknowledged before its message is stored, and nothing comes before it.
        if (!(error instanceof Error) || !/^Bus(Full|Unavailable)Error$/u.test(error.name)) throw error;
        await delay(waitMs);
      }
    }
  }
}

/** The row of a path, also where the batch renames a directory above it. */
function rowAt(rows: ReadonlyMap<string, FileRow>, path: string, facts: readonly FileFact[]): FileRow | undefined {
  const direct = rows.get(path);
  if (direct !== undefined) return direct;
  for (const fact of facts) {
    if (fact.kind !== 'directory' || fact.oldPath === undefined || !path.startsWith(`${fact.path}/`)) continue;
    const row = rows.get(fact.oldPath + path.slice(fact.path.length));
    if (row !== undefined) return row;
  }
  return undefined;
}

function cleanVersion(versions: readonly VersionRow[] | undefined): VersionRow | undefined {
  return versions?.find(({ state }) => state === 'clean');
}

function contentOf({ sha256, size, chunks, features }: VersionRow): NonNullable<NonNullable<CaptureRequest['compare']>['before']> {
  return { sha256, sizeBytes: size, chunks: chunkNames(chunks), ...(features === null ? {} : { features: JSON.parse(features) as ContentFeatures }) };
}
