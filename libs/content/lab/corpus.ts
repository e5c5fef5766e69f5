/** Looks at every file of a directory and at eight ways of encrypting it: what is said of good files, and which ways are seen. `npm run lab:content -- DIRECTORY`. */
import { createCipheriv, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import Table from 'cli-table3';
import { compareContents, describeContent, planComparison, planSample } from '../src';

const [directory] = process.argv.slice(2);
if (directory === undefined) {
  process.stderr.write('usage: npm run lab:content -- DIRECTORY\n');
  process.exit(2);
}
const encrypt = (bytes: Buffer): Buffer => createCipheriv('aes-256-ctr', randomBytes(32), randomBytes(16)).update(bytes);
const parts = (bytes: Buffer, keep: (offset: number) => boolean, step: number): Buffer => {
  const cipher = encrypt(Buffer.from(bytes));
  const result = Buffer.from(bytes);
  for (let offset = 0; offset < bytes.length; offset += step)
    if (!keep(offset)) cipher.copy(result, offset, offset, Math.min(bytes.length, offset + step));
  return result;
};
const ways: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  whole: encrypt,
  'first 4 KiB': (bytes) => parts(bytes, (offset) => offset >= 4096, 4096),
  'all but 4 KiB': (bytes) => parts(bytes, (offset) => offset < 4096, 4096),
  'every other 16': (bytes) => parts(bytes, (offset) => (offset / 16) % 2 === 1, 16),
  'every other 1M': (bytes) => parts(bytes, (offset) => (offset / 1_048_576) % 2 === 1, 1_048_576),
  base64: (bytes) => Buffer.from(encrypt(bytes).toString('base64')),
  'xor 0x5a': (bytes) => Buffer.from(bytes.map((value) => value ^ 0x5a)),
  zeros: (bytes) => Buffer.alloc(bytes.length),
};
const windowsOf = (bytes: Buffer, plan = planSample(bytes.length)) =>
  plan.map(({ offset, length }) => ({ offset, bytes: bytes.subarray(offset, offset + length) }));
const look = (name: string, bytes: Buffer) => describeContent({ name, sizeBytes: bytes.length, windows: windowsOf(bytes) });

const good = new Map<string, Record<string, number>>();
const seen = new Map<string, number>();
const broken: string[] = [];
let total = 0;
let describeMs = 0;
let compareMs = 0;
for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue;
  const bytes = readFileSync(path.join(entry.parentPath, entry.name));
  if (bytes.length < 512) continue;
  let startedMs = performance.now();
  const before = look(entry.name, bytes);
  describeMs += performance.now() - startedMs;
  const row = good.get(before.type) ?? {};
  row[before.structure] = (row[before.structure] ?? 0) + 1;
  if (before.randomShare > 0.9) row.random = (row.random ?? 0) + 1;
  good.set(before.type, row);
  if (before.structure === 'broken') broken.push(`${before.type}/${before.extensionType} ${path.join(entry.parentPath, entry.name)}`);
  if (before.structure === 'encrypted') continue;
  total += 1;
  for (const [way, change] of Object.entries(ways)) {
    const changed = change(bytes);
    const after = look(entry.name, changed);
    const plan = planComparison(bytes.length, changed.length);
    startedMs = performance.now();
    const blocks = compareContents(
      { sizeBytes: bytes.length, windows: windowsOf(bytes, plan) },
      { sizeBytes: changed.length, windows: windowsOf(changed, plan) },
    );
    compareMs += performance.now() - startedMs;
    const signs = {
      type: after.type !== before.type,
      structure: before.structure !== 'broken' && after.structure === 'broken',
      turned: blocks.turnedRandomShare > 0,
      unlike: blocks.similarity < 0.1,
    };
    for (const [sign, yes] of Object.entries({ ...signs, any: signs.type || signs.structure || signs.turned }))
      if (yes) seen.set(`${way} ${sign}`, (seen.get(`${way} ${sign}`) ?? 0) + 1);
  }
}
const types = new Table({ head: ['type', 'intact', 'unknown', 'broken', 'encrypted', 'looks random'] });
for (const [type, row] of [...good].sort()) types.push([type, ...['intact', 'unknown', 'broken', 'encrypted', 'random'].map((key) => row[key] ?? 0)]);
const signs = ['type', 'structure', 'turned', 'unlike', 'any'];
const table = new Table({ head: [`${total} files`, ...signs] });
for (const way of Object.keys(ways)) table.push([way, ...signs.map((sign) => `${(((seen.get(`${way} ${sign}`) ?? 0) / total) * 100).toFixed(1)} %`)]);
process.stdout.write(`${types.toString()}\n${table.toString()}\nbroken although good:\n${broken.slice(0, 60).join('\n')}\n`);
process.stdout.write(
  `describe ${(describeMs / total).toFixed(2)} ms, compare ${(compareMs / total / Object.keys(ways).length).toFixed(2)} ms a file\n`,
);
