import type { Bus, ReceivedMessage } from '@kuramori/bus';
import type { Settings } from '@kuramori/config';
import { FileBatch, InvalidMessageError, isSameHost, parseMessage, streams, subjects, VaultStored, Verdict } from '@kuramori/contracts';
import { DetectionEngine } from '@kuramori/detection';

export interface DetectorOptions {
  readonly settings: Settings;
  readonly bus: Pick<Bus, 'publish' | 'read'>;
  readonly now?: () => number;
}

/** Facts that are read again after a restart: longer than any attack at speed is under way. What is slower lives in the verdicts that suspected it. */
const replayMs = 30 * 60 * 1000;
/** Verdicts that are remembered: two half-lives of a job's evidence. */
const recallMs = 24 * 60 * 60 * 1000;
/** Ids of spoken verdicts; the bus itself drops repetitions within two minutes. */
const rememberedVerdicts = 10_000;

/**
 * The engine with the streams around it: one message at a time goes in, and its verdicts are published before the message is acknowledged. A message that
 * comes again is judged once; a verdict that the bus did not take is published with the next message, or with the same one when it comes again.
 */
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

  /**
   * Reads the last window of the streams again, before any new message is handled. Verdicts that were spoken are not spoken again; one that the process
   * died over is published now.
   * @returns how many messages were read
   */
  async rebuild(): Promise<number> {
    const { bus, settings } = this.options;
    const nowMs = (this.options.now ?? Date.now)();
    const spoken: Verdict[] = [];
    for await (const { body } of bus.read(streams.verdicts.name, subjects.verdict(settings.host), nowMs - recallMs)) {
      const verdict = readable(body);
      if (verdict === undefined) continue;
      this.notePublished(verdict.id);
      spoken.push(verdict);
      if (spoken.length > rememberedVerdicts) spoken.shift();
    }
    this.engine.recall(spoken);
    const files = bus.read(streams.files.name, subjects.fileBatch(settings.host), nowMs - replayMs);
    const stored = bus.read(streams.vault.name, subjects.vaultStored(settings.host), nowMs - replayMs);
    let messages = 0;
    for await (const { source, message } of inOrder(files, stored)) {
      messages += 1;
      try {
        this.keep(source === 'first' ? this.feedBatch(message.body) : this.feedStored(message.body));
      } catch (error) {
        // It became a dead letter when it came first.
        if (!(error instanceof InvalidMessageError)) throw error;
      }
    }
    await this.publish();
    return messages;
  }

  /** @throws InvalidMessageError for a message that can never be handled; other errors are worth another try */
  onFileBatch(body: unknown): Promise<void> {
    return this.inTurn(() => this.feedBatch(body));
  }

  /** @throws InvalidMessageError for a message that can never be handled; other errors are worth another try */
  onVaultStored(body: unknown): Promise<void> {
    return this.inTurn(() => this.feedStored(body));
  }

  figures(): Readonly<Record<'facts' | 'suspicion' | 'warning' | 'attack', number>> {
    return { ...this.counts };
  }

  /** State for people: what was judged, and how much is remembered. */
  details(): object {
    return { ...this.counts, remembered: this.engine.sizes(), unpublished: this.unpublished.length };
  }

  /** Both streams feed one engine: their handlers wait for each other. */
  private async inTurn(feed: () => Verdict[]): Promise<void> {
    const turn = this.queue.then(async () => {
      this.keep(feed());
      await this.publish();
    });
    this.queue = turn.catch(() => undefined);
    await turn;
  }

  private feedBatch(body: unknown): Verdict[] {
    const batch = parseMessage(FileBatch, body);
    if (!isSameHost(batch.host, this.options.settings.host)) return [];
    this.counts.facts += batch.facts.length;
    return this.engine.onFileBatch(batch);
  }

  private feedStored(body: unknown): Verdict[] {
    const stored = parseMessage(VaultStored, body);
    return isSameHost(stored.host, this.options.settings.host) ? this.engine.onVaultStored(stored) : [];
  }

  /** The engine speaks each verdict once: what the bus has not taken is kept. */
  private keep(verdicts: readonly Verdict[]): void {
    for (const verdict of verdicts) if (!this.published.has(verdict.id)) this.unpublished.push(verdict);
  }

  private async publish(): Promise<void> {
    for (let verdict = this.unpublished[0]; verdict !== undefined; verdict = this.unpublished[0]) {
      await this.options.bus.publish(subjects.verdict(verdict.host), verdict, { messageId: verdict.id });
      this.unpublished.shift();
      this.counts[verdict.level] += 1;
      this.notePublished(verdict.id);
    }
  }

  private notePublished(id: string): void {
    this.published.add(id);
    if (this.published.size <= rememberedVerdicts) return;
    const oldest = this.published.values().next();
    if (oldest.done !== true) this.published.delete(oldest.value);
  }
}

/** A verdict of an older version that this one can't read is none. */
function readable(body: unknown): Verdict | undefined {
  try {
    return parseMessage(Verdict, body);
  } catch (error) {
    if (error instanceof InvalidMessageError) return undefined;
    throw error;
  }
}

/** Two streams as one, by the time they were stored; of the same time the first one's message comes first. Holds one message of each. */
async function* inOrder(
  first: AsyncIterable<ReceivedMessage>,
  second: AsyncIterable<ReceivedMessage>,
): AsyncGenerator<{ readonly source: 'first' | 'second'; readonly message: ReceivedMessage }> {
  const [left, right] = [first[Symbol.asyncIterator](), second[Symbol.asyncIterator]()];
  try {
    let [nextLeft, nextRight] = [await left.next(), await right.next()];
    while (nextLeft.done !== true || nextRight.done !== true) {
      if (nextLeft.done !== true && (nextRight.done === true || nextLeft.value.storedAtMs <= nextRight.value.storedAtMs)) {
        yield { source: 'first', message: nextLeft.value };
        nextLeft = await left.next();
      } else if (nextRight.done !== true) {
        yield { source: 'second', message: nextRight.value };
        nextRight = await right.next();
      }
    }
  } finally {
    await Promise.all([left.return?.(), right.return?.()]);
  }
}
