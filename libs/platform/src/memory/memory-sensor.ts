import { type FileSensor, type RawEvent, type SensorFigures, type SensorListener, SensorUnavailableError } from '../sensor';

/** A sensor whose events the test makes. It has no disk: what the test pushes is handed on as it is, wherever it lies. */
export class MemorySensor implements FileSensor {
  readonly name = 'memory';
  readonly knowsActors = true;
  private listener: SensorListener | undefined;
  private roots: readonly string[] = [];
  private seen = 0;
  private losses = 0;

  /** @param missing roots that are not there */
  constructor(private readonly missing: readonly string[] = []) {}

  async start(roots: readonly string[], _ignore: readonly string[], listener: SensorListener): Promise<void> {
    for (const root of roots) if (this.missing.includes(root)) throw new SensorUnavailableError(`${root} is not there`);
    this.roots = roots;
    this.listener = listener;
  }
  /** Before the start and after the end nobody hears it. */
  push(...events: RawEvent[]): void {
    if (this.listener === undefined) return;
    this.seen += events.length;
    this.listener.events(events);
  }
  lose(reason: string): void {
    if (this.listener === undefined) return;
    this.losses += 1;
    for (const root of this.roots) this.listener.lost(root, reason);
  }
  figures(): SensorFigures {
    return { eventsSeen: this.seen, eventsIgnored: 0, overflows: this.losses, unresolvedActors: 0 };
  }
  async stop(): Promise<void> {
    this.listener = undefined;
  }
}
