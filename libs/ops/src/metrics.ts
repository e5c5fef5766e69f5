import { collectDefaultMetrics, Gauge, register } from 'prom-client';
import type { BusFigures } from '@kuramori/bus';

let defaultsCollected = false;

/** The process's own figures (memory, CPU, event loop). Safe to call twice. */
export function collectProcessMetrics(): void {
  if (defaultsCollected) return;
  defaultsCollected = true;
  collectDefaultMetrics({ prefix: 'kuramori_' });
}

/** A gauge read at each scrape. A second one of the same name replaces the first. */
export function gauge(name: string, help: string, read: () => number): void {
  register.removeSingleMetric(`kuramori_${name}`);
  new Gauge({
    name: `kuramori_${name}`,
    help,
    collect() {
      this.set(read());
    },
  });
}

/** The bus as this service sees it. */
export function busMetrics(figures: () => BusFigures): void {
  gauge('bus_connected', 'Connected to the bus (1) or not (0)', () => (figures().connected ? 1 : 0));
  gauge('bus_reconnects', 'Connections made again since the start', () => figures().reconnects);
  gauge('bus_published', 'Messages published since the start', () => figures().published);
  gauge('bus_publish_failures', 'Publishes refused or unanswered since the start', () => figures().publishFailures);
  const name = 'kuramori_bus_consumer';
  register.removeSingleMetric(name);
  new Gauge({
    name,
    help: 'Durable consumers: messages handled, redelivered, dead, pending',
    labelNames: ['consumer', 'figure'],
    collect() {
      for (const { durable, ...counts } of figures().consumers) {
        for (const [figure, value] of Object.entries(counts)) this.set({ consumer: durable, figure }, value);
      }
    },
  });
}
