import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BusUnavailableError, JetStreamStrategy, MemoryBus } from '@kuramori/bus';
import type { Settings } from '@kuramori/config';
import {
  type Actor,
  type ContentFeatures,
  type FileBatch,
  InvalidMessageError,
  streams,
  subjects,
  type VaultStored,
  Verdict,
} from '@kuramori/contracts';
import { waitFor } from '@kuramori/testing';
import { Test } from '@nestjs/testing';
import { Detector } from './detector';
import { DetectorController } from './detector.controller';

const settings: Settings = {
  host: 'fs01',
  dataDir: '/var/lib/kuramori',
  mode: 'enforce',
  protect: {
    roots: ['/srv/share'],
    extensions: 'all',
    exclude: [],
    sensor: 'auto',
    guard: { enabled: false, deadlineMs: 2000, onDeadline: 'allow' },
    rescanEveryS: 3600,
  },
  vault: { versions: 4, reserveFree: { percent: 10 } },
  detection: { sensitivity: 'normal' },
  response: { suspend: true, kill: true, quarantine: true, restore: true, whitelist: [] },
  notify: { mail: null },
  bus: { url: null, credentials: '/nowhere', port: 4222 },
  http: { bind: '127.0.0.1', port: 7600 },
  language: 'en',
};

const python: Actor = {
  key: 'process:5f1c2a9e:4242:981234',
  kind: 'process',
  pid: 4242,
  startTime: 981234,
  exe: '/usr/bin/python3',
  user: 'alice',
  uid: 1001,
  sessionId: 4242,
};
const readable: ContentFeatures = {
  ...{ sizeBytes: 40_000, sampledBytes: 40_000, type: 'docx', extensionType: 'docx', entropy: 7.6, chiSquare: 9000 },
  ...{ randomShare: 0, printableShare: 0.4, distinctBytes: 256, structure: 'intact' },
};
const ciphertext: ContentFeatures = { ...readable, type: 'data', entropy: 7.99, chiSquare: 254, randomShare: 1, structure: 'broken' };

/** Five documents overwritten, a batch each, with what the vault says to it. */
function attack(): { batch: FileBatch; stored: VaultStored }[] {
  return Array.from({ length: 5 }, (_, index) => {
    const atMs = 1_764_000_000_000 + index * 10;
    const head = { host: 'fs01', watcherId: '1a2b3c4d', sequence: index + 1, completeUntilMs: atMs };
    const fact = { id: `1a2b3c4d-${index + 1}`, atMs, path: `/srv/share/Finance/計画 ${index}.docx`, actor: python.key };
    return {
      batch: {
        ...head,
        sensor: 'memory',
        actors: [python],
        facts: [{ ...fact, operation: 'modified', kind: 'file', written: true, origin: 'external', content: ciphertext }],
      },
      stored: {
        ...head,
        changes: [
          {
            factId: fact.id,
            atMs,
            path: fact.path,
            actor: fact.actor,
            change: 'stored',
            version: 2,
            before: readable,
            after: ciphertext,
            blocks: { comparedBlocks: 10, changedShare: 1, turnedRandomShare: 1, similarity: 0 },
          },
        ],
      },
    };
  });
}

let bus: MemoryBus;
beforeEach(async () => {
  bus = new MemoryBus({ firstBackoffMs: 5 });
  await bus.ensureStreams(Object.values(streams));
});
afterEach(() => bus.drain());

async function published(): Promise<Verdict[]> {
  const found: Verdict[] = [];
  for await (const { body } of bus.read(streams.verdicts.name, subjects.verdict('*'), 0)) found.push(body as Verdict);
  return found;
}
const attacksAmong = (verdicts: readonly Verdict[]) => verdicts.filter(({ level }) => level === 'attack');

async function record(): Promise<void> {
  for (const { batch, stored } of attack()) {
    await bus.publish(subjects.fileBatch('fs01'), batch, { messageId: `b${batch.sequence}` });
    await bus.publish(subjects.vaultStored('fs01'), stored, { messageId: `s${batch.sequence}` });
  }
}

describe('the detector', () => {
  it('has published the verdict when the message that caused it is handled', async () => {
    const detector = new Detector({ settings, bus });
    for (const { batch, stored } of attack()) {
      await detector.onFileBatch(batch);
      await detector.onVaultStored(stored);
    }
    expect(attacksAmong(await published())[0]).toMatchObject({ host: 'fs01', title: 'Files are being encrypted by python3 (user alice)' });
  });

  it('takes the messages of both streams one after the other, whoever calls first', async () => {
    const detector = new Detector({ settings, bus });
    await Promise.all(attack().flatMap(({ batch, stored }) => [detector.onVaultStored(stored), detector.onFileBatch(batch)]));
    expect(new Set(attacksAmong(await published()).map(({ attackId }) => attackId)).size).toBe(1);
  });

  it('publishes a verdict with the next message when the bus did not take it', async () => {
    let away = true;
    const detector = new Detector({
      settings,
      bus: {
        read: (...parts) => bus.read(...parts),
        publish: async (subject, message, options) => {
          if (away) throw new BusUnavailableError('away');
          return bus.publish(subject, message, options);
        },
      },
    });
    const failures: unknown[] = [];
    for (const { batch, stored } of attack()) {
      await detector.onFileBatch(batch).catch((error: unknown) => failures.push(error));
      await detector.onVaultStored(stored).catch((error: unknown) => failures.push(error));
    }
    expect(failures.length).toBeGreaterThan(0);
    away = false;
    const [first] = attack();
    await detector.onFileBatch(first?.batch);
    expect(attacksAmong(await published()).length).toBeGreaterThan(0);
  });

  it('says of a message that can never be handled that it is invalid', async () => {
    const detector = new Detector({ settings, bus });
    await expect(detector.onFileBatch({ host: 'fs01' })).rejects.toThrow(InvalidMessageError);
    await expect(detector.onVaultStored([])).rejects.toThrow(InvalidMessageError);
  });

  it('leaves other hosts to their own detectors', async () => {
    const detector = new Detector({ settings: { ...settings, host: 'fs02' }, bus });
    for (const { batch, stored } of attack()) {
      await detector.onFileBatch(batch);
      await detector.onVaultStored(stored);
    }
    expect(await published()).toEqual([]);
    expect(detector.figures().facts).toBe(0);
  });
});

describe('after a restart', () => {
  it('an attack that was told is not told again', async () => {
    await record();
    await new Detector({ settings, bus }).rebuild();
    const before = await published();
    expect(attacksAmong(before).length).toBeGreaterThan(0);
    const again = new Detector({ settings, bus });
    expect(await again.rebuild()).toBe(10);
    for (const { batch, stored } of attack()) {
      await again.onFileBatch(batch);
      await again.onVaultStored(stored);
    }
    expect(await published()).toEqual(before);
  });

  it('an attack cut in two by it is one attack', async () => {
    const first = new Detector({ settings, bus });
    await record();
    const steps = attack();
    for (const { batch, stored } of steps.slice(0, 4)) {
      await first.onFileBatch(batch);
      await first.onVaultStored(stored);
    }
    const second = new Detector({ settings, bus });
    await second.rebuild();
    const other: Actor = {
      ...python,
      key: 'process:5f1c2a9e:4243:981300',
      pid: 4243,
      startTime: 981300,
      sessionId: 4242,
      ancestors: [{ pid: 4242, startTime: 981234, exe: '/usr/bin/python3', comm: 'python3' }],
    };
    const [{ batch, stored }] = [steps[0] ?? { batch: undefined, stored: undefined }];
    const moved = { sequence: 9, completeUntilMs: 1_764_000_000_100 };
    await second.onFileBatch({
      ...batch,
      ...moved,
      actors: [other],
      facts: batch?.facts.map((fact) => ({
        ...fact,
        id: '1a2b3c4d-99',
        atMs: moved.completeUntilMs,
        actor: other.key,
        path: '/srv/share/HR/契約.docx',
      })),
    });
    await second.onVaultStored({
      ...stored,
      ...moved,
      changes: stored?.changes.map((change) => ({
        ...change,
        factId: '1a2b3c4d-99',
        atMs: moved.completeUntilMs,
        actor: other.key,
        path: '/srv/share/HR/契約.docx',
      })),
    });
    const told = attacksAmong(await published());
    expect(new Set(told.map(({ attackId }) => attackId)).size).toBe(1);
    expect(told.at(-1)?.members.map(({ actor }) => actor.key)).toContain(other.key);
  });
});

describe('the service', () => {
  it('binds both streams and answers within milliseconds of the batch', async () => {
    const detector = new Detector({ settings, bus });
    const module = await Test.createTestingModule({
      controllers: [DetectorController],
      providers: [{ provide: Detector, useValue: detector }],
    }).compile();
    const microservice = module.createNestMicroservice({
      strategy: new JetStreamStrategy(bus, settings.host, { warn: () => undefined, error: () => undefined }),
    });
    await microservice.listen();
    const startedMs = performance.now();
    await record();
    await waitFor('an attack verdict', 5000, async () => attacksAmong(await published()).length > 0);
    expect(performance.now() - startedMs).toBeLessThan(1000);
    await microservice.close();
  });
});
