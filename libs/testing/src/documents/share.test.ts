import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { describeContent, planSample } from '@kuramori/content';
import { readFileSync } from 'node:fs';
import { compareManifests, takeManifest } from './manifest';
import { makeShare } from './share';

const scratch: string[] = [];
function scratchDirectory(): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'kuramori-share-'));
  scratch.push(directory);
  return directory;
}
afterEach(() => {
  for (const directory of scratch.splice(0)) rmSync(directory, { recursive: true, force: true });
});
const sources = path.resolve('node_modules');

describe('a share of documents', () => {
  it('is the same for the same seed', () => {
    const [first, second] = [scratchDirectory(), scratchDirectory()];
    makeShare(first, { files: 60, sources });
    makeShare(second, { files: 60, sources });
    expect(compareManifests(takeManifest(first), takeManifest(second))).toEqual({ lost: [], changedMetadata: [], added: [] });
  });

  it('holds only files that are readable as what their names promise', () => {
    const directory = scratchDirectory();
    const broken = makeShare(directory, { files: 120, sources }).filter((file) => {
      const bytes = readFileSync(path.join(directory, file));
      const windows = planSample(bytes.length).map(({ offset, length }) => ({ offset, bytes: bytes.subarray(offset, offset + length) }));
      return describeContent({ name: path.basename(file), sizeBytes: bytes.length, windows }).structure === 'broken';
    });
    expect(broken).toEqual([]);
  });
});
