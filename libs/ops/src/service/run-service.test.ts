import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePorts } from '@kuramori/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { runService } from './run-service';

const handled = ['uncaughtException', 'unhandledRejection', 'SIGTERM', 'SIGINT'] as const;
const emitter: NodeJS.EventEmitter = process;
const ours = new Set(handled.flatMap((event) => emitter.listeners(event)));
let directory: string;
let settingsFile: string;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'kuramori-ops-'));
  settingsFile = path.join(directory, 'kuramori.yaml');
  for (const [name, value] of [
    ['CONFIG', settingsFile],
    ['LOG', 'silent'],
    ['SUPERVISED', ''],
  ] as const)
    vi.stubEnv(`KURAMORI_${name}`, value);
  // What would end the process ends the call.
  vi.spyOn(process, 'exit').mockImplementation((code) => {
    throw new Error(`exit ${String(code)}`);
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  for (const event of handled)
    for (const listener of emitter.listeners(event)) if (!ours.has(listener)) emitter.removeListener(event, listener as () => void);
  rmSync(directory, { recursive: true, force: true });
});

describe('a service that can not start', () => {
  const module = () => {
    throw new Error('it must not come so far');
  };

  it('ends with 2 when its settings are wrong or missing', async () => {
    await expect(runService({ name: 'vault', module })).rejects.toThrow('exit 2');
    writeFileSync(settingsFile, 'mode: sometimes\n');
    await expect(runService({ name: 'vault', module })).rejects.toThrow('exit 2');
  });

  it('ends with 1 when its port is taken, before it touches anything else', async () => {
    const port = await freePorts(6);
    const roots = [tmpdir()];
    writeFileSync(
      settingsFile,
      JSON.stringify({ host: 'fs01', dataDir: '/nowhere/kuramori', protect: { roots }, http: { bind: '127.0.0.1', port } }),
    );
    const other = createServer().listen(port + 3, '127.0.0.1');
    await once(other, 'listening');
    await expect(runService({ name: 'vault', module })).rejects.toThrow('exit 1');
    other.close();
  });
});
