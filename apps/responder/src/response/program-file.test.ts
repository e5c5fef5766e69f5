import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sha256Of, withProgram } from './program-file';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'kuramori-program-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const hashed = (file: string, links: 'refused' | 'followed' = 'refused') => withProgram(file, links, sha256Of);

describe.skipIf(process.platform !== 'linux')("what a program's hash is read from", () => {
  it('is a regular file', async () => {
    const file = path.join(directory, 'tool');
    for (const content of ['', 'x', 'x'.repeat(200_000)]) {
      writeFileSync(file, content);
      expect(await hashed(file)).toBe(createHash('sha256').update(content).digest('hex'));
    }
  });
  it('is no named pipe, which nobody would ever write to, no directory, and no device', async () => {
    const pipe = path.join(directory, 'pipe');
    execFileSync('sh', ['-c', 'mkfifo "$0"', pipe]);
    for (const file of [pipe, directory, '/dev/zero', path.join(directory, 'missing')]) expect(await hashed(file)).toBeUndefined();
  });
  it('is no link, unless it is the one to the program of a process', async () => {
    const link = path.join(directory, 'link');
    symlinkSync('/etc/passwd', link);
    expect(await hashed(link)).toBeUndefined();
    expect(await hashed(`/proc/${process.pid}/exe`, 'followed')).toMatch(/^[0-9a-f]{64}$/u);
  });
  it('is no file of terabytes', async () => {
    const file = path.join(directory, 'sparse');
    writeFileSync(file, '');
    truncateSync(file, 2 ** 42);
    expect(await hashed(file)).toBeUndefined();
  });
});
