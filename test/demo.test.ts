import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { waitFor } from '@kuramori/testing';
import { projectRoot } from './support';

let scratch = '';
beforeEach(() => {
  scratch = mkdtempSync(path.join(tmpdir(), 'kuramori-test-'));
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

/** Processes that were started for this test: each knows its temporary directory. */
function processesOf(directory: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/u.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(directory);
      } catch {
        return false;
      }
    })
    .map(Number);
}

describe('the demonstration', () => {
  it.each([
    ['SIGINT', 'making a share', 130],
    ['SIGINT', 'protected: ', 130],
    ['SIGTERM', 'starting Kuramori', 143],
    ['SIGHUP', 'ATTACK', 129],
  ] as const)('that gets %s after "%s" leaves nothing behind', async (signal, text, status) => {
    const temporary = path.join(scratch, 'tmp');
    mkdirSync(temporary);
    const demonstration = spawn(process.execPath, [path.join(projectRoot, 'dist', 'demo', 'main.mjs')], {
      env: { ...process.env, TMPDIR: temporary },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    demonstration.stdout.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
    demonstration.stderr.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
    const ended = new Promise<number | null>((resolve) => demonstration.once('close', resolve));
    await waitFor(text, 60_000, () => output.includes(text));
    // Twice, as a terminal and a wrapper that passes it on do.
    demonstration.kill(signal);
    demonstration.kill(signal);
    expect(await ended, output).toBe(status);
    expect(readdirSync(temporary)).toEqual([]);
    // A question that was asked of the services a moment before ends by itself.
    await waitFor('every process to be gone', 5000, () => processesOf(temporary).length === 0);
    expect(output).not.toMatch(/failed|last output/u);
  });
});
