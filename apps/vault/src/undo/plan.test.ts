import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ModelShare, type Wish } from '../testing/model-share';
import type { JournalEntry } from './journal-entry';
import { besideName, type PlanStep, planUndo } from './plan';

const start = ['/s/a', '/s/b', '/s/d/c'];
const names = ['/s/a', '/s/b', '/s/d/c', '/s/d/e', '/s/a.locked'];

const wish = fc.record<Wish>({
  actor: fc.constantFrom('attacker', 'other'),
  operation: fc.constantFrom('write', 'delete', 'rename'),
  path: fc.constantFrom(...names),
  to: fc.constantFrom(...names),
});

/** Does the steps on a table of paths; nothing may vanish but into quarantine. */
function carryOut(tree: Record<string, number>, steps: readonly PlanStep[]): { tree: Record<string, number>; quarantine: number[] } {
  const now = new Map(Object.entries(tree));
  const quarantine: number[] = [];
  const put = (path: string, content: number) => {
    const occupant = now.get(path);
    if (occupant !== undefined && occupant !== content) quarantine.push(occupant);
    now.set(path, content);
  };
  const take = (path: string): number | undefined => {
    const content = now.get(path);
    now.delete(path);
    return content;
  };
  for (const step of steps) {
    if (step.step === 'write') put(step.path, step.version);
    if (step.step === 'put-beside') put(step.beside, step.version);
    if (step.step === 'rename') {
      const content = take(step.from);
      expect(content, `${step.from} → ${step.path}`).toBeDefined();
      if (content !== undefined) put(step.path, content);
    }
    if (step.step === 'quarantine') {
      const content = take(step.path);
      expect(content, step.path).toBeDefined();
      if (content !== undefined) quarantine.push(content);
    }
  }
  return { tree: Object.fromEntries([...now].sort(([a], [b]) => (a < b ? -1 : 1))), quarantine };
}

/** What the other's changes make of the tree when nobody else is there; undefined where one of them met something that the attacker had touched. */
function othersAlone(journal: readonly JournalEntry[]): Record<string, number> | undefined {
  const share = new ModelShare(start);
  const tree = new Map(Object.entries(share.contents()));
  const touchedFiles = new Set<number>();
  const touchedPaths = new Set<string>();
  for (const entry of journal) {
    const paths = [entry.path, ...(entry.oldPath === undefined ? [] : [entry.oldPath])];
    if (entry.undo) {
      touchedFiles.add(entry.fileId);
      if (entry.replaced !== undefined) touchedFiles.add(entry.replaced.fileId);
      for (const path of paths) touchedPaths.add(path);
      continue;
    }
    if (touchedFiles.has(entry.fileId) || paths.some((path) => touchedPaths.has(path))) return undefined;
    if (entry.oldPath !== undefined) tree.delete(entry.oldPath);
    if (entry.operation === 'deleted') tree.delete(entry.path);
    else if (entry.to !== null) tree.set(entry.path, entry.to);
  }
  return Object.fromEntries([...tree].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function play(wishes: readonly Wish[]): ModelShare {
  const share = new ModelShare(start);
  for (const one of wishes) share.apply(one);
  return share;
}

describe('undoing one actor', () => {
  it('gives exactly the tree that the others alone would have made, where that is defined', () => {
    fc.assert(
      fc.property(fc.array(wish, { maxLength: 12 }), (wishes) => {
        const share = play(wishes);
        const expected = othersAlone(share.journal);
        fc.pre(expected !== undefined);
        expect(carryOut(share.contents(), planUndo(share.journal).steps).tree).toEqual(expected);
      }),
      { numRuns: 3000 },
    );
  });

  it('loses nothing in any history: what was there before, what others wrote last and what is replaced is in the tree or in quarantine', () => {
    fc.assert(
      fc.property(fc.array(wish, { maxLength: 14 }), (wishes) => {
        const share = play(wishes);
        const before = share.contents();
        const { tree, quarantine } = carryOut(before, planUndo(share.journal).steps);
        const kept = new Set([...Object.values(tree), ...quarantine]);
        for (const [path, content] of Object.entries(before)) expect(kept, path).toContain(content);
        // What others wrote last stands in the tree; under its old name where only the attacker renamed the file.
        for (const { id, content } of share.files.values()) {
          const last = share.journal.findLast(({ fileId, written }) => fileId === id && written);
          if (last !== undefined && !last.undo && !share.journal.some((entry) => entry.undo && entry.id > last.id))
            expect(Object.values(tree)).toContain(content);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('brings every original back that nobody but the attacker touched', () => {
    fc.assert(
      fc.property(fc.array(wish, { maxLength: 14 }), (wishes) => {
        const share = play(wishes);
        const { tree } = carryOut(share.contents(), planUndo(share.journal).steps);
        for (const [path, content] of Object.entries(new ModelShare(start).contents())) {
          const file = share.journal.filter(({ fileId, replaced }) => fileId === content || replaced?.fileId === content);
          if (file.every(({ undo }) => undo)) expect(Object.values(tree), path).toContain(content);
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe('a plan', () => {
  const steps = (wishes: readonly Omit<Wish, 'to'>[] | readonly Wish[]) => planUndo(play(wishes.map((one) => ({ to: '', ...one }))).journal).steps;

  it('puts the clean version beside what others made of a file after the attacker, and lists it', () => {
    const [step] = steps([
      { actor: 'attacker', operation: 'write', path: '/s/a' },
      { actor: 'other', operation: 'write', path: '/s/a' },
    ]);
    expect(step).toMatchObject({ step: 'put-beside', path: '/s/a', version: 1, beside: '/s/a (before 1970-01-01T00.00.00Z kuramori)' });
  });

  it('renames back without content where only the name changed', () => {
    expect(steps([{ actor: 'attacker', operation: 'rename', path: '/s/a', to: '/s/a.locked' }])).toMatchObject([
      { step: 'rename', path: '/s/a', from: '/s/a.locked' },
    ]);
  });

  it('lists a file of which no version was kept', () => {
    const share = play([{ actor: 'attacker', operation: 'delete', path: '/s/a', to: '' }]);
    const unkept = share.journal.map((entry) => ({ ...entry, from: null }));
    expect(planUndo(unkept).steps).toMatchObject([{ step: 'none', outcome: 'unrecoverable', path: '/s/a' }]);
  });

  it('follows files through the rename of a directory, back to where they were', () => {
    const base = { atMs: 0, written: false, replaced: undefined, before: undefined, after: undefined, undo: true, own: false } as const;
    const journal: JournalEntry[] = [
      { ...base, id: 1, operation: 'renamed', kind: 'directory', path: '/s/taken', oldPath: '/s/d', fileId: 9, from: null, to: null },
      { ...base, id: 2, operation: 'modified', kind: 'file', path: '/s/taken/c', oldPath: undefined, fileId: 3, from: 3, to: 4, written: true },
    ];
    expect(planUndo(journal).steps).toMatchObject([
      { step: 'rename', path: '/s/d', from: '/s/taken' },
      { step: 'write', path: '/s/d/c', version: 3 },
    ]);
  });

  it('finds nothing left to do after its own restore, and leaves what users did since alone', () => {
    const share = play([{ actor: 'attacker', operation: 'write', path: '/s/a', to: '' }]);
    const [attack] = share.journal;
    if (attack === undefined) throw new Error('no entry');
    const restored: JournalEntry = { ...attack, id: 2, from: attack.to, to: attack.from, undo: false, own: true };
    const edited: JournalEntry = { ...attack, id: 3, from: attack.from, to: 77, undo: false };
    expect(planUndo([attack, restored, edited]).steps).toMatchObject([{ step: 'none', outcome: 'already-intact', path: '/s/a' }]);
  });
});

describe('the name of a clean version beside', () => {
  it('keeps the extension and fits into 255 bytes', () => {
    expect(besideName('Bericht.docx', 0)).toBe('Bericht (before 1970-01-01T00.00.00Z kuramori).docx');
    expect(new TextEncoder().encode(besideName(`${'é'.repeat(125)}.pdf`, 0)).length).toBeLessThanOrEqual(255);
  });
});
