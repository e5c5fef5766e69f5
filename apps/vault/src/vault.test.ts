import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { BusTooLargeError } from '@kuramori/bus';
import { encodedBytes } from '@kuramori/contracts';
import { DatabaseError } from '@kuramori/database';
import { compareManifests, takeManifest } from '@kuramori/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { leaveCopy } from './testing/guard-copy';
import { alice, mallory, Scene, type SceneOptions } from './testing/scene';

const scenes: Scene[] = [];
afterEach(async () => {
  for (const scene of scenes.splice(0)) await scene.close();
});

async function scene(files: Record<string, string | Buffer> = {}, options: SceneOptions = {}): Promise<Scene> {
  const made = await Scene.open(options);
  scenes.push(made);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(path.dirname(made.at(name)), { recursive: true });
    writeFileSync(made.at(name), content);
    // A time of their own with nanoseconds, as documents have.
    utimesSync(made.at(name), 1_700_000_000.5, 1_700_000_000 + name.length + 0.123456);
  }
  await made.baseline();
  return made;
}

const text = (seed: string) => `${seed}: the quick brown fox jumps over the lazy dog\n`.repeat(60);

describe('the baseline', () => {
  it('keeps every file that is there, and a restart reads none again', async () => {
    const here = await scene({ 'a.txt': text('a'), 'd/b.txt': text('b'), 'd/e/c.bin': randomBytes(3_000_000) });
    symlinkSync('a.txt', here.at('link'));
    const details = await here.vault.details();
    expect(details.protection).toMatchObject({ files: 3, baselineDone: true, pending: 0, unreadable: 0 });
    expect(details.vault.versions).toBe(3);
    await here.restart();
    expect(here.vault.baseline.done).toBe(true);
    await here.baseline();
    expect(here.vault.baseline.figures().filesDone).toBe(0);
    expect((await here.vault.restore.versions(here.at('a.txt')))[0]).toMatchObject({ version: 1, actor: 'baseline', state: 'clean' });
  });

  it('takes what the guard left on a disk of its own for no file of the share', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'kuramori-vault-'));
    const share = path.join(directory, 'share');
    mkdirSync(share);
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', share]);
    let here: Scene | undefined;
    try {
      mkdirSync(path.join(share, '.kuramori-spool'), { mode: 0o700 });
      writeFileSync(path.join(share, '.kuramori-spool', '1.part'), 'a copy under way');
      writeFileSync(path.join(share, 'plan.txt'), text('plan'));
      here = await Scene.open({ directory });
      await here.baseline();
      expect((await here.vault.details()).protection.files).toBe(1);
    } finally {
      execFileSync('umount', [share]);
      await here?.close();
    }
  });

  it('keeps names that are no UTF-8 or 255 bytes long, sparse and empty files, and gives them back', async () => {
    const here = await scene();
    const strange = Buffer.concat([Buffer.from(`${here.share}/`), Buffer.from([0xff, 0xfe, 0x41])]);
    writeFileSync(here.at('x'.repeat(255)), 'long');
    writeFileSync(here.at('empty'), '');
    writeFileSync(here.at('sparse'), 'head');
    truncateSync(here.at('sparse'), 20_000_000);
    const before = takeManifest(here.share);
    writeFileSync(strange, 'strange');
    const names = readdirSync(Buffer.from(here.share), { encoding: 'buffer' });
    await here.restart();
    // A root that is not done yet is walked again: files that are known stay as they are.
    await here.vault.core.database.read('DELETE FROM "baseline"');
    await here.vault.baseline.load();
    await here.baseline();
    expect((await here.vault.details()).protection.files).toBe(4);
    for (const name of names) rmSync(Buffer.concat([Buffer.from(`${here.share}/`), name]));
    const report = await here.vault.restore.restore({ paths: [here.share], dryRun: false });
    expect(report).toMatchObject({ restored: 4, unrecoverable: 0 });
    expect(readFileSync(strange, 'utf8')).toBe('strange');
    rmSync(strange);
    expect(compareManifests(before, takeManifest(here.share))).toEqual({ lost: [], changedMetadata: [], added: [] });
    expect(statSync(here.at('sparse')).blocks * 512).toBeLessThan(2_000_000);
  });

  it('counts what is excluded and keeps none of it', async () => {
    const here = await scene({ 'a.docx': text('a'), 'b.tmp': text('b') }, { protect: { extensions: ['docx'] } });
    expect((await here.vault.details()).protection).toMatchObject({ files: 1, excludedBytes: text('b').length });
  });
});

describe('a batch of facts', () => {
  it('keeps a version of what was written, compares it with the one before, and says so', async () => {
    const here = await scene({ 'plan.txt': text('plan') });
    writeFileSync(here.at('plan.txt'), randomBytes(text('plan').length));
    const { changes } = await here.tell(here.fact(mallory, 'modified', 'plan.txt'));
    expect(changes).toHaveLength(1);
    expect(changes[0]).toMatchObject({ change: 'stored', version: 2, actor: mallory.key, before: { type: 'text' }, after: { type: 'data' } });
    expect(changes[0]?.blocks?.changedShare).toBe(1);
    expect(await here.vault.restore.versions(here.at('plan.txt'))).toMatchObject([
      { version: 2, actor: 'openssl (pid 66, user mallory)' },
      { version: 1 },
    ]);
  });

  it('changes nothing when it comes again, and brings the same message, also after a restart', async () => {
    const here = await scene({ 'plan.txt': text('plan') });
    writeFileSync(here.at('plan.txt'), 'new');
    const batch = here.batch([here.fact(alice, 'modified', 'plan.txt')]);
    await here.vault.batches.handle(batch);
    const first = await here.stored(1);
    await here.vault.batches.handle(batch);
    await here.restart();
    await here.vault.batches.handle(batch);
    expect(await here.stored(1)).toEqual(first);
    expect(await here.vault.restore.versions(here.at('plan.txt'))).toHaveLength(2);
    expect(await here.vault.core.database.read('SELECT * FROM "journal"')).toHaveLength(1);
  });

  it('whose message the bus does not take, however it is divided, is told without the comparison, and the next one is handled', async () => {
    const here = await scene({ 'plan.txt': text('plan') });
    const publish = here.bus.publish.bind(here.bus);
    here.bus.publish = async (subject, message, options) => {
      if (encodedBytes(message) > 300) throw new BusTooLargeError('max_payload');
      return publish(subject, message, options);
    };
    writeFileSync(here.at('plan.txt'), randomBytes(text('plan').length));
    expect((await here.tell(here.fact(mallory, 'modified', 'plan.txt'))).changes).toEqual([]);
    expect(here.log.join('\n')).toMatch(/1 changes are judged without their comparison.*max_payload/u);
    expect(await here.vault.restore.versions(here.at('plan.txt'))).toHaveLength(2);
    expect((await here.tell()).sequence).toBe(2);
  });

  it('reports a hole in the order and asks for a rescan', async () => {
    const here = await scene();
    let asked = 0;
    await here.bus.respond('kuramori.v1.fs01.command.watcher.rescan', async () => ({ ok: true, result: { started: true, asked: (asked += 1) } }));
    await here.vault.batches.handle({ ...here.batch([]), sequence: 5 });
    await expect.poll(() => asked).toBe(1);
    await expect.poll(async () => (await here.notices('rescan-pending')).length).toBe(1);
  });

  it('keeps the history with a document that is saved by a temporary file and a rename', async () => {
    const here = await scene({ 'plan.txt': text('one') });
    for (const content of ['two', 'three']) {
      writeFileSync(here.at('plan.txt.tmp'), text(content));
      const created = here.fact(alice, 'created', 'plan.txt.tmp');
      renameSync(here.at('plan.txt.tmp'), here.at('plan.txt'));
      const { changes } = await here.tell(created, here.fact(alice, 'renamed', 'plan.txt', { oldPath: here.at('plan.txt.tmp') }));
      expect(changes.map(({ change }) => change).sort()).toEqual(['removed', 'stored']);
    }
    expect((await here.vault.restore.versions(here.at('plan.txt'))).map(({ version }) => version)).toEqual([3, 2, 1]);
    await here.vault.restore.restore({ paths: [here.at('plan.txt')], version: 1, dryRun: false });
    expect(readFileSync(here.at('plan.txt'), 'utf8')).toBe(text('one'));
  });

  it('follows chains of renames and a directory that is renamed', async () => {
    const here = await scene({ 'd/a.txt': text('a') });
    renameSync(here.at('d/a.txt'), here.at('d/b.txt'));
    const one = here.fact(alice, 'renamed', 'd/b.txt', { oldPath: here.at('d/a.txt') });
    renameSync(here.at('d'), here.at('e'));
    const two = here.fact(alice, 'renamed', 'e', { oldPath: here.at('d') });
    writeFileSync(here.at('e/b.txt'), text('new'));
    await here.tell(one, two, here.fact(alice, 'modified', 'e/b.txt'));
    expect((await here.vault.restore.versions(here.at('e/b.txt'))).map(({ version }) => version)).toEqual([2, 1]);
  });

  it('gives content to whoever wrote it: one that was overwritten before it could be read stays unkept', async () => {
    const here = await scene({ 'plan.txt': text('plan') });
    writeFileSync(here.at('plan.txt'), 'from alice');
    const first = here.fact(alice, 'modified', 'plan.txt');
    writeFileSync(here.at('plan.txt'), randomBytes(4096));
    const second = here.fact(mallory, 'modified', 'plan.txt');
    // Apart, as two batches: the first one is handled when the second write has happened.
    expect((await here.tell(first)).changes).toEqual([]);
    expect((await here.tell(second)).changes).toMatchObject([{ actor: mallory.key, before: { type: 'text' } }]);
    const report = await here.undo();
    expect(report).toMatchObject({ conflicts: 1 });
    expect(readFileSync(here.at('plan.txt'), 'utf8')).toBe(text('plan'));
  });

  it('joins what was learned under a new name before the renaming was told, also of a directory, and undoes it as one', async () => {
    const here = await scene({ 'Legal/a.txt': text('a'), 'Legal/b.txt': text('b'), 'c.txt': text('c') });
    const before = takeManifest(here.share);
    writeFileSync(here.at('Legal/a.txt'), randomBytes(3000));
    writeFileSync(here.at('c.txt'), randomBytes(3000));
    renameSync(here.at('Legal'), here.at('Legal-1'));
    renameSync(here.at('c.txt'), here.at('c.locked'));
    await here.tell(
      here.fact(mallory, 'modified', 'Legal-1/a.txt'),
      here.fact(mallory, 'metadata', 'Legal-1/b.txt'),
      here.fact(mallory, 'modified', 'c.locked'),
    );
    await here.tell(
      here.fact(mallory, 'renamed', 'Legal-1', { oldPath: here.at('Legal'), kind: 'directory' }),
      here.fact(mallory, 'renamed', 'c.locked', { oldPath: here.at('c.txt') }),
    );
    expect((await here.vault.details()).protection).toMatchObject({ files: 3, pending: 0 });
    expect(await here.vault.restore.versions(here.at('Legal-1/a.txt'))).toMatchObject([{ version: 2 }, { version: 1, actor: 'baseline' }]);
    expect(await here.undo()).toMatchObject({ unrecoverable: 0, conflicts: 0 });
    expect(compareManifests(before, takeManifest(here.share))).toMatchObject({ lost: [], added: [] });
  });

  it('numbers the versions of a renamed directory behind those that were known by the new names', async () => {
    const here = await scene({ 'new/a.txt': text('old'), 'd/a.txt': text('a') });
    const gone = here.fact(alice, 'deleted', 'new/a.txt');
    rmSync(here.at('new'), { recursive: true });
    renameSync(here.at('d'), here.at('new'));
    await here.tell(
      gone,
      here.fact(alice, 'deleted', 'new', { kind: 'directory' }),
      here.fact(alice, 'renamed', 'new', { oldPath: here.at('d'), kind: 'directory' }),
    );
    expect((await here.vault.restore.versions(here.at('new/a.txt'))).map(({ version }) => version)).toEqual([2, 1]);
  });

  it('takes a version that the baseline read too late for the change that it belongs to', async () => {
    const here = await scene({ 'other.txt': text('x') });
    writeFileSync(here.at('plan.txt.enc'), randomBytes(5000));
    const fact = here.fact(mallory, 'created', 'plan.txt.enc');
    await here.vault.core.database.read('DELETE FROM "baseline"');
    await here.restart();
    await here.baseline();
    await here.tell(fact);
    expect(await here.vault.restore.versions(here.at('plan.txt.enc'))).toMatchObject([{ version: 1, actor: 'openssl (pid 66, user mallory)' }]);
    expect((await here.undo()).quarantined).toBe(1);
    expect(existsSync(here.at('plan.txt.enc'))).toBe(false);
  });

  it('reads nothing for a change of metadata alone', async () => {
    const here = await scene({ 'plan.txt': text('plan') });
    chmodSync(here.at('plan.txt'), 0o600);
    expect((await here.tell(here.fact(alice, 'metadata', 'plan.txt'))).changes).toEqual([]);
    expect(await here.vault.restore.versions(here.at('plan.txt'))).toHaveLength(1);
    expect(await here.vault.late.pendingFigures()).toMatchObject({ pending: 0 });
  });

  it('from a rescan that came too late changes nothing: others told of it, or put it right', async () => {
    const here = await scene({ 'plan.txt': text('plan'), 'gone.txt': text('gone') });
    const rescan = { rescan: true, actor: 'unknown' };
    rmSync(here.at('gone.txt'));
    await here.tell(here.fact(alice, 'deleted', 'gone.txt'));
    // What it found before that, and before plan.txt came back.
    await here.tell(here.fact(alice, 'deleted', 'gone.txt', rescan), here.fact(alice, 'deleted', 'plan.txt', rescan));
    const stale = here.fact(alice, 'modified', 'plan.txt', rescan);
    await here.tell({ ...stale, ...(stale.stat === undefined ? {} : { stat: { ...stale.stat, size: 7, mtimeNs: '1' } }) });
    const journal = await here.vault.core.database.read<{ actor: string }>('SELECT "actor" FROM "journal"');
    expect(journal).toEqual([{ actor: alice.key }]);
  });

  it('from a rescan that began before the baseline had a file does not make its content of now the beginning', async () => {
    const here = await scene({ 'plan.txt': text('plan') });
    // The rescan missed it in the catalogue; by the time it looked into it, the attacker had been there.
    const encrypted = randomBytes(3000);
    const attack = here.fact(mallory, 'modified', 'plan.txt');
    writeFileSync(here.at('plan.txt'), encrypted);
    const stale = here.fact(alice, 'created', 'plan.txt', { rescan: true, actor: 'unknown' });
    await here.tell(stale);
    await here.tell({ ...attack, ...(stale.stat === undefined ? {} : { stat: stale.stat }) });
    expect(await here.undo()).toMatchObject({ restored: 1, unrecoverable: 0 });
    expect(readFileSync(here.at('plan.txt'), 'utf8')).toBe(text('plan'));
  });

  it('content that was read after two had written it belongs to the later one', async () => {
    const here = await scene({ 'plan.txt': text('plan') });
    writeFileSync(here.at('plan.txt'), text('plan, by alice'));
    const byAlice = here.fact(alice, 'modified', 'plan.txt');
    writeFileSync(here.at('plan.txt'), randomBytes(3000));
    const byMallory = here.fact(mallory, 'modified', 'plan.txt');
    // The watcher looked at it for alice's fact when mallory had been there already.
    await here.tell({ ...byAlice, ...(byMallory.stat === undefined ? {} : { stat: byMallory.stat }) });
    const { changes } = await here.tell(byMallory);
    expect(changes).toMatchObject([{ change: 'stored', actor: mallory.key, before: { type: 'text' }, after: { type: 'data' } }]);
    // What alice wrote was never kept; what stood there before is, and the report says that it is not the newest.
    expect(await here.undo()).toMatchObject({ conflicts: 1, unrecoverable: 0 });
    expect(readFileSync(here.at('plan.txt'), 'utf8')).toBe(text('plan'));
  });

  it('a change of a file that the catalogue does not have is its beginning', async () => {
    const here = await scene({ 'a.txt': text('a') });
    writeFileSync(here.at('a.txt.enc'), randomBytes(3000));
    await here.tell(here.fact(mallory, 'modified', 'a.txt.enc'));
    expect(await here.undo()).toMatchObject({ quarantined: 1, unrecoverable: 0 });
    expect(existsSync(here.at('a.txt.enc'))).toBe(false);
  });

  it('survives a file that is gone when it comes to read it', async () => {
    const here = await scene();
    writeFileSync(here.at('short.txt'), 'x');
    const created = here.fact(alice, 'created', 'short.txt');
    rmSync(here.at('short.txt'));
    expect((await here.tell(created)).changes).toEqual([]);
    await here.tell(here.fact(alice, 'deleted', 'short.txt'));
    expect(await here.vault.late.pendingFigures()).toMatchObject({ pending: 0 });
  });

  it('keeps four clean versions and never lets suspect ones push them out', async () => {
    const here = await scene({ 'plan.txt': text('0') });
    for (let save = 1; save <= 8; save += 1) {
      writeFileSync(here.at('plan.txt'), text(String(save)));
      await here.tell(here.fact(alice, 'modified', 'plan.txt'));
    }
    // The four newest, and the state of before the last hour (the oldest there is).
    expect((await here.vault.restore.versions(here.at('plan.txt'))).map(({ version }) => version)).toEqual([9, 8, 7, 6, 1]);
    await here.vault.suspicion.pin({ reason: 'test', level: 'attack', actors: [mallory.key], sinceMs: 0 });
    for (let write = 1; write <= 10; write += 1) {
      writeFileSync(here.at('plan.txt'), randomBytes(100));
      await here.tell(here.fact(mallory, 'modified', 'plan.txt'));
    }
    const versions = await here.vault.restore.versions(here.at('plan.txt'));
    expect(versions.filter(({ state }) => state === 'clean').map(({ version }) => version)).toEqual([9, 8, 7, 6, 1]);
    await here.vault.clearing.clear();
    const contents = await here.vault.core.database.read<{ sha256: string }>('SELECT "sha256" FROM "content"');
    const onDisk = readdirSync(path.join(here.dataDir, 'vault', 'content'), { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    expect(onDisk).toHaveLength(contents.length);
  });
});

describe('undoing an attack', () => {
  const documents = () => Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`d${index % 3}/doc ${index}.txt`, text(`document ${index}`)]));

  /** Runs the attack file by file, with facts as the watcher sends them. */
  async function attacked(
    attack: (here: Scene, name: string) => ReturnType<Scene['fact']>[],
  ): Promise<{ here: Scene; before: ReturnType<typeof takeManifest> }> {
    const here = await scene(documents());
    for (const name of Object.keys(documents())) chmodSync(here.at(name), 0o640);
    await here.tell(...Object.keys(documents()).map((name) => here.fact(alice, 'metadata', name)));
    const before = takeManifest(here.share);
    for (const name of Object.keys(documents())) await here.tell(...attack(here, name));
    return { here, before };
  }
  const intact = { lost: [], changedMetadata: [], added: [] };

  it('that overwrites in place and puts the times back restores content, owner, mode and nanoseconds', async () => {
    const { here, before } = await attacked((here, name) => {
      const { atime, mtime } = statSync(here.at(name));
      writeFileSync(here.at(name), randomBytes(statSync(here.at(name)).size));
      utimesSync(here.at(name), atime, mtime);
      return [here.fact(mallory, 'modified', name)];
    });
    expect(await here.undo({ dryRun: true })).toMatchObject({ touched: 12, dryRun: true });
    expect(compareManifests(before, takeManifest(here.share)).lost).toHaveLength(12);
    expect(await here.undo()).toMatchObject({ touched: 12, restored: 12, unrecoverable: 0, conflicts: 0, quarantined: 0 });
    expect(compareManifests(before, takeManifest(here.share))).toEqual(intact);
    expect(await here.undo()).toMatchObject({ restored: 0, alreadyIntact: 12 });
    // What was replaced is in quarantine, recoverable.
    expect((await here.vault.quarantine.list({ incidentId: 'incident-1' })).entries).toHaveLength(12);
  });

  it('that encrypts, renames and leaves notes restores the names and takes the leftovers away', async () => {
    const { here, before } = await attacked((here, name) => {
      writeFileSync(here.at(name), randomBytes(500));
      const written = here.fact(mallory, 'modified', name);
      renameSync(here.at(name), `${here.at(name)}.locked`);
      const note = path.join(path.dirname(name), 'README.txt');
      const isNew = !existsSync(here.at(note));
      writeFileSync(here.at(note), 'pay');
      return [
        written,
        here.fact(mallory, 'renamed', `${name}.locked`, { oldPath: here.at(name) }),
        here.fact(mallory, isNew ? 'created' : 'modified', note),
      ];
    });
    expect(await here.undo()).toMatchObject({ restored: 12, unrecoverable: 0, conflicts: 0, quarantined: 15 });
    expect(compareManifests(before, takeManifest(here.share))).toEqual(intact);
  });

  it('that writes new files and deletes the old ones restores these and takes those away', async () => {
    const { here, before } = await attacked((here, name) => {
      writeFileSync(`${here.at(name)}.enc`, randomBytes(500));
      const created = here.fact(mallory, 'created', `${name}.enc`);
      rmSync(here.at(name));
      return [created, here.fact(mallory, 'deleted', name)];
    });
    expect(await here.undo()).toMatchObject({ restored: 12, quarantined: 12, unrecoverable: 0, conflicts: 0 });
    expect(compareManifests(before, takeManifest(here.share))).toEqual(intact);
    const [entry] = (await here.vault.quarantine.list({ incidentId: 'incident-1' })).entries;
    expect(entry).toBeDefined();
    if (entry === undefined) return;
    await here.vault.quarantine.release(entry.id);
    expect(existsSync(entry.path)).toBe(true);
    await expect(here.vault.quarantine.release(entry.id)).rejects.toMatchObject({ code: 'not-found' });
  });

  it('that removes whole directories makes them again with owner, mode and time', async () => {
    const here = await scene({ 'd/e/a.txt': text('a') });
    chmodSync(here.at('d/e'), 0o2750);
    utimesSync(here.at('d/e'), 1_600_000_000, 1_600_000_000);
    await here.tell(here.fact(alice, 'metadata', 'd/e'));
    const before = lstatSync(here.at('d/e'));
    rmSync(here.at('d/e/a.txt'));
    const facts = [here.fact(mallory, 'deleted', 'd/e/a.txt')];
    rmdirSync(here.at('d/e'));
    facts.push(here.fact(mallory, 'deleted', 'd/e', { kind: 'directory' }));
    await here.tell(...facts);
    expect(await here.undo()).toMatchObject({ restored: 1 });
    const after = lstatSync(here.at('d/e'));
    expect([after.mode, after.mtimeMs]).toEqual([before.mode, before.mtimeMs]);
    expect(readFileSync(here.at('d/e/a.txt'), 'utf8')).toBe(text('a'));
  });

  it('leaves what others did since alone, beside the clean version', async () => {
    const here = await scene({ 'plan.txt': text('plan') });
    writeFileSync(here.at('plan.txt'), randomBytes(300));
    await here.tell(here.fact(mallory, 'modified', 'plan.txt'));
    writeFileSync(here.at('plan.txt'), 'from alice');
    await here.tell(here.fact(alice, 'modified', 'plan.txt'));
    expect(await here.undo()).toMatchObject({ conflicts: 1, restored: 0 });
    expect(readFileSync(here.at('plan.txt'), 'utf8')).toBe('from alice');
    const [beside] = readdirSync(here.share).filter((name) => /^plan \(before .* kuramori\)\.txt$/u.test(name));
    expect(readFileSync(here.at(beside ?? ''), 'utf8')).toBe(text('plan'));
  });

  it('restores every name of a hard-linked file by restoring its inode once', async () => {
    const here = await scene();
    writeFileSync(here.at('a.txt'), text('a'));
    linkSync(here.at('a.txt'), here.at('b.txt'));
    await here.tell(here.fact(alice, 'created', 'a.txt'), here.fact(alice, 'created', 'b.txt'));
    writeFileSync(here.at('a.txt'), randomBytes(400));
    await here.tell(here.fact(mallory, 'modified', 'a.txt'));
    expect(await here.undo()).toMatchObject({ restored: 1 });
    expect(readFileSync(here.at('b.txt'), 'utf8')).toBe(text('a'));
    expect(statSync(here.at('a.txt')).ino).toBe(statSync(here.at('b.txt')).ino);
  });

  it('is not led out of the share by a parent that became a symbolic link', async () => {
    const here = await scene({ 'd/a.txt': text('a') });
    const outside = path.join(here.directory, 'outside');
    mkdirSync(outside);
    writeFileSync(path.join(outside, 'a.txt'), 'not ours');
    writeFileSync(here.at('d/a.txt'), randomBytes(100));
    await here.tell(here.fact(mallory, 'modified', 'd/a.txt'));
    renameSync(here.at('d'), here.at('was-d'));
    symlinkSync(outside, here.at('d'));
    const report = await here.undo();
    expect(report.items).toMatchObject([{ outcome: 'failed' }]);
    expect(readFileSync(path.join(outside, 'a.txt'), 'utf8')).toBe('not ours');
  });

  it('waits until the journal has come to the position', async () => {
    const here = await scene({ 'a.txt': text('a') });
    writeFileSync(here.at('a.txt'), randomBytes(100));
    const batch = here.batch([here.fact(mallory, 'modified', 'a.txt')]);
    const undo = here.vault.undo.undo({
      incidentId: 'i',
      actors: [mallory.key],
      sinceMs: 0,
      dryRun: false,
      position: { watcherId: here.watcherId, sequence: 1 },
    });
    await here.vault.batches.handle(batch);
    expect(await undo).toMatchObject({ restored: 1 });
  });

  it('by somebody unknown undoes what lies below the named directories, and leaves the rest', async () => {
    const here = await scene({ 'd/a.txt': text('a'), 'e/b.txt': text('b') });
    const unknown = { key: 'unknown', kind: 'unknown' } as const;
    for (const name of ['d/a.txt', 'e/b.txt']) {
      writeFileSync(here.at(name), randomBytes(100));
      await here.tell(here.fact(unknown, 'modified', name));
    }
    expect(await here.undo({ actors: ['unknown'], below: [here.at('d')] })).toMatchObject({ restored: 1 });
    expect(readFileSync(here.at('d/a.txt'), 'utf8')).toBe(text('a'));
    expect(readFileSync(here.at('e/b.txt'))).toHaveLength(100);
  });

  it('again after a second round finds the new damage', async () => {
    const here = await scene({ 'a.txt': text('a') });
    for (let round = 1; round <= 2; round += 1) {
      writeFileSync(here.at('a.txt'), randomBytes(100));
      await here.tell(here.fact(mallory, 'modified', 'a.txt'));
      expect(await here.undo()).toMatchObject({ restored: 1, conflicts: 0 });
      expect(readFileSync(here.at('a.txt'), 'utf8')).toBe(text('a'));
    }
  });
});

describe('a copy that the guard left', () => {
  it('becomes the clean version from before the change, although the baseline came too late', async () => {
    const here = await scene();
    writeFileSync(here.at('plan.txt'), text('plan'));
    const fact = here.fact(alice, 'metadata', 'plan.txt');
    const spool = path.join(here.dataDir, 'guard-spool');
    leaveCopy(spool, here.dataDir, { path: here.at('plan.txt'), stat: fact.stat ?? never(), content: text('plan') });
    writeFileSync(here.at('plan.txt'), randomBytes(3000));
    await here.tell(here.fact(mallory, 'modified', 'plan.txt'));
    expect(readdirSync(spool)).toEqual([]);
    expect(await here.undo()).toMatchObject({ restored: 1, unrecoverable: 0 });
    expect(readFileSync(here.at('plan.txt'), 'utf8')).toBe(text('plan'));
  });
});

describe('a copy of a file that came into being', () => {
  it('is not what was there before it, and a number that came back is not the file that had it', async () => {
    const here = await scene({ 'plan.txt': text('plan') });
    const spool = path.join(here.dataDir, 'guard-spool');
    writeFileSync(here.at('plan.txt.enc'), '');
    const born = here.fact(mallory, 'created', 'plan.txt.enc').stat ?? never();
    leaveCopy(spool, here.dataDir, { path: here.at('plan.txt.enc'), stat: born, content: '' });
    // The filesystem gave the new file the number of one that the vault still takes to be there.
    await here.vault.core.database.transaction((sql) => sql.query('UPDATE "file" SET "ino" = ?', [born.ino]));
    writeFileSync(here.at('plan.txt.enc'), randomBytes(3000));
    const { changes } = await here.tell(here.fact(mallory, 'created', 'plan.txt.enc'));
    expect(changes[0]).toMatchObject({ change: 'stored', after: { type: 'data' } });
    expect(changes[0]).not.toHaveProperty('before');
    expect(await here.vault.restore.versions(here.at('plan.txt'))).toHaveLength(1);
  });
});

describe('a restore by an operator', () => {
  it('of a tree as it was at a time leaves newer files alone and keeps what it replaces', async () => {
    const here = await scene({ 'd/a.txt': text('a'), 'd/b.txt': text('b') });
    const then = here.vault.core.now();
    writeFileSync(here.at('d/a.txt'), 'changed');
    rmSync(here.at('d/b.txt'));
    writeFileSync(here.at('d/new.txt'), 'new');
    await here.tell(here.fact(alice, 'modified', 'd/a.txt'), here.fact(alice, 'deleted', 'd/b.txt'), here.fact(alice, 'created', 'd/new.txt'));
    expect(await here.vault.restore.restore({ paths: [here.at('d')], atMs: then, dryRun: true })).toMatchObject({ touched: 2, dryRun: true });
    expect(await here.vault.restore.restore({ paths: [here.at('d')], atMs: then, dryRun: false })).toMatchObject({ restored: 2 });
    expect(readFileSync(here.at('d/a.txt'), 'utf8')).toBe(text('a'));
    expect(readFileSync(here.at('d/b.txt'), 'utf8')).toBe(text('b'));
    expect(readFileSync(here.at('d/new.txt'), 'utf8')).toBe('new');
    const [replaced] = (await here.vault.quarantine.list({ incidentId: 'operator' })).entries;
    expect(readFileSync(replaced?.storedAt ?? '', 'utf8')).toBe('changed');
  });

  it('to another place makes copies there', async () => {
    const here = await scene({ 'd/a.txt': text('a') });
    const to = path.join(here.directory, 'copies');
    mkdirSync(to);
    expect(await here.vault.restore.restore({ paths: [here.at('d')], to, dryRun: false })).toMatchObject({ restored: 1 });
    expect(readFileSync(path.join(to, 'd', 'a.txt'), 'utf8')).toBe(text('a'));
  });

  it('refuses what is not in the vault or contradicts itself', async () => {
    const here = await scene({ 'a.txt': 'a' });
    await expect(here.vault.restore.restore({ paths: [here.at('none.txt')], dryRun: false })).rejects.toMatchObject({ code: 'not-found' });
    await expect(here.vault.restore.restore({ paths: ['/etc/passwd'], dryRun: false })).rejects.toMatchObject({ code: 'invalid' });
    await expect(here.vault.restore.restore({ paths: [here.at('a.txt')], version: 9, dryRun: false })).rejects.toMatchObject({ code: 'not-found' });
  });
});

describe('what can go wrong', () => {
  it('a database of a newer version is refused with what to do', async () => {
    const here = await scene();
    await here.vault.core.database.read(`INSERT INTO "migrations" ("timestamp", "name") VALUES (9, 'Later9')`);
    await here.vault.stop();
    await expect(here.start()).rejects.toThrow(DatabaseError);
    await expect(here.start()).rejects.toThrow(/newer version of Kuramori \(Later9\)\. Install that version/u);
  });

  it('a full disk holds changes back without a crash, and they are made good when there is room', async () => {
    const here = await scene();
    const small = path.join(here.directory, 'small');
    mkdirSync(small);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', small]);
    let full: Scene | undefined;
    try {
      full = await Scene.open({ dataDir: path.join(small, 'data'), reserveFree: '1B' });
      writeFileSync(full.at('plan.txt'), text('plan'));
      await full.baseline();
      full.vault.late.start();
      writeFileSync(path.join(small, 'filler'), Buffer.alloc(4 * 1024 * 1024).subarray(0, freeBytes(small)));
      writeFileSync(full.at('plan.txt'), randomBytes(500_000));
      const handled = full.tell(full.fact(alice, 'modified', 'plan.txt'));
      await expect.poll(() => full?.vault.problems().join(' ')).toMatch(/free space/u);
      rmSync(path.join(small, 'filler'));
      await handled;
      await expect.poll(async () => (await full?.vault.late.pendingFigures())?.pending, { timeout: 15_000 }).toBe(0);
      expect(await full.vault.restore.versions(full.at('plan.txt'))).toHaveLength(2);
      expect((await full.notices('space-low')).length).toBeGreaterThan(0);
      await expect.poll(async () => (await full?.notices('space-recovered'))?.length).toBeGreaterThan(0);
    } finally {
      await full?.close();
      execFileSync('umount', [small]);
    }
  });

  it('a file in motion is kept when it rests', async () => {
    const here = await scene({ 'log.txt': 'start\n' });
    const fact = () => {
      appendFileSync(here.at('log.txt'), 'line\n');
      return here.fact(alice, 'modified', 'log.txt');
    };
    const first = fact();
    appendFileSync(here.at('log.txt'), 'and one more\n');
    await here.tell(first);
    expect(await here.vault.late.pendingFigures()).toMatchObject({ pending: 1 });
    await expect.poll(async () => (await here.vault.late.pendingFigures()).pending, { timeout: 10_000 }).toBe(0);
    expect(await here.vault.restore.versions(here.at('log.txt'))).toMatchObject([{ sizeBytes: statSync(here.at('log.txt')).size }, { version: 1 }]);
  });

  it('damage in the store is found by the hash and never restored', async () => {
    const here = await scene({ 'a.txt': text('a') });
    const [content] = readdirSync(path.join(here.dataDir, 'vault', 'content'), { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    writeFileSync(
      path.join(content?.parentPath ?? '', content?.name ?? ''),
      Buffer.concat([Buffer.from('KV\u0001\u0000'), Buffer.from('something else')]),
    );
    rmSync(here.at('a.txt'));
    await here.tell(here.fact(mallory, 'deleted', 'a.txt'));
    const report = await here.undo();
    expect(report).toMatchObject({ restored: 0, unrecoverable: 1 });
    expect(report.items).toMatchObject([{ outcome: 'failed', detail: expect.stringMatching(/damaged/u) as string }]);
    expect(readdirSync(here.share)).toEqual([]);
  });
});

function never(): never {
  throw new Error('the file is there');
}

function freeBytes(directory: string): number {
  return Number(execFileSync('df', ['--output=avail', '-B1', directory], { encoding: 'utf8' }).split('\n')[1]);
}
