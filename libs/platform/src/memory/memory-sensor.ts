import type { FileSensor, RawEvent, SensorFigures, SensorListener } from '../sensor';

/** A sensor whose events the test makes. */
export class MemorySensor implements FileSensor {
  readonly name = 'memory';
  readonly knowsActors = true;
  private listener: SensorListener | undefined;
  private roots: readonly string[] = [];
  private seen = 0;

  async start(roots: readonly string[], _ignore: readonly string[], listener: SensorListener): Promise<void> {
    this.roots = roots;
    this.listener = listener;
  }
  push(...events: RawEvent[]): void {
    this.seen += events.length;
    this.listener?.events(events);
  }
  lose(reason: string): void {
    for (const root of this.roots) this.listener?.lost(root, reason);
  }
  figures(): SensorFigures {
    return { eventsSeen: this.seen, eventsIgnored: 0, overflows: 0, unresolvedActors: 0 };
  }
  async stop(): Promise<void> {
    this.listener = undefined;
  }
}
