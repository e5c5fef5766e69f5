import 'reflect-metadata';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defaultSettingsYaml, loadSettings, parseSettings, SettingsError } from '.';

let scratch = '';
let share = '';
beforeEach(() => {
  scratch = mkdtempSync(path.join(tmpdir(), 'kuramori-config-'));
  share = path.join(scratch, 'share');
  mkdirSync(share);
});
afterEach(() => rmSync(scratch, { recursive: true }));

const parse = (text: string) => parseSettings(text, 'kuramori.yaml');
function problemsOf(text: string): string {
  try {
    parse(text);
  } catch (error) {
    if (error instanceof SettingsError) return error.problems.join('\n');
    throw error;
  }
  throw new Error('no error');
}
const withRoots = (rest: string) => `dataDir: ${scratch}/data\nprotect:\n  roots: [${share}]\n${rest}`;

describe('settings', () => {
  it('are complete with only the roots given', () => {
    const settings = parse(`protect: { roots: [${share}] }`);
    expect(settings.protect).toMatchObject({ roots: [share], extensions: 'all', sensor: 'auto', rescanEveryS: 3600 });
    expect(settings.vault).toEqual({ versions: 4, reserveFree: { percent: 10 } });
    expect(settings).toMatchObject({ dataDir: '/var/lib/kuramori', mode: 'enforce', http: { bind: '127.0.0.1', port: 7600 }, language: 'en' });
    expect(settings.notify.mail).toBeNull();
  });

  it('as `config init` writes them say the defaults', () => {
    const written = parse(defaultSettingsYaml('fs01').replace('/srv/share', share));
    expect(written).toEqual({ ...parse(`protect: { roots: [${share}] }`), host: 'fs01' });
  });

  it.each([
    ['protct: {}', /protct \(line \d\): is not a key.*did you mean 'protect'/u],
    ['vault: { versons: 3 }', /vault\.versons.*did you mean 'versions'/u],
    ['vault: { versions: 0 }', /vault\.versions \(line \d\): 0 is not allowed.*not be less than 1/u],
    ['vault: { reserveFree: lots }', /vault\.reserveFree.*"lots" is not allowed.*10% or a size/u],
    ['mode: panic', /mode.*"panic".*enforce, observe/u],
    ['http: { port: 70000 }', /http\.port.*70000/u],
    ['language: fr', /language.*"fr".*en, ja/u],
    ['notify: { mail: { host: m, from: nobody, to: [] } }', /notify\.mail\.from[\s\S]*notify\.mail\.to/u],
    ['response: { shutdown: true }', /response\.shutdown: is not available/u],
    ['notify: { syslog: { url: "udp://x" } }', /notify\.syslog: is not available/u],
    ['bus: { url: "http://x" }', /bus\.url.*nats:\/\//u],
    ['notify: { mail: { host: h, from: a@b, to: [c@d], password: "${NO_SUCH_VARIABLE}" } }', /NO_SUCH_VARIABLE/u],
    ['notify: { mail: { host: h, from: a@b, to: [c@d], password: "${file:/no/such/file}" } }', /\/no\/such\/file/u],
    ['response: { whitelist: [{ path: relative, reason: x }] }', /response\.whitelist.*absolute/su],
  ])('with %s are refused, naming the key and what is allowed', (rest, text) => {
    expect(problemsOf(withRoots(rest))).toMatch(text);
  });

  it('name all problems at once', () => {
    expect(problemsOf(withRoots('mode: x\nlanguage: y\nunknown: z')).split('\n')).toHaveLength(3);
  });

  it('that are not YAML are refused with the place', () => {
    expect(problemsOf('protect: [')).toMatch(/not YAML/u);
  });

  it('without roots are refused', () => {
    expect(problemsOf('mode: enforce')).toMatch(/protect.*is missing/u);
    expect(problemsOf('protect: { roots: [] }')).toMatch(/protect\.roots/u);
    expect(problemsOf('protect: { roots: [relative/path] }')).toMatch(/absolute/u);
  });

  it('refuse roots that are missing, files, inside each other, or entangled with dataDir, also through a link', () => {
    const file = path.join(scratch, 'file');
    writeFileSync(file, '');
    mkdirSync(path.join(share, 'inner'));
    const link = path.join(scratch, 'link');
    symlinkSync(share, link);
    expect(problemsOf(`protect: { roots: [${scratch}/none] }`)).toMatch(/does not exist/u);
    expect(problemsOf(`protect: { roots: [${file}] }`)).toMatch(/not a directory/u);
    expect(problemsOf(`protect: { roots: [${share}, ${share}/inner] }`)).toMatch(/inside each other/u);
    expect(problemsOf(`dataDir: ${share}/data\nprotect: { roots: [${share}] }`)).toMatch(/dataDir.*lies inside the root/u);
    expect(problemsOf(`dataDir: ${link}/data\nprotect: { roots: [${share}] }`)).toMatch(/dataDir.*lies inside the root/u);
    expect(problemsOf(`dataDir: ${scratch}\nprotect: { roots: [${share}] }`)).toMatch(/lies inside dataDir/u);
  });

  it('take secrets from files and the environment, and name a file that is missing', () => {
    const secret = path.join(scratch, 'secret');
    writeFileSync(secret, 'p4ss\n');
    const { mail } = parse(withRoots(`notify: { mail: { host: m.example, tls: starttls, from: a@b, to: [c@d], user: u, password: "\${file:${secret}}" } }`)).notify;
    expect(mail).toMatchObject({ password: 'p4ss', port: 587, tls: 'starttls' });
    expect(() => loadSettings('/no/such.yaml')).toThrow(/\/no\/such\.yaml.*config init/su);
  });
});
