import 'reflect-metadata';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Actor, parseMessage, Verdict } from '@kuramori/contracts';
import { DetectionEngine } from '.';
import { base64, docx, empty, gzip, jpeg, process, random, salted, Story, text, turned, zeros } from './testing';

const root = '/srv/share';
const file = (index: number, extension = 'docx') => `${root}/d${index % 3}/文書 ${index}.${extension}`;
const engine = () => new DetectionEngine({ host: 'h', sensitivity: 'normal', roots: [root], canaries: [`${root}/!readme.docx`] });

interface Run {
  readonly verdicts: readonly Verdict[];
  readonly attacks: readonly Verdict[];
  /** Files harmed when the first attack verdict was spoken. */
  readonly filesAtVerdict: number;
}

function run(story: Story, judge = engine()): Run {
  const verdicts: Verdict[] = [];
  const harmed = new Set<string>();
  let filesAtVerdict = -1;
  for (const message of story.messages) {
    const spoken = 'batch' in message ? judge.onFileBatch(message.batch) : judge.onVaultStored(message.stored);
    if ('batch' in message) for (const fact of message.batch.facts) harmed.add(fact.oldPath ?? fact.path.replace(/\.enc$/u, ''));
    if (filesAtVerdict < 0 && spoken.some(({ level }) => level === 'attack')) filesAtVerdict = harmed.size;
    verdicts.push(...spoken);
  }
  return { verdicts, attacks: verdicts.filter(({ level }) => level === 'attack'), filesAtVerdict };
}

const bash = process(100, '/usr/bin/bash');
const python = process(200, '/usr/bin/python3');

function opensslLoop(count: number, script: Actor = bash, story = new Story()): Story {
  for (let index = 0; index < count; index += 1) {
    const openssl = process(1000 + index * 2, '/usr/bin/openssl', [script]);
    const rm = process(1001 + index * 2, '/usr/bin/rm', [script]);
    story.create(openssl, `${file(index)}.enc`, salted()).remove(rm, file(index), docx);
  }
  return story;
}

describe('an attack is seen', () => {
  it('by a process for each step, under one script, which is named as the root of the tree', () => {
    const { attacks, filesAtVerdict } = run(opensslLoop(10));
    expect(filesAtVerdict).toBeLessThanOrEqual(4);
    expect(attacks[0]).toMatchObject({ groupKind: 'process-tree', groupKey: bash.key });
    expect(attacks[0]?.members.every(({ actionable }) => actionable)).toBe(true);
    expect(new Set(attacks.map(({ attackId }) => attackId)).size).toBe(1);
  });

  it('when files are overwritten in place', () => {
    const story = new Story();
    for (let index = 0; index < 10; index += 1) story.overwrite(python, file(index), index % 2 === 0 ? docx : jpeg, random());
    expect(run(story).filesAtVerdict).toBeLessThanOrEqual(4);
  });

  it('when the vault is away: by the names alone', () => {
    const story = new Story();
    for (let index = 0; index < 15; index += 1)
      story.step({ by: python, operation: 'modified', path: file(index), written: true, content: random() });
    expect(run(story).attacks.length).toBeGreaterThan(0);
  });

  it('when files are encrypted, renamed and a note is left', () => {
    const story = new Story();
    const note = {
      ...text,
      sizeBytes: 200,
      textHead: 'All your files have been encrypted. To decrypt them pay 1 bitcoin, contact us@example.invalid',
    };
    for (let index = 0; index < 6; index += 1) {
      story.overwrite(python, file(index), docx, random()).rename(python, file(index), `${file(index)}.locked`);
      if (index < 3) story.create(python, `${root}/d${index}/HOW_TO.txt`, note);
    }
    expect(run(story).filesAtVerdict).toBeLessThanOrEqual(6);
  });

  it('when a temporary file is renamed over the original', () => {
    const story = new Story();
    for (let index = 0; index < 6; index += 1)
      story.create(python, `${file(index)}.tmp`, random('')).rename(python, `${file(index)}.tmp`, file(index), docx);
    expect(run(story).attacks.length).toBeGreaterThan(0);
  });

  it('when four workers share the files', () => {
    const workers = [1, 2, 3, 4].map((index) => process(200 + index, '/usr/bin/python3', [python]));
    const story = new Story();
    for (let index = 0; index < 24; index += 1) story.overwrite(workers[index % 4] ?? python, file(index), docx, random(), turned(0.1, 0.1, 0.9));
    const { attacks } = run(story);
    expect(new Set(attacks.map(({ attackId }) => attackId)).size).toBe(1);
    expect(attacks.at(-1)).toMatchObject({ groupKey: python.key });
    expect(new Set(attacks.flatMap(({ members }) => members.filter(({ actionable }) => actionable).map(({ actor }) => actor.key))).size).toBe(4);
  });

  it.each([
    ['base64', base64, turned(0)],
    ['zeros', zeros, turned(0)],
    ['the head only', { ...random(), randomShare: 0.1 }, turned(0.1, 0.1, 0.9)],
    ['every other block', { ...docx, structure: 'broken' as const }, turned(0.5, 0.5, 0.5)],
    ['a simple cipher', { ...random(), randomShare: 0, chiSquare: 9000 }, turned(0)],
    ['nothing (truncated)', empty, turned(0)],
  ])('when the new content is %s', (_name, after, blocks) => {
    const story = new Story();
    for (let index = 0; index < 15; index += 1) story.overwrite(python, file(index), docx, after, blocks);
    expect(run(story).attacks.length).toBeGreaterThan(0);
  });

  it('at one file a minute', () => {
    const story = new Story(60_000);
    for (let index = 0; index < 6; index += 1) story.overwrite(python, file(index), docx, random());
    expect(run(story).attacks.length).toBeGreaterThan(0);
  });

  it('by nobody knows whom: the verdict names the directory and no process', () => {
    const unknown: Actor = { key: 'unknown', kind: 'unknown' };
    const story = new Story();
    for (let index = 0; index < 10; index += 1) story.overwrite(unknown, file(index), docx, random());
    const { attacks } = run(story);
    expect(attacks[0]).toMatchObject({ groupKind: 'subtree', groupKey: root });
    expect(attacks.flatMap(({ members }) => members).every(({ actor }) => actor.kind === 'unknown')).toBe(true);
  });

  it('by a decoy that is changed', () => {
    const story = new Story().overwrite(python, `${root}/!readme.docx`, docx, random()).overwrite(python, file(1), docx, random());
    expect(run(story).attacks.length).toBeGreaterThan(0);
  });
});

describe('innocent work stays without a verdict', () => {
  const many = 300;
  const cases: Record<string, (story: Story, index: number) => void> = {
    'unpacking an archive': (story, index) => story.create(process(300, '/usr/bin/unzip'), file(index), docx),
    'synchronising in (temporary name, rename)': (story, index) => {
      const rsync = process(301, '/usr/bin/rsync');
      story.create(rsync, `${root}/.plan${index}.Ab12Cd`, docx).rename(rsync, `${root}/.plan${index}.Ab12Cd`, file(index));
    },
    'office saving (temporary, backup, remove)': (story, index) => {
      const office = process(302, '/usr/bin/soffice');
      story
        .create(office, `${root}/lu${index}.tmp`, docx)
        .rename(office, file(index), `${file(index)}.bak`)
        .rename(office, `${root}/lu${index}.tmp`, file(index))
        .remove(office, `${file(index)}.bak`, docx);
    },
    'sed -i over a tree': (story, index) => {
      const sed = process(303, '/usr/bin/sed');
      story.create(sed, `${root}/sed${index}xY`, text).rename(sed, `${root}/sed${index}xY`, file(index, 'txt'), text);
    },
    'gzip -r': (story, index) => {
      const tool = process(304, '/usr/bin/gzip');
      story.create(tool, `${file(index)}.gz`, gzip).remove(tool, file(index), docx);
    },
    'pictures edited in place': (story, index) => {
      const tool = process(305, '/usr/bin/mogrify');
      story.create(tool, `${file(index, 'jpg')}~`, jpeg).rename(tool, `${file(index, 'jpg')}~`, file(index, 'jpg'), jpeg);
    },
    'a backup repository in the share': (story, index) => story.create(process(306, '/usr/bin/restic'), `${root}/repo/data/${index}aabb`, random('')),
    'renaming everything': (story, index) => story.rename(process(307, '/usr/bin/rename'), file(index), `${root}/2025-06_${index}.docx`),
    'deleting a tree': (story, index) => story.remove(process(308, '/usr/bin/rm'), file(index), docx),
    compiling: (story, index) =>
      story.create(process(309 + index, '/usr/bin/cc1'), `${root}/${index}.o`, { ...docx, type: 'elf', extensionType: 'elf', structure: 'unknown' }),
    'documents edited': (story, index) => story.overwrite(process(700, '/usr/bin/soffice'), file(index), docx, docx, turned(0, 0.9, 0.1)),
    'emptying a few logs': (story, index) => {
      if (index < 5) story.overwrite(process(701, '/usr/sbin/logrotate'), file(index, 'log'), text, empty, turned(0));
    },
  };
  it.each(Object.entries(cases))('%s', (_name, tell) => {
    const story = new Story();
    for (let index = 0; index < many; index += 1) tell(story, index);
    story.tick(60_000);
    expect(run(story).verdicts.filter(({ level }) => level !== 'suspicion')).toEqual([]);
  });

  it('a user who protects three documents gets a warning at most', () => {
    const story = new Story(2000);
    for (let index = 0; index < 3; index += 1) {
      story
        .create(process(800 + index, '/usr/bin/gpg', [bash]), `${file(index)}.gpg`, { ...salted(), type: 'pgp' })
        .remove(process(900 + index, '/usr/bin/rm', [bash]), file(index), docx);
    }
    story.tick(60_000);
    expect(run(story).attacks).toEqual([]);
  });

  it('what Kuramori announced is not judged', () => {
    const story = new Story();
    for (let index = 0; index < 20; index += 1) {
      story.step({
        by: { ...python, own: true },
        origin: 'kuramori',
        operation: 'modified',
        path: file(index),
        written: true,
        content: random(),
        vault: { change: 'stored', before: docx, after: random() },
      });
    }
    expect(run(story).verdicts).toEqual([]);
  });
});

describe('verdicts', () => {
  it('hold for the message rules', () => {
    for (const verdict of run(opensslLoop(12)).verdicts) parseMessage(Verdict, JSON.parse(JSON.stringify(verdict)));
  });

  it('name only members with evidence of their own', () => {
    const innocent = process(500, '/usr/bin/vim', [bash]);
    const story = opensslLoop(3);
    story.overwrite(innocent, file(90, 'txt'), text, text, turned(0, 0.1, 0.9));
    for (const message of opensslLoop(10).messages) story.messages.push(message);
    expect(
      run(story)
        .attacks.flatMap(({ members }) => members)
        .some(({ actor }) => actor.key === innocent.key),
    ).toBe(false);
  });

  it('are few: not one a file', () => {
    const story = new Story();
    for (let index = 0; index < 500; index += 1) story.overwrite(python, file(index), docx, random());
    expect(run(story).attacks.length).toBeLessThan(12);
  });

  it('are the same for the same stream, and a message told twice changes nothing', () => {
    const story = opensslLoop(10);
    const once = run(story).verdicts.map(({ id }) => id);
    expect(run(story).verdicts.map(({ id }) => id)).toEqual(once);
    const twice = new Story();
    for (const message of story.messages) twice.messages.push(message, message);
    expect(run(twice).verdicts.map(({ id }) => id)).toEqual(once);
  });

  it('two attacks of different users at once are two', () => {
    const other = process(150, '/usr/bin/bash', [], 'bob');
    const story = opensslLoop(10);
    const gpg = process(2000, '/usr/bin/gpg', [other], 'bob');
    for (let index = 40; index < 50; index += 1) story.create(gpg, `${file(index)}.gpg`, salted()).remove(gpg, file(index), docx);
    const { attacks } = run(story);
    expect(new Set(attacks.map(({ attackId }) => attackId)).size).toBe(2);
  });

  describe('when Kuramori has put the files of an attack back', () => {
    const kuramori: Actor = { ...process(50, '/opt/kuramori/node'), own: true };
    const putBack = (story: Story, from: number, to: number) => {
      for (let index = from; index < to; index += 1)
        story.step({ by: kuramori, origin: 'kuramori', operation: 'modified', path: file(index), written: true, content: docx });
      return story;
    };
    const overwriteAll = (story: Story, by: Actor, from: number, to: number) => {
      for (let index = from; index < to; index += 1) story.overwrite(by, file(index), docx, random());
      return story;
    };
    const groupsOf = (story: Story) => run(story).attacks.map(({ attackId, groupKey }) => `${attackId} ${groupKey}`);

    it('the next attack from the same session is another one, and what started both is not named', () => {
      const session = process(90, '/usr/bin/bash');
      const first = process(201, '/usr/bin/python3', [session]);
      const script = process(300, '/usr/bin/bash', [session]);
      const story = putBack(overwriteAll(new Story(), first, 0, 10), 0, 10).wait(5000);
      for (let index = 20; index < 30; index += 1) {
        story.create(process(400 + index, '/usr/bin/openssl', [script, session]), `${file(index)}.enc`, salted());
        story.remove(process(500 + index, '/usr/bin/rm', [script, session]), file(index), docx);
      }
      const ids = new Set(run(story).attacks.map(({ attackId }) => attackId));
      expect(ids.size).toBe(2);
      expect(new Set(groupsOf(story).map((group) => group.split(' ')[1]))).toEqual(new Set([first.key, script.key]));
    });

    it('the same program started again by the same user is another attack', () => {
      const story = putBack(overwriteAll(new Story(), process(201, '/usr/bin/python3'), 0, 10), 0, 10).wait(5000);
      overwriteAll(story, process(202, '/usr/bin/python3'), 0, 10);
      expect(new Set(run(story).attacks.map(({ attackId }) => attackId)).size).toBe(2);
    });

    it('whoever was at it before, without a common parent, still belongs to it', () => {
      const late = process(202, '/usr/bin/python3');
      const story = overwriteAll(new Story(), process(201, '/usr/bin/python3'), 0, 10).overwrite(late, file(30), docx, random());
      overwriteAll(putBack(story, 0, 10).wait(5000), late, 31, 33);
      const { attacks } = run(story);
      expect(new Set(attacks.map(({ attackId }) => attackId)).size).toBe(1);
      expect(attacks.flatMap(({ members }) => members).some(({ actor }) => actor.key === late.key)).toBe(true);
    });

    it('an attacker that could not be stopped and goes on is the same attack', () => {
      const attacker = process(201, '/usr/bin/python3');
      const story = putBack(overwriteAll(new Story(), attacker, 0, 10), 0, 10).wait(5000);
      overwriteAll(story, attacker, 0, 20).tick(5000);
      const { attacks } = run(story);
      expect(new Set(attacks.map(({ attackId }) => attackId)).size).toBe(1);
      expect(attacks.length).toBeGreaterThan(1);
    });

    it('an archive that was taken away with them holds nothing of what goes later', () => {
      const session = process(90, '/usr/bin/bash');
      const archive = `${root}/d0.7z`;
      const box = { ...salted(1_000_000), type: '7z' };
      const story = new Story().create(process(201, '/usr/bin/7z', [session]), archive, box);
      for (let index = 0; index < 10; index += 1) story.remove(process(201, '/usr/bin/7z', [session]), file(index), docx);
      expect(run(story.tick(100)).attacks.length).toBeGreaterThan(0);
      putBack(story, 0, 10).step({ by: kuramori, origin: 'kuramori', operation: 'deleted', path: archive }).wait(5000);
      for (let index = 20; index < 40; index += 1) story.remove(process(300 + index, '/usr/bin/rm', [session]), file(index), docx);
      const members = run(story.tick(60_000)).attacks.flatMap((verdict) => verdict.members);
      expect(new Set(members.map(({ actor }) => actor.pid))).toEqual(new Set([201]));
    });

    it('a restart of the detector changes nothing of that', () => {
      const story = putBack(overwriteAll(new Story(), process(201, '/usr/bin/python3'), 0, 10), 0, 10).wait(5000);
      const before = run(story).verdicts;
      overwriteAll(story, process(202, '/usr/bin/python3'), 0, 10);
      const restarted = engine();
      restarted.recall(before);
      const spokenAfterwards = new Set(run(story, restarted).attacks.map(({ attackId }) => attackId));
      expect(spokenAfterwards.size).toBe(1);
      expect(spokenAfterwards).not.toContain(before.find(({ level }) => level === 'attack')?.attackId);
    });
  });

  describe('when nobody watched for a moment (a rescan found it)', () => {
    const nobody: Actor = { key: 'unknown', kind: 'unknown' };
    const attackIds = (story: Story) => new Set(run(story).attacks.map(({ attackId }) => attackId));
    const membersOf = (story: Story) => new Set(run(story).attacks.flatMap(({ members }) => members.map(({ actor }) => actor.key)));

    it('one file more belongs to the attack under way, and is bounded by its directory', () => {
      const story = opensslLoop(10).step({
        by: nobody,
        operation: 'created',
        path: `${file(20)}.enc`,
        written: true,
        rescan: true,
        content: salted(),
      });
      story.remove(nobody, file(20), docx);
      expect(attackIds(story).size).toBe(1);
      const unseen = run(story).attacks.find(({ members }) => members.some(({ actor }) => actor.kind === 'unknown'));
      expect(unseen).toMatchObject({ groupKind: 'subtree', groupKey: `${root}/d2` });
      expect(unseen?.members).toMatchObject([{ actionable: true }]);
    });

    it('a copy beside its original, which the attacker had not deleted yet, belongs to it too', () => {
      const story = opensslLoop(10).step({
        by: nobody,
        operation: 'created',
        path: `${file(20)}.enc`,
        written: true,
        rescan: true,
        content: salted(),
      });
      expect(membersOf(story)).toContain('unknown');
    });

    it('a file that was begun before their eyes, and finished and exchanged for its original behind their backs, has both for its makers', () => {
      const openssl = process(990, '/usr/bin/openssl', [bash]);
      const story = new Story().create(openssl, `${file(20)}.enc`, empty);
      const unseen = { by: nobody, written: true, rescan: true } as const;
      for (const index of [20, 21, 22, 23, 24]) {
        const content = salted();
        story.step(
          index === 20
            ? {
                ...unseen,
                operation: 'modified',
                path: `${file(index)}.enc`,
                content,
                vault: { change: 'stored', version: 2, before: empty, after: content },
              }
            : { ...unseen, operation: 'created', path: `${file(index)}.enc`, content, vault: { change: 'stored', version: 1, after: content } },
        );
      }
      for (const index of [20, 21, 22, 23, 24]) story.remove(nobody, file(index), docx);
      opensslLoop(10, bash, story);
      expect(attackIds(story).size).toBe(1);
      expect(membersOf(story)).toEqual(new Set([...membersOf(opensslLoop(10)), openssl.key, 'unknown']));
    });

    it('a file that was begun long before is not taken for the work of whoever began it', () => {
      const vim = process(991, '/usr/bin/vim');
      const story = new Story().create(vim, `${file(20)}.enc`, empty).wait(120_000);
      story.step({ by: nobody, written: true, rescan: true, operation: 'modified', path: `${file(20)}.enc`, content: salted() });
      story.remove(nobody, file(20), docx);
      opensslLoop(10, bash, story);
      expect(membersOf(story)).not.toContain(vim.key);
    });

    it('is one attack also when the rescan was faster than the attacker who goes on', () => {
      const story = new Story();
      for (let index = 20; index < 40; index += 1) story.create(nobody, `${file(index)}.enc`, salted()).remove(nobody, file(index), docx);
      opensslLoop(10, bash, story);
      expect(attackIds(story).size).toBe(1);
      expect(membersOf(story)).toEqual(new Set([...membersOf(opensslLoop(10)), 'unknown']));
    });

    it('work that was done meanwhile is none of it', () => {
      const story = opensslLoop(10).step({
        by: nobody,
        operation: 'created',
        path: `${root}/d1/new.docx`,
        written: true,
        rescan: true,
        content: docx,
      });
      story.overwrite(nobody, file(30), docx, docx, turned(0, 0.1, 0.9));
      expect(membersOf(story)).not.toContain('unknown');
    });
  });

  it('takes files of types that nobody knows along with the rest of the attack, and finds nothing in them alone', () => {
    const bytecode = { ...random(''), chiSquare: 1e6, randomShare: 0, entropy: 5 };
    const pairs = (story: Story, from: number, to: number, extension: string, before: typeof docx) => {
      for (let index = from; index < to; index += 1) {
        const path = `${root}/${index}.${extension}`;
        story.create(process(1000 + index * 2, '/usr/bin/openssl', [bash]), `${path}.enc`, salted());
        story.remove(process(1001 + index * 2, '/usr/bin/rm', [bash]), path, before);
      }
      return story;
    };
    expect(run(pairs(new Story(), 0, 20, 'pyc', bytecode).tick(60_000)).attacks).toEqual([]);
    const mixed = pairs(pairs(pairs(new Story(), 0, 2, 'pyc', bytecode), 2, 10, 'docx', docx), 10, 12, 'pyc', bytecode);
    const named = new Set(run(mixed).attacks.flatMap(({ members }) => members.map(({ actor }) => actor.pid)));
    expect([...named].sort()).toEqual(Array.from({ length: 24 }, (_, index) => 1000 + index));
  });

  it('names whoever removes the originals, and why, however far the vault lies behind the watcher', () => {
    const story = new Story();
    for (let index = 0; index < 12; index += 1) {
      const openssl = process(1000 + index * 2, '/usr/bin/openssl', [bash]);
      const path = `${file(index)}.enc`;
      // Born empty, looked at too late by the watcher; or read by the vault when it was complete already.
      const first = index % 3 === 2 ? empty : salted();
      story.step({ by: openssl, operation: 'created', path, vault: { change: 'stored', version: 1, after: first } });
      story.step({
        ...{ by: openssl, operation: 'modified', path, written: true },
        ...(index % 2 === 0 ? { content: salted() } : {}),
        vault: { change: 'stored', version: 2, before: first, after: salted() },
      });
      story.remove(process(1001 + index * 2, '/usr/bin/rm', [bash]), file(index), docx);
    }
    story.tick(5000);
    const batches = story.messages.filter((message) => 'batch' in message);
    const stored = story.messages.filter((message) => 'stored' in message);
    const named = (messages: Story['messages']) => {
      const judge = engine();
      const spoken = messages.flatMap((message) => ('batch' in message ? judge.onFileBatch(message.batch) : judge.onVaultStored(message.stored)));
      const members = spoken.filter(({ level }) => level === 'attack').flatMap((verdict) => verdict.members);
      // Whoever made the copy may be named before its original goes: then for that half alone.
      const removers = members.filter(
        ({ actor, evidence }) => actor.exe === '/usr/bin/rm' && evidence.some(({ indicator }) => indicator === 'write-new-delete-old'),
      );
      return new Set(removers.map(({ actor }) => actor.key));
    };
    const expected = named(story.messages);
    expect(expected.size).toBe(12);
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 2 }), { minLength: stored.length, maxLength: stored.length }), (ahead) => {
        const messages: Story['messages'] = [];
        const left = [...batches];
        for (const [index, message] of stored.entries()) messages.push(...left.splice(0, ahead[index]), message);
        messages.push(...left);
        expect(named(messages)).toEqual(expected);
      }),
    );
  });

  it('never throws, whatever the facts', () => {
    const operation = fc.constantFrom('created', 'modified', 'deleted', 'renamed', 'metadata');
    const content = fc.option(fc.constantFrom(docx, text, gzip, random(), salted(), base64, zeros, empty), { nil: undefined });
    const fact = fc.record({ operation, path: fc.integer({ min: 0, max: 5 }), old: fc.integer({ min: 0, max: 5 }), content });
    fc.assert(
      fc.property(fc.array(fact, { maxLength: 60 }), (facts) => {
        const judge = engine();
        const story = new Story();
        for (const each of facts) {
          story.step({
            by: python,
            operation: each.operation,
            path: file(each.path),
            ...(each.operation === 'renamed' ? { oldPath: file(each.old) } : {}),
            ...(each.content === undefined ? {} : { content: each.content }),
          });
        }
        run(story, judge);
      }),
    );
  });
});
