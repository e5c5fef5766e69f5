import { readFileSync, realpathSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { plainToInstance } from 'class-transformer';
import { getMetadataStorage, validateSync, type ValidationError } from 'class-validator';
import { isMap, isScalar, LineCounter, parseDocument, visit } from 'yaml';
import type { MailSettings, Settings } from './settings';
import { SettingsDocument } from './settings-document';

/** Everything that is wrong with the settings, each problem one line that names the key. The caller prints them and exits with 2. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  constructor(
    readonly file: string,
    readonly problems: readonly string[],
  ) {
    super(`${file}:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
  }
}

const defaultFile = '/etc/kuramori/kuramori.yaml';
const defaultDataDir = '/var/lib/kuramori';

/** The file that is read: the one given, else $KURAMORI_CONFIG, else /etc/kuramori/kuramori.yaml. */
export function settingsFile(given?: string): string {
  return path.resolve(given ?? process.env['KURAMORI_CONFIG'] ?? defaultFile);
}

/**
 * Reads, checks and completes the settings.
 * @throws SettingsError with all problems at once
 */
export function loadSettings(given?: string): Settings {
  const file = settingsFile(given);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new SettingsError(file, [`can't be read: ${error instanceof Error ? error.message : String(error)}. 'kuramori config init > ${file}' writes a commented default; --config names another file.`]);
  }
  return parseSettings(text, file);
}

/** As {@link loadSettings}, of a text; `file` is for messages. */
export function parseSettings(text: string, file: string): Settings {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: true });
  if (document.errors.length > 0) throw new SettingsError(file, document.errors.map((error) => `is not YAML: ${error.message.trim()}`));
  const problems: string[] = [];
  visit(document, {
    Scalar(key, node) {
      if (key === 'key' || typeof node.value !== 'string') return;
      node.value = resolveSecrets(node.value, problems);
    },
  });
  const plain: unknown = document.toJS() ?? {};
  const lineOf = (key: string): string => {
    let node: unknown = document.contents;
    let line = '';
    for (const part of key.split('.')) {
      if (!isMap(node)) break;
      const pair = node.items.find((item) => isScalar(item.key) && item.key.value === part);
      if (pair === undefined) break;
      const start = isScalar(pair.key) ? pair.key.range?.[0] : undefined;
      if (start !== undefined) line = ` (line ${lines.linePos(start).line})`;
      node = pair.value;
    }
    return line;
  };
  if (typeof plain !== 'object' || plain === null || Array.isArray(plain)) throw new SettingsError(file, ['must hold keys such as protect: and dataDir:']);
  const sections = plainToInstance(SettingsDocument, plain);
  const errors = validateSync(sections, { whitelist: true, forbidNonWhitelisted: true, forbidUnknownValues: false });
  for (const { key, text: problem } of describe(errors, '')) problems.push(`${key}${lineOf(key)}: ${problem}`);
  if (problems.length > 0) throw new SettingsError(file, problems);
  const settings = complete(sections);
  problems.push(...notYetAvailable(sections), ...checkDirectories(settings));
  if (problems.length > 0) throw new SettingsError(file, problems);
  return settings;
}

function resolveSecrets(value: string, problems: string[]): string {
  return value.replaceAll(/\$\{(file:)?([^}]+)\}/gu, (_match, fromFile: string | undefined, name: string) => {
    if (fromFile === undefined) {
      const found = process.env[name];
      if (found === undefined) problems.push(`\${${name}}: the environment has no variable ${name}`);
      return found ?? '';
    }
    try {
      return readFileSync(name, 'utf8').trimEnd();
    } catch (error) {
      problems.push(`\${file:${name}}: ${error instanceof Error ? error.message : String(error)}`);
      return '';
    }
  });
}

function* describe(errors: readonly ValidationError[], prefix: string): Generator<{ key: string; text: string }> {
  for (const error of errors) {
    const key = prefix === '' ? error.property : `${prefix}.${error.property}`;
    const constraints = error.constraints ?? {};
    if ('whitelistValidation' in constraints) {
      const known = keysOf(error.target);
      yield { key, text: `is not a key that exists here${suggestion(error.property, known)}; known are ${known.join(', ')}` };
    } else {
      const value = error.value === undefined ? 'is missing' : `${JSON.stringify(error.value)} is not allowed`;
      for (const text of Object.values(constraints)) yield { key, text: `${value}: ${text.startsWith(error.property) ? text : text}` };
    }
    yield* describe(error.children ?? [], key);
  }
}

function keysOf(target: object | undefined): string[] {
  if (target === undefined) return [];
  const metadata = getMetadataStorage().getTargetValidationMetadatas(target.constructor, '', false, false);
  return [...new Set(metadata.map(({ propertyName }) => propertyName))].sort();
}

/** The known key with the fewest edits (Levenshtein), where it is near enough to be meant. */
function suggestion(key: string, known: readonly string[]): string {
  const distances = known.map((candidate) => ({ candidate, edits: editDistance(key.toLowerCase(), candidate.toLowerCase()) })).sort((a, b) => a.edits - b.edits);
  const [best] = distances;
  return best !== undefined && best.edits <= Math.max(2, key.length / 3) ? `, did you mean '${best.candidate}'?` : '';
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

const unitSeconds: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 };
const unitBytes: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 };

function seconds(text: string): number {
  const [, count = '0', unit = 's'] = /^(\d+)(\w+)$/u.exec(text) ?? [];
  return Number(count) * (unitSeconds[unit] ?? 1);
}

function reserve(text: string): Settings['vault']['reserveFree'] {
  if (text.endsWith('%')) return { percent: Number(text.slice(0, -1)) };
  const [, count = '0', unit = 'B'] = /^([\d.]+)\s?(\w+)$/u.exec(text) ?? [];
  return { bytes: Math.round(Number(count) * (unitBytes[unit] ?? 1)) };
}

function mailSettings(section: NonNullable<SettingsDocument['notify']>['mail']): MailSettings | null {
  if (section === undefined || section === null) return null;
  const tls = section.tls === true ? 'tls' : section.tls === false || section.tls === undefined ? 'none' : section.tls;
  return {
    host: section.host,
    port: section.port ?? (tls === 'tls' ? 465 : tls === 'starttls' ? 587 : 25),
    tls,
    allowSelfSigned: section.allowSelfSigned ?? false,
    user: section.user ?? null,
    password: section.password ?? null,
    from: section.from,
    to: section.to,
  };
}

function complete(document: SettingsDocument): Settings {
  const dataDir = path.resolve(document.dataDir ?? defaultDataDir);
  const { protect, vault, detection, response, notify, bus, http } = document;
  return {
    host: document.host ?? hostname(),
    dataDir,
    mode: document.mode ?? 'enforce',
    protect: {
      roots: protect.roots.map((root) => realOrResolved(root)),
      extensions: protect.extensions === undefined || protect.extensions === 'all' ? 'all' : protect.extensions.map((extension) => extension.toLowerCase().replace(/^\./u, '')),
      exclude: protect.exclude ?? ['**/~$*', '**/.git/objects/**'],
      sensor: protect.sensor ?? 'auto',
      guard: { enabled: protect.guard?.enabled ?? true, deadlineMs: protect.guard?.deadlineMs ?? 2000, onDeadline: protect.guard?.onDeadline ?? 'allow' },
      rescanEveryS: seconds(protect.rescanEvery ?? '1h'),
    },
    vault: { versions: vault?.versions ?? 4, reserveFree: reserve(vault?.reserveFree ?? '10%') },
    detection: { sensitivity: detection?.sensitivity ?? 'normal' },
    response: {
      suspend: response?.suspend ?? true,
      kill: response?.kill ?? true,
      quarantine: response?.quarantine ?? true,
      restore: response?.restore ?? true,
      whitelist: (response?.whitelist ?? []).map(({ path: program, sha256, reason }) => ({ path: program, ...(sha256 === undefined ? {} : { sha256 }), reason })),
    },
    notify: { mail: mailSettings(notify?.mail) },
    bus: { url: bus?.url ?? null, credentials: bus?.credentials ?? path.join(dataDir, 'bus', 'credentials'), port: bus?.port ?? 4222 },
    http: { bind: http?.bind ?? '127.0.0.1', port: http?.port ?? 7600 },
    language: document.language ?? 'en',
  };
}

/** Symbolic links resolved as far as the path exists: the kernel reports real paths. */
function realOrResolved(directory: string): string {
  const absolute = path.resolve(directory);
  try {
    return realpathSync(absolute);
  } catch {
    const parent = path.dirname(absolute);
    return parent === absolute ? absolute : path.join(realOrResolved(parent), path.basename(absolute));
  }
}

/** Keys that later versions bring: accepted as they are by default, refused when switched on, so that nobody believes to be protected by them. */
function notYetAvailable(document: SettingsDocument): string[] {
  const on: [string, boolean][] = [
    ['vault.replica', document.vault?.replica !== undefined && document.vault.replica !== null],
    ['response.disconnectNetwork', document.response?.disconnectNetwork === true],
    ['response.shutdown', document.response?.shutdown === true],
    ['bootSector.guard', document.bootSector?.guard === true],
    ['notify.syslog', document.notify?.syslog !== undefined && document.notify.syslog !== null],
    ['notify.webhook', (document.notify?.webhook ?? []).length > 0],
    ['protect.sensor', document.protect.sensor === 'windows'],
  ];
  return on.filter(([, active]) => active).map(([key]) => `${key}: is not available in this version yet; leave it out or switch it off`);
}

const isInside = (inner: string, outer: string) => inner === outer || inner.startsWith(outer === '/' ? '/' : `${outer}/`);

function checkDirectories(settings: Settings): string[] {
  const problems: string[] = [];
  const dataDir = realOrResolved(settings.dataDir);
  const { roots } = settings.protect;
  for (const [index, root] of roots.entries()) {
    const stat = statSync(root, { throwIfNoEntry: false });
    if (stat === undefined) problems.push(`protect.roots: ${root} does not exist; make the directory or correct the path`);
    else if (!stat.isDirectory()) problems.push(`protect.roots: ${root} is not a directory; name the directory that holds it`);
    if (root === '/') problems.push('protect.roots: / can not be protected as a whole; name the directories that hold documents');
    if (isInside(root, dataDir)) problems.push(`protect.roots: ${root} lies inside dataDir ${dataDir}; the vault would have to keep itself. Choose another place for one of them`);
    else if (isInside(dataDir, root)) problems.push(`dataDir: ${dataDir} lies inside the root ${root} (protect.roots); whoever attacks the share would reach the vault. Choose another place for dataDir`);
    for (const other of roots.slice(0, index)) {
      if (isInside(root, other) || isInside(other, root)) problems.push(`protect.roots: ${root} and ${other} lie inside each other; name the outer one only`);
    }
  }
  return problems;
}
