import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OwnProcesses, registerAlone, writeOwnProcesses } from './own-processes';

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(path.join(tmpdir(), 'kuramori-own-'));
  mkdirSync(path.join(dataDir, 'run'));
});
afterEach(() => rmSync(dataDir, { recursive: true }));

const vault = { name: 'vault', pid: 4_000_001, startTime: 10 };
const watcher = { name: 'watcher', pid: 4_000_002, startTime: 20 };

describe('own processes', () => {
  it('are those that up registered, and those that registered themselves', () => {
    const own = new OwnProcesses(dataDir);
    expect(own.list()).toEqual([]);
    writeOwnProcesses(dataDir, [vault]);
    expect(own.list()).toEqual([vault]);
    registerAlone(dataDir, watcher);
    expect(own.list()).toEqual([vault, watcher]);
    registerAlone(dataDir, { ...watcher, pid: 4_000_003 });
    expect(own.list().map(({ pid }) => pid)).toEqual([4_000_001, 4_000_003]);
  });

  it('are one by pid and start time together: the same number later is somebody else', () => {
    registerAlone(dataDir, watcher);
    const own = new OwnProcesses(dataDir);
    expect(own.has(watcher.pid, 20)).toBe(true);
    expect(own.has(watcher.pid, 21)).toBe(false);
    expect(own.has(process.pid, 1)).toBe(true);
  });

  it('are not known from a file that is broken; the others are', () => {
    registerAlone(dataDir, watcher);
    writeFileSync(path.join(dataDir, 'run', 'processes.json'), '[{"name":');
    expect(new OwnProcesses(dataDir).list()).toEqual([watcher]);
  });
});
