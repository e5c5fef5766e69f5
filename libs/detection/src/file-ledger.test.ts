import 'reflect-metadata';
import { describe, expect, it } from 'vitest';
import type { Actor, ContentFeatures } from '@kuramori/contracts';
import { DetectionEngine } from '.';
import { base64, docx, empty, gzip, process, random, salted, Story, text, turned } from './testing';

const root = '/srv/share';
const file = (index: number) => `${root}/d${index % 3}/文書 ${index}.docx`;
const bash = process(100, '/usr/bin/bash');
const python = process(200, '/usr/bin/python3');
const make = process(210, '/usr/bin/make');
const sized = (content: ContentFeatures, sizeBytes: number): ContentFeatures => ({ ...content, sizeBytes, sampledBytes: sizeBytes });
const libraryBytes: ContentFeatures = { ...random(''), chiSquare: 1e6, randomShare: 0, entropy: 5 };

function levels(story: Story): Set<string> {
  const engine = new DetectionEngine({ host: 'h', sensitivity: 'normal', roots: [root] });
  const verdicts = story.messages.flatMap((message) =>
    'batch' in message ? engine.onFileBatch(message.batch) : engine.onVaultStored(message.stored),
  );
  return new Set(verdicts.map(({ level }) => level));
}

function told(tell: (story: Story, index: number) => void, count = 20): Set<string> {
  const story = new Story();
  for (let index = 0; index < count; index += 1) tell(story, index);
  return levels(story.tick(60_000));
}

/** A suspicion pins versions, and nobody hears of it. */
const isHeard = (spoken: ReadonlySet<string>) => spoken.has('warning') || spoken.has('attack');

/** Two goes: all of the first, a while, all of the second. */
function toldInTurn(first: (story: Story, index: number) => void, second: (story: Story, index: number) => void, pauseMs = 10_000): Set<string> {
  const story = new Story();
  for (let index = 0; index < 20; index += 1) first(story, index);
  story.tick(pauseMs);
  for (let index = 0; index < 20; index += 1) second(story, index);
  return levels(story.tick(60_000));
}

describe('what a job has only just begun', () => {
  const written = (story: Story, by: Actor, index: number) =>
    story.step({
      by,
      operation: 'modified',
      path: `${root}/lib${index}.a`,
      written: true,
      content: libraryBytes,
      vault: { change: 'stored', version: 2, before: sized(text, 8), after: libraryBytes },
    });

  it("is nobody's loss where the vault caught it half-way: an archive of objects begins as eight letters", () => {
    expect(told((story, index) => written(story.create(make, `${root}/lib${index}.a`, sized(text, 8)), make, index))).toEqual(new Set());
  });

  it('is a loss when somebody else does that to it, or it does so later', () => {
    expect(told((story, index) => written(story.create(make, `${root}/lib${index}.a`, text), python, index))).toContain('attack');
    expect(
      toldInTurn(
        (story, index) => story.create(make, `${root}/lib${index}.a`, text).wait(3000),
        (story, index) => written(story.wait(3000), make, index),
      ),
    ).toContain('attack');
  });

  it('is born empty: a lock file in place of the one that became an index is none that was emptied', () => {
    const index = sized({ ...docx, type: 'gitindex', structure: 'unknown', extensionType: '' }, 19_806);
    expect(
      told((story, number) => {
        const lock = `${root}/r${number}/index.lock`;
        story.step({ by: make, operation: 'renamed', oldPath: lock, path: lock.slice(0, -5), content: index }).create(make, lock, empty);
      }),
    ).toEqual(new Set());
  });

  it('is not a document over which a copy of itself was renamed', () => {
    expect(
      told((story, index) =>
        story
          .create(python, `${file(index)}.tmp`, docx)
          .rename(python, `${file(index)}.tmp`, file(index))
          .overwrite(python, file(index), docx, random()),
      ),
    ).toContain('attack');
  });
});

describe('an unreadable file of the same size as a lost one', () => {
  it('is no successor of it elsewhere when both are not one act: a version control program stores hundreds and clears folders later', () => {
    expect(
      isHeard(
        toldInTurn(
          (story, index) => story.create(bash, `${root}/.git/objects/${index}/tmp_obj`, random('', 20_000 + 2000 * index)),
          // Each has the size of one object, as among hundreds of both.
          (story, index) => story.remove(bash, file(index), sized(docx, 19_900 + 2000 * ((index * 7) % 20))),
        ),
      ),
    ).toBe(false);
  });

  it('is its successor when it is gone in the same go, whatever it is called and wherever it stands', () => {
    expect(
      told((story, index) => story.create(python, `${root}/other/${index * 7919}`, random('', 40_016)).remove(python, file(index), docx)),
    ).toContain('attack');
  });
});

describe('an unreadable file of the same name as a lost one', () => {
  const copied = (story: Story, index: number) => story.create(bash, `${root}/to-send/文書 ${index}.docx.enc`, salted(11_056));
  const cleared = (by: Actor, sizeBytes: number) => (story: Story, index: number) =>
    story.remove(by, `${root}/old/文書 ${index}.docx`, sized(docx, sizeBytes));

  it('is no successor of it in another folder when it can not have become so large', () => {
    expect(toldInTurn(copied, cleared(process(300, '/usr/bin/rm'), 1560))).toEqual(new Set());
    expect(toldInTurn(copied, cleared(bash, 1560), 11 * 60_000)).toEqual(new Set());
  });

  it('is its successor when it can', () => {
    expect(toldInTurn(copied, cleared(process(300, '/usr/bin/rm'), 11_030))).toContain('attack');
  });
});

describe('a log that is rotated and compressed', () => {
  const rotate = process(500, '/usr/sbin/logrotate');
  const service = process(501, '/usr/sbin/service');
  const away = (story: Story, log: string, was: ContentFeatures) =>
    story.step({ by: rotate, operation: 'renamed', oldPath: log, path: `${log}.1`, content: was }).create(rotate, log, empty);
  const copied = (story: Story, log: string, was: ContentFeatures) =>
    story.create(rotate, `${log}.1`, was).step({ by: rotate, operation: 'modified', path: log, written: true, content: empty });
  const nights = (take: typeof away) => (story: Story, index: number) => {
    const log = `${root}/logs/s${index}.log`;
    if (index % 2 === 0) story.create(service, log, text);
    for (const was of [text, base64, base64]) {
      take(story, log, was).create(rotate, `${log}.1.gz`, gzip).remove(rotate, `${log}.1`, was).rename(rotate, `${log}.1.gz`, `${log}.2.gz`).tick(20);
      for (let other = 0; other < 10; other += 1) story.create(rotate, `${root}/logs/other${index}-${was.type}-${other}.log.1.gz`, gzip);
      story.overwrite(service, log, was, base64, turned(0));
    }
  };

  it.each([away, copied])('is another file each night: what the new one holds took the place of nothing', (take) => {
    expect(told(nights(take))).toEqual(new Set());
  });
});

describe('a container that needs a password', () => {
  it('holds no more than fits: who sends three documents and then tidies a folder has not put that into it', () => {
    const story = new Story().create(bash, `${root}/to-send.zip`, { ...salted(30_000), type: 'zip' }).tick(10_000);
    for (let index = 0; index < 40; index += 1) story.remove(bash, file(index), docx);
    expect(isHeard(levels(story.tick(60_000)))).toBe(false);
  });

  it('and what is deleted after it belong together as far as there is room, in one container or in many', () => {
    const one = new Story().create(bash, `${root}/all.gpg`, { ...salted(20 * 40_000), type: 'pgp' }).tick(10_000);
    const many = new Story();
    for (let index = 0; index < 20; index += 1) many.create(bash, `${root}/x/${index * 7919}`, salted(40_032));
    for (let index = 0; index < 20; index += 1) {
      one.remove(bash, file(index), docx);
      many.wait(4000).remove(bash, file(index), docx);
    }
    expect(levels(one)).toContain('attack');
    expect(levels(many)).toContain('attack');
  });
});

describe('a document saved by way of a backup', () => {
  const office = process(400, '/usr/lib/libreoffice/soffice.bin');

  it('is not lost although an encrypted copy of it lies beside', () => {
    expect(
      toldInTurn(
        (story, index) => story.create(office, `${file(index)}.enc`, salted()),
        (story, index) =>
          story
            .create(office, `${root}/lu${index}.tmp`, docx)
            .rename(office, file(index), `${file(index)}.bak`)
            .rename(office, `${root}/lu${index}.tmp`, file(index))
            .remove(office, `${file(index)}.bak`, docx),
      ),
    ).toEqual(new Set());
  });

  it('is lost when the copy was made in the same go and something for show took its name', () => {
    expect(
      told((story, index) =>
        story
          .rename(python, file(index), `${file(index)}.bak`)
          .create(python, file(index), sized(docx, 2000))
          .create(python, `${file(index)}.locked`, random())
          .remove(python, `${file(index)}.bak`, docx),
      ),
    ).toContain('attack');
  });

  it('is lost when nobody can read what took its name, also if it had been moved aside under a name of its own type', () => {
    expect(
      told((story, index) =>
        story
          .rename(python, file(index), `${root}/d${index % 3}/old ${index}.docx`)
          .create(python, file(index), random())
          .remove(python, `${root}/d${index % 3}/old ${index}.docx`, docx),
      ),
    ).toContain('attack');
  });
});

describe('a warning', () => {
  const encrypted = (story: Story) => {
    for (let index = 0; index < 3; index += 1) story.create(bash, `${file(index)}.enc`, salted()).remove(bash, file(index), docx);
    return story;
  };

  it('is spoken after a while', () => {
    expect(levels(encrypted(new Story()).tick(60_000))).toEqual(new Set(['suspicion', 'warning']));
  });

  it('is not spoken when what it stood on has turned out to be harmless', () => {
    const story = encrypted(new Story());
    for (let index = 0; index < 3; index += 1) story.create(bash, file(index), docx);
    expect(levels(story.tick(60_000))).toEqual(new Set(['suspicion']));
  });
});
