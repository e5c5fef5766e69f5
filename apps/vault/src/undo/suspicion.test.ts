import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import type { PinCommand } from '@kuramori/contracts';
import { afterEach, describe, expect, it } from 'vitest';
import { mallory, Scene } from '../testing/scene';

const dayMs = 24 * 60 * 60 * 1000;
let here: Scene;
let laterMs = 0;
afterEach(async () => {
  laterMs = 0;
  await here.close();
});

/** One file that the suspect wrote before it was suspected. */
async function suspected(level: PinCommand['level']): Promise<void> {
  here = await Scene.open({ vault: { now: () => performance.timeOrigin + performance.now() + laterMs } });
  writeFileSync(here.at('plan.txt'), 'the plan');
  await here.baseline();
  await write('first');
  await here.vault.suspicion.pin({ reason: 'test', level, actors: [mallory.key, 'unknown'], sinceMs: 0 });
}

async function write(content: string): Promise<void> {
  writeFileSync(here.at('plan.txt'), content);
  await here.tell(here.fact(mallory, 'modified', 'plan.txt'));
}

async function versions(): Promise<{ state: string; pinned: boolean }[]> {
  return (await here.vault.restore.versions(here.at('plan.txt'))).map(({ state, pinned }) => ({ state, pinned }));
}

describe('a suspicion', () => {
  it('that no attack followed within a day leaves versions as if it had never been, also after a restart', async () => {
    await suspected('suspicion');
    laterMs = dayMs - 60_000;
    await here.vault.clearing.clear();
    expect(await versions()).toEqual([
      { state: 'suspect', pinned: true },
      { state: 'clean', pinned: true },
    ]);
    await here.restart();
    laterMs = dayMs + 60_000;
    await here.vault.clearing.clear();
    expect(await versions()).toEqual([
      { state: 'clean', pinned: false },
      { state: 'clean', pinned: false },
    ]);
    await write('an honest edit');
    writeFileSync(here.at('plan.txt'), 'spoilt');
    await here.vault.restore.restore({ paths: [here.at('plan.txt')], dryRun: false });
    expect(readFileSync(here.at('plan.txt'), 'utf8')).toBe('an honest edit');
    await here.restart();
    expect(here.vault.core.suspects.size).toBe(0);
  });

  it('that comes again lasts a day from then', async () => {
    await suspected('suspicion');
    laterMs = dayMs - 60_000;
    await here.vault.suspicion.pin({ reason: 'suspicion 0123', level: 'suspicion', actors: [mallory.key], sinceMs: 0 });
    laterMs = dayMs + 60_000;
    await here.vault.clearing.clear();
    await write('second');
    expect((await versions())[0]).toMatchObject({ state: 'suspect' });
  });
});

describe('an attack', () => {
  it('keeps what it pinned as long as anything of it can be undone, and what it wrote never becomes clean', async () => {
    await suspected('suspicion');
    await here.vault.suspicion.pin({ reason: 'incident 0123', level: 'attack', actors: [mallory.key], sinceMs: 0 });
    laterMs = 29 * dayMs;
    await here.vault.clearing.clear();
    expect(await versions()).toEqual([
      { state: 'suspect', pinned: true },
      { state: 'clean', pinned: true },
    ]);
    laterMs = 31 * dayMs;
    await here.vault.clearing.clear();
    expect(await versions()).toEqual([
      { state: 'suspect', pinned: false },
      { state: 'clean', pinned: false },
    ]);
    await write(randomBytes(20).toString('hex'));
    expect((await versions())[0]).toEqual({ state: 'clean', pinned: false });
  });

  it('that is undone was one, whatever was pinned before', async () => {
    await suspected('suspicion');
    await here.undo();
    expect(readFileSync(here.at('plan.txt'), 'utf8')).toBe('the plan');
    laterMs = 2 * dayMs;
    await here.vault.clearing.clear();
    expect(await versions()).toContainEqual({ state: 'suspect', pinned: true });
  });
});
