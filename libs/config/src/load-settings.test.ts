import 'reflect-metadata';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import Ajv from 'ajv';
import { parse as parseYaml } from 'yaml';
import { defaultSettingsYaml, loadSettings, parseSettings, SettingsError, settingsJsonSchema } from '.';

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
    ['vault: { reserveFree: lots }', /vault\.reserveFree.*"lots" is not allowed.*10%.* or a size/u],
    ['mode: panic', /mode.*"panic".*enforce, observe/u],
    ['http: { port: 70000 }', /http\.port.*70000/u],
    ['language: fr', /language.*"fr".*en, ja/u],
    ['notify: { mail: { host: m, from: nobody, to: [] } }', /notify\.mail\.from[\s\S]*notify\.mail\.to/u],
    ['response: { shutdown: true }', /response\.shutdown \(line 4\): is not available/u],
    ['notify: { syslog: { url: "udp://x" } }', /notify\.syslog \(line 4\): is not available/u],
    ['bus: { url: "http://x" }', /bus\.url.*nats:\/\//u],
    ['notify: { mail: { host: h, from: a@b, to: [c@d], password: "${NO_SUCH_VARIABLE}" } }', /NO_SUCH_VARIABLE/u],
    ['notify: { mail: { host: h, from: a@b, to: [c@d], password: "${file:/no/such/file}" } }', /\/no\/such\/file/u],
    ['response: { whitelist: [{ path: relative, reason: x }] }', /response\.whitelist.*absolute/su],
    ['vault: { replica: { bucket: b } }', /vault\.replica \(line 4\): is not available/u],
    ['bootSector: { guard: true }', /bootSector\.guard \(line 4\): is not available/u],
    ['notify: { webhook: [{ url: "https://x" }] }', /notify\.webhook \(line 4\): is not available/u],
    ['http: { bind: nowhere }', /http\.bind.*"nowhere".*IP address/u],
    ['http: { port: 7600 }\nbus: { port: 7603 }', /bus\.port \(line 5\): 7603 is one of 7600 to 7605/u],
    ['notify: { mail: { host: h, from: a@b, to: [c@d], user: u } }', /notify\.mail \(line 4\): has a user but no password/u],
    ['notify: { mail: { host: h, from: a@b, to: [c@d, nobody] } }', /notify\.mail\.to/u],
    ['vault: { reserveFree: 100% }', /vault\.reserveFree \(line 4\): "100%" is not allowed: .*at most 90%/u],
    ['vault: { reserveFree: 91% }', /vault\.reserveFree.*at most 90%/u],
    ['http: { port: "7600" }', /^http\.port \(line 4\): "7600" is not allowed: port must be an integer number$/u],
    ['http: 7600', /^http \(line 4\): 7600 is not allowed: [^;]*object/u],
    ['host: "a.b*>"', /host \(line 4\): "a\.b\*>" is not allowed: .*letters a-z, digits/u],
    ['host: two words', /host.*"two words"/u],
    ['constructor: 1', /^constructor \(line 4\): is not a key/u],
    ['__proto__: { mode: panic }', /^__proto__ \(line 4\): is not a key/u],
    ['vault: { hasOwnProperty: 1 }', /^vault\.hasOwnProperty \(line 4\): is not a key/u],
    ['bus: { credentials: /etc/passwd }', /^bus\.credentials \(line 4\): \/etc\/passwd is not a directory/u],
    [
      'response: { whitelist: [{ path: /a, reason: x }, { path: /b, reason: x, sha256: short }] }',
      /response\.whitelist\.1\.sha256 \(line 4\): "short".*64/u,
    ],
  ])('with %s are refused, naming the key and what is allowed', (rest, text) => {
    expect(problemsOf(withRoots(rest))).toMatch(text);
  });

  it.each([
    ['extensions: []', /protect\.extensions \(line 4\): \[\] is not allowed: an empty list keeps nothing/u],
    ['extensions: ["*.docx"]', /protect\.extensions.*such as docx/u],
    ['exclude: [""]', /protect\.exclude \(line 4\): .*must not be empty/u],
    ['exclude: ["["]', /protect\.exclude \(line 4\): "\[" is not a pattern/u],
    ['exclude: ["**"]', /protect\.exclude \(line 4\): \["\*\*"\] leaves out everything/u],
    ['exclude: ["/**"]', /leaves out everything/u],
    ['exclude: ["*", "*/**"]', /leaves out everything/u],
    ['rescanEvery: 0s', /protect\.rescanEvery \(line 4\): "0s" is not allowed: must be from 1m to 24d/u],
    ['rescanEvery: 59s', /rescanEvery.*from 1m/u],
    ['rescanEvery: 25d', /rescanEvery.*to 24d/u],
  ])('with protect: %s are refused, naming the key and what is allowed', (line, text) => {
    expect(problemsOf(`dataDir: ${scratch}/data\nprotect:\n  roots: [${share}]\n  ${line}`)).toMatch(text);
  });

  it('take what is near to what is refused', () => {
    const settings = parse(
      withRoots('  exclude: ["**/*.iso", "*"]\n  rescanEvery: 1m\n  extensions: [.DOCX]\nvault: { reserveFree: 90% }\nhost: fs-01_a.example'),
    );
    expect(settings).toMatchObject({
      host: 'fs-01_a.example',
      protect: { exclude: ['**/*.iso', '*'], rescanEveryS: 60, extensions: ['docx'] },
      vault: { reserveFree: { percent: 90 } },
    });
  });

  it('that have the wrong type say that and nothing else', () => {
    for (const roots of ['null', 'text', '7'])
      expect(problemsOf(`protect: { roots: ${roots} }`)).toMatch(/^protect\.roots \(line 1\): [^:]* is not allowed: roots must be an array$/u);
  });

  it('refuse what the kernel shows of itself, wherever it is mounted, as a root and for dataDir', () => {
    for (const root of ['/proc', '/proc/self', '/sys/kernel', '/dev', '/dev/shm'])
      expect(problemsOf(`protect: { roots: [${root}] }`)).toMatch(/protect\.roots \(line 1\): .* is a filesystem of the system/u);
    const link = path.join(scratch, 'link');
    symlinkSync('/proc/sys', link);
    expect(problemsOf(`protect: { roots: [${link}] }`)).toMatch(/\/proc\/sys is a filesystem of the system/u);
    for (const dataDir of ['/proc/kuramori', '/sys/kuramori', '/dev/shm/kuramori'])
      expect(problemsOf(`dataDir: ${dataDir}\nprotect: { roots: [${share}] }`)).toMatch(/dataDir \(line 1\): .*filesystem of the system/u);
  });

  it('refuse a dataDir behind a link that leads nowhere', () => {
    const link = path.join(scratch, 'link');
    symlinkSync(path.join(scratch, 'nowhere'), link);
    for (const dataDir of [link, `${link}/data`])
      expect(problemsOf(`dataDir: ${dataDir}\nprotect: { roots: [${share}] }`)).toMatch(/dataDir \(line 1\): .*a link that leads nowhere/u);
  });

  it('that are no text or a directory are refused in a few lines that a terminal survives', () => {
    const file = path.join(scratch, 'binary');
    writeFileSync(file, readFileSync(process.execPath).subarray(0, 20_000));
    const messageOf = (name: string) => {
      try {
        loadSettings(name);
      } catch (error) {
        if (error instanceof SettingsError) return error.message;
      }
      throw new Error('no error');
    };
    expect(messageOf(file)).toMatch(/is no text in UTF-8/u);
    writeFileSync(file, 'mode: \u001b[2J }\nhost: "\u001b]0;x\u0007'.repeat(2000));
    expect(messageOf(file)).toMatch(/is not YAML.*\\x1b/su);
    expect(messageOf(file)).not.toMatch(/[^\P{Cc}\n]/u);
    expect(messageOf(file).length).toBeLessThan(5000);
    expect(messageOf(scratch)).toMatch(/is a directory; name the file/u);
    expect(messageOf(scratch)).not.toContain('config init');
  });

  it('name all problems at once', () => {
    expect(problemsOf(withRoots('mode: x\nlanguage: y\nunknown: z')).split('\n')).toHaveLength(3);
    const mixed = problemsOf(
      `mode: x\nresponse: { shutdown: true }\nprotect: { roots: [/no/such] }\nnotify: { mail: { host: h, from: a@b, to: [c@d], password: "\${NOPE}" } }`,
    );
    for (const key of ['mode (line 1)', 'response.shutdown (line 2)', 'protect.roots (line 3)', 'notify.mail.password (line 4)'])
      expect(mixed).toContain(key);
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
    const { mail } = parse(
      withRoots(`notify: { mail: { host: m.example, tls: starttls, from: a@b, to: [c@d], user: u, password: "\${file:${secret}}" } }`),
    ).notify;
    expect(mail).toMatchObject({ password: 'p4ss', port: 587, tls: 'starttls' });
    expect(() => loadSettings('/no/such.yaml')).toThrow(/\/no\/such\.yaml.*config init/su);
  });

  it('never show a secret, only what stands in the file', () => {
    const secret = path.join(scratch, 'secret');
    writeFileSync(secret, 'p4ss\n');
    const text = problemsOf(withRoots(`notify: { mail: { host: h, from: "\${file:${secret}}", to: [c@d], password: 4711 } }`));
    expect(text).toMatch(/notify\.mail\.from.*\$\{file:/u);
    expect(text).toMatch(/notify\.mail\.password/u);
    expect(text).not.toMatch(/p4ss|4711/u);
  });

  it('without a word about encryption send no mail in the clear', () => {
    const mail = (rest: string) => parse(withRoots(`notify: { mail: { host: h, from: a@b, to: [c@d]${rest} } }`)).notify.mail;
    expect(mail('')).toMatchObject({ tls: 'starttls', port: 587 });
    expect(mail(', port: 465')).toMatchObject({ tls: 'tls', port: 465 });
    expect(mail(', tls: true')).toMatchObject({ tls: 'tls', port: 465 });
    expect(mail(', tls: false')).toMatchObject({ tls: 'none', port: 25 });
  });

  it('name real directories, whatever links lead there', () => {
    const link = path.join(scratch, 'link');
    symlinkSync(scratch, link);
    const settings = parse(`dataDir: ${link}/data\nprotect: { roots: [${link}/share] }`);
    expect(settings.protect.roots).toEqual([share]);
    expect(settings.dataDir).toBe(path.join(scratch, 'data'));
  });

  it('accept what later versions bring as long as it is off', () => {
    expect(() =>
      parse(
        withRoots(
          'vault: { replica: null }\nresponse: { blockClient: { for: 8h }, disconnectNetwork: false, shutdown: false }\nbootSector: { guard: false }\nnotify: { mail: null, syslog: null, webhook: [] }\ndetection: { sensitivity: high }',
        ),
      ),
    ).not.toThrow();
  });

  it('have a JSON Schema that takes the default file and refuses what loading refuses', async () => {
    const schema = await settingsJsonSchema();
    const validate = new Ajv({ strict: false, allErrors: true }).compile(schema);
    const valid = (text: string) => validate(parseYaml(text));
    expect(valid(defaultSettingsYaml('fs01')), JSON.stringify(validate.errors)).toBe(true);
    expect(valid('protect: { roots: [/srv], extensions: [docx] }'), JSON.stringify(validate.errors)).toBe(true);
    for (const text of [
      'mode: enforce',
      'protect: { roots: [] }',
      'protect: { roots: [/srv] }\nmode: panic',
      'protct: {}',
      'protect: { roots: [/srv] }\nvault: { versions: 0 }',
    ]) {
      expect(valid(text), text).toBe(false);
    }
  });
});
