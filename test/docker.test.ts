import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { passwordVariable, serverConfiguration } from '@kuramori/bus';
import { serviceNames } from '@kuramori/contracts';
import { projectRoot } from './support';

const docker = path.join(projectRoot, 'docker');
const read = (name: string) => readFileSync(path.join(docker, name), 'utf8');

interface Compose {
  readonly services: Readonly<
    Record<
      string,
      {
        readonly build?: { readonly args: { readonly APP: string }; readonly context: string; readonly dockerfile: string };
        readonly volumes?: readonly string[];
        readonly env_file?: readonly string[];
      }
    >
  >;
}
const compose = parse(read('compose.yaml'), { merge: true }) as Compose;

describe('docker/', () => {
  it('copies only what exists in the checkout', () => {
    const sources = [...read('Dockerfile').matchAll(/^COPY (?!--from)(.+) \S+$/gmu)].flatMap(([, list]) => (list ?? '').split(' '));
    expect(sources.length).toBeGreaterThan(4);
    expect(sources.filter((source) => !existsSync(path.join(projectRoot, source)))).toEqual([]);
  });

  it('has a compose file that fits the Compose Specification', () => {
    const lint = (file: string) =>
      spawnSync(process.execPath, [path.join(projectRoot, 'node_modules/dclint/bin/dclint.cjs'), '--quiet', file], { encoding: 'utf8' });
    const { status, stdout, stderr } = lint(path.join(docker, 'compose.yaml'));
    expect(status, stdout + stderr).toBe(0);
    const scratch = mkdtempSync(path.join(tmpdir(), 'kuramori-docker-'));
    try {
      const misspelt = path.join(scratch, 'compose.yaml');
      writeFileSync(misspelt, read('compose.yaml').replace('cap_add:', 'cap_ad:'));
      expect(lint(misspelt)).toMatchObject({ status: 1, stdout: expect.stringMatching(/services\/watcher/u) as string });
    } finally {
      rmSync(scratch, { recursive: true });
    }
  });

  it('has one service for the bus and for each app, built from a Dockerfile that is there', () => {
    expect(Object.keys(compose.services).sort()).toEqual(['bus', ...serviceNames].sort());
    for (const name of serviceNames) {
      const build = compose.services[name]?.build;
      expect(build?.args.APP).toBe(name);
      expect(existsSync(path.join(docker, build?.context ?? '', build?.dockerfile ?? 'missing'))).toBe(true);
      expect(existsSync(path.join(projectRoot, 'apps', name, 'src', 'main.ts'))).toBe(true);
    }
  });

  it('has settings that `config check` accepts', () => {
    const scratch = mkdtempSync(path.join(tmpdir(), 'kuramori-docker-'));
    try {
      // The roots must exist on the machine that checks: the compose file's are made here under another name.
      const settings = path.join(scratch, 'kuramori.yaml');
      mkdirSync(path.join(scratch, 'share'));
      const text = read('kuramori.yaml').replace('/srv/share', path.join(scratch, 'share')).replace('/var/lib/kuramori', path.join(scratch, 'data'));
      writeFileSync(settings, text);
      const check = spawnSync(process.execPath, [path.join(projectRoot, 'dist/apps/cli/main.mjs'), 'config', 'check', '--config', settings], {
        encoding: 'utf8',
      });
      expect(check.stderr + check.stdout).not.toMatch(/error/iu);
      expect(check.status).toBe(0);
    } finally {
      rmSync(scratch, { recursive: true });
    }
  });

  it('has the NATS configuration that `up` would write, with passwords from the environment', () => {
    const wanted = serverConfiguration({
      port: 4222,
      bind: '127.0.0.1',
      storeDir: '/var/lib/kuramori/bus/jetstream',
      passwordOf: (role) => `$${passwordVariable(role)}`,
    });
    expect(read('nats-server.conf')).toBe(wanted);
  });

  it('has a NATS configuration that nats-server accepts with the passwords that `bus init` makes', () => {
    const scratch = mkdtempSync(path.join(tmpdir(), 'kuramori-docker-'));
    try {
      const credentials = path.join(scratch, 'credentials');
      const made = spawnSync(process.execPath, [path.join(projectRoot, 'dist/apps/cli/main.mjs'), 'bus', 'init', credentials], { encoding: 'utf8' });
      expect(made.status, made.stderr).toBe(0);
      expect(readdirSync(credentials).sort()).toEqual(
        ['bus.env', ...[...serviceNames, 'operator', 'integrator'].map((role) => `${role}.json`)].sort(),
      );
      const lines = readFileSync(path.join(credentials, 'bus.env'), 'utf8').trimEnd().split('\n');
      const environment = Object.fromEntries(
        lines.map((line): [string, string] => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
      );
      const check = spawnSync('nats-server', ['-t', '-c', path.join(docker, 'nats-server.conf')], {
        encoding: 'utf8',
        env: { ...process.env, ...environment },
      });
      expect(check.stderr + check.stdout).toContain('is valid');
      expect(check.status).toBe(0);
      expect(compose.services.bus?.env_file).toEqual(['./credentials/bus.env']);
    } finally {
      rmSync(scratch, { recursive: true });
    }
  });
});
