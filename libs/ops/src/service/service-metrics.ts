import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Bus } from '@kuramori/bus';

/** The default process metrics; every series carries the service's name. */
export function serviceMetrics(service: string): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ service });
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** A figure that is read when somebody asks for the metrics. */
export function registerGauge(registry: Registry, name: string, help: string, read: () => number | Promise<number>): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    async collect() {
      this.set(await read());
    },
  });
}

/** How the bus does for this service, read when asked. */
export function registerBusMetrics(registry: Registry, bus: Pick<Bus, 'figures'>): void {
  const gauge = (name: string, help: string, read: () => number) => registerGauge(registry, name, help, read);
  gauge('kuramori_bus_connected', '1 while connected to NATS', () => (bus.figures().connected ? 1 : 0));
  gauge('kuramori_bus_reconnects_total', 'Connections made again', () => bus.figures().reconnects);
  gauge('kuramori_bus_published_total', 'Messages stored in streams', () => bus.figures().published);
  gauge('kuramori_bus_publish_failures_total', 'Messages that a stream did not take', () => bus.figures().publishFailures);
  for (const figure of ['handled', 'redelivered', 'deadLetters', 'pending'] as const) {
    new Gauge({
      name: `kuramori_consumer_${figure === 'deadLetters' ? 'dead_letters' : figure}${figure === 'pending' ? '' : '_total'}`,
      help: {
        handled: 'Messages handled',
        redelivered: 'Messages delivered again',
        deadLetters: 'Messages given up',
        pending: 'Messages not yet delivered',
      }[figure],
      labelNames: ['consumer'],
      registers: [registry],
      collect() {
        for (const consumer of bus.figures().consumers) this.set({ consumer: consumer.durable }, consumer[figure]);
      },
    });
  }
}
