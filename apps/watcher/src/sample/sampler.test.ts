import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { bundleForTest, type TestBundle } from '@kuramori/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Place } from '../testing/place';
import { sampleFile } from './sample-file';
import { Sampler } from './sampler';

let bundle: TestBundle;
let worker: URL;
let place: Place;
beforeAll(async () => {
  bundle = await bundleForTest({ 'sampler.worker': 'apps/watcher/src/sampler.worker.ts' });
  worker = pathToFileURL(path.join(bundle.directory, 'sampler.worker.mjs'));
});
afterAll(() => bundle.remove());
beforeEach(() => {
  place = new Place();
});
afterEach(() => place.remove());

const request = (name: string) => ({ path: place.at(name), content: true, hash: false });

describe('the sampling threads', () => {
  it('look at each file as one look here would, and answer each request by itself', async () => {
    const names = Array.from({ length: 100 }, (_, index) => `${index}.txt`);
    place.write(Object.fromEntries(names.map((name) => [name, `The file ${name}.`])));
    const sampler = new Sampler(worker, 2);
    try {
      const asked = [...names, 'gone.txt', ...names.slice(0, 10)].map(request);
      expect(await Promise.all(asked.map((one) => sampler.sample(one)))).toEqual(asked.map((one) => sampleFile(one)));
    } finally {
      await sampler.stop();
    }
  });

  it('may be stopped at any moment, also while they start', async () => {
    // A sweep over the moments of a start, among them that of loading the native addons.
    for (let afterMs = 0; afterMs < 80; afterMs += 25) {
      const sampler = new Sampler(worker, 2);
      await delay(afterMs);
      await sampler.stop();
    }
    const sampler = new Sampler(worker, 2);
    void sampler.sample(request('a.txt'));
    await sampler.stop();
    await sampler.stop();
  });
});

it('without a thread a file is looked at in place', async () => {
  place.write({ 'a.txt': 'a' });
  const sampler = new Sampler(undefined, 2);
  expect(await sampler.sample(request('a.txt'))).toMatchObject({ kind: 'file', content: { sizeBytes: 1 } });
  expect(await sampler.sample(request('gone.txt'))).toBeUndefined();
  await sampler.stop();
});
