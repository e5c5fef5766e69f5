import { describe, expect, it } from 'vitest';
import type { Actor } from '@kuramori/contracts';
import type { RawEvent } from '../sensor';
import { type Disk, sensorContract } from '../sensor.contract';
import { MemorySensor } from './memory-sensor';

const actor: Actor = { key: `process:00000000:${process.pid}:1`, kind: 'process', pid: process.pid, startTime: 1 };

/** Tells every sensor what would happen on a disk. Roots and ignored directories it doesn't know. */
class ToldDisk implements Disk {
  private readonly there = new Map<string, RawEvent['kind']>();

  constructor(private readonly sensors: readonly MemorySensor[]) {}

  write(path: string): void {
    const created = !this.there.has(path);
    this.there.set(path, 'file');
    this.tell(path, { created, modified: true, closedAfterWrite: true });
  }
  makeDirectory(path: string): void {
    this.there.set(path, 'directory');
    this.tell(path, { created: true });
  }
  rename(from: string, to: string): void {
    for (const path of this.below(from)) {
      this.there.set(to + path.slice(from.length), this.there.get(path) ?? 'file');
      this.there.delete(path);
    }
    this.tell(to, { renamed: true, oldPath: from });
  }
  remove(path: string): void {
    for (const gone of this.below(path).reverse()) {
      this.tell(gone, { deleted: true });
      this.there.delete(gone);
    }
  }
  changeMode(path: string): void {
    this.tell(path, { metadata: true });
  }

  private below(path: string): string[] {
    return [...this.there.keys()].filter((each) => each === path || each.startsWith(`${path}/`)).sort();
  }

  private tell(path: string, change: Partial<RawEvent>): void {
    const event: RawEvent = {
      atMs: Date.now(),
      kind: this.there.get(path) ?? 'file',
      path,
      created: false,
      modified: false,
      closedAfterWrite: false,
      deleted: false,
      renamed: false,
      metadata: false,
      actor,
      ...change,
    };
    for (const sensor of this.sensors) sensor.push(event);
  }
}

sensorContract(
  'the memory sensor',
  async () => {
    const sensors: MemorySensor[] = [];
    const missing = '/srv/none';
    return {
      directory: '/srv',
      disk: new ToldDisk(sensors),
      missing,
      newSensor: () => {
        const sensor = new MemorySensor([missing]);
        sensors.push(sensor);
        return sensor;
      },
      close: async () => undefined,
    };
  },
  { seesDisk: false, renames: true, everyChange: false, anyName: true, metadata: true },
);

describe('the memory sensor', () => {
  it('loses what the test wants lost, for every root, until it is stopped', async () => {
    const sensor = new MemorySensor();
    const losses: string[] = [];
    await sensor.start(['/a', '/b'], [], { events: () => undefined, lost: (root, reason) => losses.push(`${root}: ${reason}`) });
    sensor.lose('overflow');
    expect(losses).toEqual(['/a: overflow', '/b: overflow']);
    expect(sensor.figures().overflows).toBe(1);
    await sensor.stop();
    sensor.lose('overflow');
    expect(losses).toHaveLength(2);
  });
});
