import 'reflect-metadata';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FileBatch, parseMessage, type VaultStored, Verdict } from '@kuramori/contracts';
import { DetectionEngine } from '.';
import { docx, process, random, salted, Story, text, turned } from './testing';

const root = '/srv/share';
const engine = () => new DetectionEngine({ host: 'h', sensitivity: 'normal', roots: [root] });
const bash = process(100, '/usr/bin/bash');

describe('an engine that runs for ever', () => {
  it('remembers a bounded number of files and actors', () => {
    const judge = engine();
    for (let sequence = 1; sequence <= 1200; sequence += 1) {
      const facts: FileBatch['facts'] = [];
      const actors = Array.from({ length: 20 }, (_, index) => process(sequence * 20 + index, '/usr/bin/tool', [bash]));
      for (let index = 0; index < 250; index += 1) {
        const number = sequence * 250 + index;
        const actor = actors[index % 20] ?? bash;
        const operation = (['created', 'modified', 'renamed', 'deleted', 'modified'] as const)[index % 5] ?? 'created';
        facts.push({
          id: `0000000a-${number}`,
          atMs: 1_764_000_000_000 + number,
          operation,
          kind: 'file',
          path: `${root}/${number}.docx`,
          ...(operation === 'renamed' ? { oldPath: `${root}/${number}.md` } : {}),
          actor: actor.key,
          origin: 'external',
          content: index % 5 === 4 ? random() : docx,
        });
      }
      judge.onFileBatch({
        host: 'h',
        watcherId: '0000000a',
        sequence,
        completeUntilMs: 1_764_000_000_000 + sequence * 250,
        sensor: 'memory',
        actors,
        facts,
      });
    }
    const sizes = judge.sizes();
    expect(sizes.contents).toBeLessThanOrEqual(100_000);
    expect(sizes.cases).toBeLessThanOrEqual(50_000);
    expect(sizes.facts).toBeLessThanOrEqual(50_000);
    expect(sizes.origins).toBeLessThanOrEqual(50_000);
    expect(sizes.lostNames).toBeLessThanOrEqual(150_000);
    expect(sizes.actors).toBeLessThanOrEqual(20_000);
    expect(sizes.groups).toBeLessThanOrEqual(50_000);
  });

  it('holds a bounded number of comparisons whose batch never comes', () => {
    const judge = engine();
    for (let sequence = 1; sequence < 2000; sequence += 1) {
      judge.onVaultStored({
        host: 'h',
        watcherId: '0000000b',
        sequence,
        completeUntilMs: sequence,
        changes: [{ factId: `0000000b-${sequence}`, atMs: sequence, change: 'removed', path: `${root}/${sequence}`, actor: 'unknown' }],
      });
    }
    expect(judge.sizes().held).toBeLessThanOrEqual(256);
  });
});

describe('verdicts about thousands of short-lived processes', () => {
  const story = new Story(1);
  for (let index = 0; index < 1500; index += 1) {
    const path = `${root}/d${index % 40}/${index}.docx`;
    const withLongCommand = { ...process(10_000 + index * 2, '/usr/bin/openssl', [bash]), commandLine: 'x'.repeat(4096) };
    story.create(withLongCommand, `${path}.enc`, salted()).remove(process(10_001 + index * 2, '/usr/bin/rm', [bash]), path, docx);
  }
  story.tick(10_000);
  const judge = engine();
  const verdicts = story.messages.flatMap((message) => ('batch' in message ? judge.onFileBatch(message.batch) : judge.onVaultStored(message.stored)));

  it('fit into a message and hold for its rules', () => {
    for (const verdict of verdicts) {
      const json = JSON.stringify(verdict);
      expect(json.length).toBeLessThan(900_000);
      parseMessage(Verdict, JSON.parse(json));
    }
  });
  it('are far fewer than files, and name every actor in the end', () => {
    expect(verdicts.length).toBeLessThan(150);
    const named = new Set(verdicts.flatMap(({ members }) => members.filter(({ actionable }) => actionable).map(({ actor }) => actor.key)));
    expect(named.size).toBe(3000);
  });
});

describe('the order in which facts and comparisons of different batches meet', () => {
  it('does not change which attack it is, nor by whom', () => {
    const story = new Story(20);
    const workers = [1, 2, 3].map((index) => process(300 + index, '/usr/bin/python3', [bash]));
    for (let index = 0; index < 12; index += 1) {
      const worker = workers[index % 3] ?? bash;
      const path = `${root}/d${index % 2}/${index}.docx`;
      if (index % 4 === 0) story.create(worker, `${path}.enc`, salted()).remove(worker, path, docx);
      else if (index % 4 === 1) story.overwrite(worker, path, docx, random());
      else if (index % 4 === 2) story.create(worker, `${path}.tmp`, random('')).rename(worker, `${path}.tmp`, path, docx);
      else story.overwrite(worker, `${root}/${index}.txt`, text, text, turned(0, 0.1, 0.9));
    }
    const batches = story.messages.flatMap((message): FileBatch[] => ('batch' in message ? [message.batch] : []));
    const stored = story.messages.flatMap((message): VaultStored[] => ('stored' in message ? [message.stored] : []));
    const outcome = (order: readonly boolean[]) => {
      const judge = engine();
      const verdicts: Verdict[] = [];
      let [nextBatch, nextStored] = [0, 0];
      for (const takeStored of [...order, ...Array.from({ length: batches.length + stored.length }, (_, index) => index % 2 === 0)]) {
        const batch = batches[nextBatch];
        const comparison = stored[nextStored];
        if (takeStored && comparison !== undefined) {
          verdicts.push(...judge.onVaultStored(comparison));
          nextStored += 1;
        } else if (batch !== undefined) {
          verdicts.push(...judge.onFileBatch(batch));
          nextBatch += 1;
        } else if (comparison !== undefined) {
          verdicts.push(...judge.onVaultStored(comparison));
          nextStored += 1;
        }
      }
      verdicts.push(
        ...judge.onFileBatch({
          host: 'h',
          watcherId: '00000001',
          sequence: 10_000,
          completeUntilMs: 1_764_000_100_000,
          sensor: 'memory',
          actors: [],
          facts: [],
        }),
      );
      const attacks = verdicts.filter(({ level }) => level === 'attack');
      return {
        attacks: [...new Set(attacks.map(({ attackId }) => attackId))],
        members: [...new Set(attacks.flatMap(({ members }) => members.map(({ actor, actionable }) => `${actor.key} ${actionable}`)))].sort(),
      };
    };
    const expected = outcome([]);
    expect(expected.attacks).toHaveLength(1);
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: batches.length + stored.length }), (order) => {
        expect(outcome(order)).toEqual(expected);
      }),
    );
  });
});
