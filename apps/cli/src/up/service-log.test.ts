import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ServiceLog } from './service-log';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'kuramori-log-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

it('a log takes no more than two files of its size, and keeps the newest lines', () => {
  const log = new ServiceLog(path.join(directory, 'log'), 'vault', 1000);
  for (let index = 0; index < 500; index += 1) log.write(`line ${index}`);
  log.close();
  const [current, older] = ['vault.log', 'vault.log.1'].map((name) => path.join(directory, 'log', name));
  expect(statSync(current ?? '').size).toBeLessThan(1100);
  expect(statSync(older ?? '').size).toBeLessThan(1100);
  expect(readFileSync(older ?? '', 'utf8') + readFileSync(current ?? '', 'utf8')).toMatch(/line 498\nline 499\n$/u);
});

it('a log that can not be written counts what it drops and goes on', () => {
  const inTheWay = path.join(directory, 'file');
  writeFileSync(inTheWay, '');
  const log = new ServiceLog(path.join(inTheWay, 'log'), 'vault');
  log.write('lost');
  log.write('lost too');
  expect(log.droppedLines).toBe(2);
});
