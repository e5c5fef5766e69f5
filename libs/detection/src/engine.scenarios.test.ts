import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { makeShare } from '@kuramori/testing';
import { DetectionEngine } from '.';
import { attacks, encrypt, innocentWork, openPgp, type Scenario } from './simulation/scenarios';
import { type Delivery, judge, ShareSimulator, type SimulatorOptions, type Step } from './simulation/share-simulator';

const root = '/srv/share';
const documents = new Map<string, Uint8Array>();

beforeAll(() => {
  const directory = mkdtempSync(path.join(tmpdir(), 'kuramori-detection-'));
  try {
    makeShare(directory, { files: 160, sources: path.resolve('node_modules') });
    for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const file = path.join(entry.parentPath, entry.name);
      documents.set(path.join(root, path.relative(directory, file)), readFileSync(file));
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}, 120_000);

const engine = () => new DetectionEngine({ host: 'fs01', sensitivity: 'normal', roots: [root] });

function happen(scenario: Scenario, options: SimulatorOptions = {}): readonly Step[] {
  const share = new ShareSimulator(documents, options);
  scenario(share, [...documents.keys()].sort());
  share.flush();
  share.heartbeat(10_000);
  return share.steps;
}

/** Small files and texts tell less: these need a few more. */
const slower: Readonly<Record<string, number>> = {
  'eighteen processes without a common parent': 8,
  'one encrypted container, then delete': 15,
  'write under a random name, delete old': 10,
  'all but the first 4 KiB': 10,
};

const levels = (verdicts: readonly { level: string }[]) => new Set(verdicts.map(({ level }) => level));

describe.each(Object.entries(attacks))('an attack: %s', (name, scenario) => {
  it('is called one, once, after a few files, and its members are named', () => {
    const { verdicts, lostAtVerdict } = judge(engine(), happen(scenario));
    const spoken = verdicts.filter(({ level }) => level === 'attack');
    if (process.env.KURAMORI_SHOW === '1')
      process.stderr.write(`${name}: ${lostAtVerdict} files, ${spoken.length} verdicts, ${spoken.at(-1)?.groupKind} ${spoken.at(-1)?.title}\n`);
    expect(lostAtVerdict).toBeLessThanOrEqual(slower[name] ?? 6);
    expect(new Set(spoken.map(({ attackId }) => attackId)).size).toBe(1);
    expect(new Set(spoken.map(({ id }) => id)).size).toBe(spoken.length);
    expect(spoken.some(({ members }) => members.some(({ actionable }) => actionable))).toBe(true);
  });

  it.each(['late', 'early'] satisfies Delivery[])('is the same attack by the same members when comparisons come %s', (delivery) => {
    const steps = happen(scenario, { factsPerBatch: 3 });
    const summary = (way: Delivery) => {
      const spoken = judge(engine(), steps, way).verdicts.filter(({ level }) => level === 'attack');
      return {
        attacks: [...new Set(spoken.map(({ attackId }) => attackId))],
        actionable: [
          ...new Set(spoken.flatMap(({ members }) => members.filter(({ actionable }) => actionable).map(({ actor }) => actor.key))),
        ].sort(),
      };
    };
    expect(summary(delivery)).toEqual(summary('at-once'));
  });

  it('without known actors is one attack on the directory, and no process is named', () => {
    const { verdicts } = judge(engine(), happen(scenario, { anonymous: true }));
    const spoken = verdicts.filter(({ level }) => level === 'attack');
    expect(spoken.length).toBeGreaterThan(0);
    expect(new Set(spoken.map(({ attackId }) => attackId)).size).toBe(1);
    expect(spoken.every(({ groupKind, members }) => groupKind === 'subtree' && members.every(({ actor }) => actor.kind === 'unknown'))).toBe(true);
  });
});

describe.each(Object.entries(innocentWork))('innocent work: %s', (_name, scenario) => {
  it.each(['at-once', 'late', 'early', 'never'] satisfies Delivery[])('raises nothing when comparisons come %s', (delivery) => {
    const { verdicts } = judge(engine(), happen(scenario, { factsPerBatch: 2 }), delivery);
    expect(levels(verdicts).has('attack')).toBe(false);
    expect(verdicts.filter(({ level }) => level === 'warning').map(({ members }) => members.flatMap(({ evidence }) => evidence))).toEqual([]);
  });
  it('raises nothing when nobody knows who does it', () => {
    const { verdicts } = judge(engine(), happen(scenario, { anonymous: true, factsPerBatch: 2 }));
    expect(levels(verdicts).has('attack') || levels(verdicts).has('warning')).toBe(false);
  });
});

describe('a user who protects documents with a password', () => {
  const protect =
    (count: number): Scenario =>
    (share, files) => {
      const bash = share.process('/usr/bin/bash', share.process('/usr/bin/bash'));
      for (const file of files.filter((name) => name.endsWith('.docx')).slice(0, count)) {
        share.write(share.process('/usr/bin/gpg', bash), `${file}.gpg`, openPgp(share.read(file)));
        share.delete(share.process('/usr/bin/rm', bash), file);
      }
    };
  it('three documents are a warning at most', () => {
    expect(levels(judge(engine(), happen(protect(3))).verdicts)).not.toContain('attack');
  });
  it('ten in a moment are an attack', () => {
    expect(levels(judge(engine(), happen(protect(10))).verdicts)).toContain('attack');
  });
});

describe('one stream', () => {
  const scenario = attacks['openssl enc and rm, a process each'] ?? (() => undefined);
  it('gives the same verdicts every time', () => {
    const steps = happen(scenario);
    expect(judge(engine(), steps).verdicts).toEqual(judge(engine(), steps).verdicts);
  });
  it('delivered twice changes nothing', () => {
    const steps = happen(scenario);
    const twice = engine();
    const verdicts = steps.flatMap(({ batch, stored }) => [
      ...twice.onFileBatch(batch),
      ...twice.onVaultStored(stored),
      ...twice.onFileBatch(batch),
      ...twice.onVaultStored(stored),
    ]);
    expect(verdicts).toEqual(judge(engine(), steps).verdicts);
    expect(steps.flatMap(({ batch, stored }) => [...twice.onFileBatch(batch), ...twice.onVaultStored(stored)])).toEqual([]);
  });
  it('read again by an engine that is told what was published says nothing new', () => {
    const steps = happen(scenario);
    const { verdicts } = judge(engine(), steps);
    const again = engine();
    again.recall(verdicts);
    const known = new Set(verdicts.map(({ id }) => id));
    const spoken = judge(again, steps, 'late').verdicts;
    expect(new Set(spoken.map(({ attackId }) => attackId)).size).toBeLessThanOrEqual(1);
    expect(spoken.filter(({ id, level }) => !known.has(id) && level === 'attack').flatMap(({ members }) => members)).toEqual([]);
  });
});

describe('the members of an attack', () => {
  it('are both halves of each pair, below the tree that is named', () => {
    const share = new ShareSimulator(documents);
    const [scenario] = Object.values(attacks);
    scenario?.(share, [...documents.keys()].sort().slice(0, 12));
    share.flush();
    const { verdicts } = judge(engine(), share.steps);
    const spoken = verdicts.filter(({ level }) => level === 'attack');
    const named = spoken.flatMap(({ members }) => members.filter(({ actionable }) => actionable));
    expect(new Set(named.map(({ actor }) => actor.exe))).toEqual(new Set(['/usr/bin/openssl', '/usr/bin/rm']));
    expect(new Set(named.map(({ actor }) => actor.key)).size).toBe(24);
    expect(spoken[0]).toMatchObject({ groupKind: 'process-tree', title: 'Files are being encrypted by openssl (user alice)' });
  });

  it('include who made a ciphertext whose original had not been deleted yet, so that the undo finds it', () => {
    const share = new ShareSimulator(documents);
    const bash = share.process('/usr/bin/bash');
    const files = [...documents.keys()].sort();
    for (const file of files.slice(0, 8)) {
      share.write(share.process('/usr/bin/openssl', bash), `${file}.enc`, encrypt(share.read(file)));
      share.delete(share.process('/usr/bin/rm', bash), file);
    }
    const last = share.process('/usr/bin/openssl', bash);
    share.write(last, `${files[9] ?? ''}.enc`, encrypt(share.read(files[9] ?? '')));
    const named = judge(engine(), share.steps).verdicts.flatMap(({ members }) =>
      members.filter(({ actionable }) => actionable).map(({ actor }) => actor.key),
    );
    expect(named).toContain(last.key);
  });

  it('never include someone innocent at work beside it', () => {
    const share = new ShareSimulator(documents);
    const files = [...documents.keys()].sort();
    const writer = share.process('/usr/bin/vim', share.process('/usr/bin/bash'), 'bob');
    const python = share.process('/usr/bin/python3');
    for (const [index, file] of files.slice(0, 40).entries()) {
      share.write(python, file, encrypt(share.read(file)));
      share.write(writer, '/srv/share/Desk/plan.md', Buffer.from(`# Plan\n\nrevision ${index}\n`));
    }
    const members = judge(engine(), share.steps).verdicts.flatMap((verdict) => verdict.members.map(({ actor }) => actor.key));
    expect(new Set(members)).toEqual(new Set([python.key]));
  });

  it('of an unrelated job make an attack of their own', () => {
    const share = new ShareSimulator(documents);
    const files = [...documents.keys()].sort();
    const first = share.process('/usr/bin/python3', undefined, 'alice');
    const second = share.process('/usr/bin/perl', undefined, 'bob');
    for (const [index, file] of files.slice(0, 40).entries()) share.write(index % 2 === 0 ? first : second, file, encrypt(share.read(file)));
    const spoken = judge(engine(), share.steps).verdicts.filter(({ level }) => level === 'attack');
    expect(new Set(spoken.map(({ attackId }) => attackId)).size).toBe(2);
  });
});

describe('the end of an attack', () => {
  it('comes after ten minutes without evidence: what the same process does later is another one', () => {
    const share = new ShareSimulator(documents);
    const files = [...documents.keys()].sort();
    const python = share.process('/usr/bin/python3');
    for (const file of files.slice(0, 10)) share.write(python, file, encrypt(share.read(file)));
    share.wait(11 * 60_000);
    for (const file of files.slice(10, 20)) share.write(python, file, encrypt(share.read(file)));
    const ids = judge(engine(), share.steps)
      .verdicts.filter(({ level }) => level === 'attack')
      .map(({ attackId }) => attackId);
    expect(new Set(ids).size).toBe(2);
  });

  it('is not one verdict per file', () => {
    const { verdicts } = judge(engine(), happen(attacks['overwriting in place'] ?? (() => undefined)));
    expect(verdicts.length).toBeLessThan(12);
  });
});

describe("Kuramori's own restore", () => {
  it('is not scored, and the restored file counts again when it is attacked again', () => {
    const share = new ShareSimulator(documents);
    const files = [...documents.keys()].sort().slice(0, 6);
    const vault = share.process('/usr/bin/node');
    for (const file of files) share.write(share.process('/usr/bin/python3'), file, encrypt(share.read(file)));
    for (const file of files) share.restore(vault, file, documents.get(file) ?? new Uint8Array());
    share.wait(11 * 60_000);
    const again = share.process('/usr/bin/perl', undefined, 'mallory');
    for (const file of files) share.write(again, file, encrypt(share.read(file)));
    const spoken = judge(engine(), share.steps).verdicts.filter(({ level }) => level === 'attack');
    expect(spoken.flatMap(({ members }) => members.map(({ actor }) => actor.exe))).not.toContain('/usr/bin/node');
    expect(spoken.at(-1)?.members[0]?.actor.key).toBe(again.key);
  });
});
