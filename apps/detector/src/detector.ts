import type { Bus } from '@kuramori/bus';
import type { Settings } from '@kuramori/config';
import { consumers, FileBatch, InvalidMessageError, parseMessage, streams, subjects, VaultStored, Verdict } from '@kuramori/contracts';
import { DetectionEngine } from '@kuramori/detection';

export interface DetectorOptions {
  readonly settings: Settings;
  readonly bus: Pick<Bus, 'publish' | 'read'>;
  readonly now?: () => number;
}

/** What is read again after a restart: longer than any attack that is under way, short enough to be quick. */
const replayMs = 30 * 60 * 1000;
const rememberedVerdicts = 10_000;

/** The engine with the streams around it: one message at a time goes in, verdicts are published before the message is acknowledged. */
export class Detector {
  private readonly engine: DetectionEngine;
  private readonly published = new Set<string>();
  private readonly unpublished: Verdict[] = [];
  private readonly counts = { facts: 0, suspicion: 0, warning: 0, attack: 0 };
  private queue: Promise<void> = Promise.resolve();

  constructor(private readonly options: DetectorOptions) {
    const { settings } = options;
    this.engine = new DetectionEngine({ host: settings.host, sensitivity: settings.detection.sensitivity, roots: settings.protect.roots });
  }

  /** Reads the last window of the streams again; verdicts that were spoken are not spoken again. */
  async rebuild(): Promise<number> {
    const { bus, settings } = this.options;
    const sinceMs = (this.options.now ?? Date.now)() - replayMs;
    for await (const { body } of bus.read(streams.verdicts.name, subjects.verdict('*'), sinceMs)) {
      const { id } = body as Partial<Verdict>;
      if (id !== undefined) this.published.add(id);
    }
    const messages: { readonly atMs: number; readonly feed: () => Verdict[] }[] = [];
    for await (const { body, storedAtMs } of bus.read(streams.files.name, consumers.detectorFiles.filterSubject, sinceMs)) {
      messages.push({ atMs: storedAtMs, feed: () => this.feedBatch(body) });
    }
    for await (const { body, storedAtMs } of bus.read(streams.vault.name, consumers.detectorVault.filterSubject, sinceMs)) {
      messages.push({ atMs: storedAtMs + 0.5, feed: () => this.feedStored(body) });
    }
    messages.sort((a, b) => a.atMs - b.atMs);
    const verdicts: Verdict[] = [];
    for (const { feed } of messages) {
      try {
        verdicts.push(...feed());
      } catch (error) {
        if (!(error instanceof InvalidMessageError)) throw error;
      }
    }
    await this.publish(verdicts.filter(({ host }) => host === settings.host));
    return messages.length;
  }

  onFileBatch(body: unknown): Promise<void> {
    return this.inTurn(() => this.feedBatch(body));
  }

  onVaultStored(body: unknown): Promise<void> {
    return this.inTurn(() => this.feedStored(body));
  }

  figures(): Readonly<Record<'facts' | 'suspicion' | 'warning' | 'attack', number>> {
    return { ...this.counts };
  }

  /** Both streams feed one engine: their handlers wait for each other. */
  private async inTurn(feed: () => Verdict[]): Promise<void> {
    const turn = this.queue.then(async () => this.publish(feed()));
    this.queue = turn.catch(() => undefined);
    await turn;
  }

  private feedBatch(body: unknown): Verdict[] {
    const batch = parseMessage(FileBatch, body);
    if (batch.host !== this.options.settings.host) return [];
    this.counts.facts += batch.facts.length;
    return this.engine.onFileBatch(batch);
  }

  private feedStored(body: unknown): Verdict[] {
    const stored = parseMessage(VaultStored, body);
    return stored.host === this.options.settings.host ? this.engine.onVaultStored(stored) : [];
  }

  private async publish(verdicts: readonly Verdict[]): Promise<void> {
    // The engine speaks each verdict once: one that the bus did not take is kept for the next turn.
    this.unpublished.push(...verdicts.filter(({ id }) => !this.published.has(id)));
    for (let verdict = this.unpublished[0]; verdict !== undefined; verdict = this.unpublished[0]) {
      await this.options.bus.publish(subjects.verdict(verdict.host), verdict, { messageId: verdict.id });
      this.unpublished.shift();
      this.counts[verdict.level] += 1;
      this.published.add(verdict.id);
      if (this.published.size > rememberedVerdicts) {
        const oldest = this.published.values().next();
        if (oldest.done !== true) this.published.delete(oldest.value);
      }
    }
  }
}
