import { isUtf8 } from 'node:buffer';
import { readFileSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { plainToInstance } from 'class-transformer';
import { getMetadataStorage, validateSync, type ValidationError } from 'class-validator';
import { type Document, isMap, isNode, isPair, isScalar, isSeq, LineCounter, parseDocument, visit } from 'yaml';
import { safeText } from '@kuramori/contracts';
import { checkDirectories, type KeyProblem, realOrResolved } from './directories';
import { checkExclude } from './kept-files';
import { httpPortCount } from './ports';
import type { MailSettings, Settings } from './settings';
import { SettingsDocument } from './settings-document';

/** Everything that is wrong with the settings, each problem one line that names the key. The caller prints them and exits with 2. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  readonly problems: readonly string[];
  constructor(
    readonly file: string,
    problems: readonly string[],
  ) {
    const safe = problems.map(safeLines);
    super(`${safeText(file)}:\n${safe.map((problem) => `  - ${problem}`).join('\n')}`);
    this.problems = safe;
  }
}

/** What is quoted from a file may be anything, control sequences too. */
const safeLines = (text: string) => text.split('\n').map(safeText).join('\n');

const defaultFile = '/etc/kuramori/kuramori.yaml';
const defaultDataDir = '/var/lib/kuramori';
const defaultHttpPort = 7600;
const defaultBusPort = 4222;

/** The file that is read: the one given, else $KURAMORI_CONFIG, else /etc/kuramori/kuramori.yaml. */
export function settingsFile(given?: string): string {
  return path.resolve(given ?? process.env.KURAMORI_CONFIG ?? defaultFile);
}

/**
 * Reads, checks and completes the settings.
 * @throws SettingsError with all problems at once
 */
export function loadSettings(given?: string): Settings {
  const file = settingsFile(given);
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new SettingsError(file, [whyUnreadable(error as NodeJS.ErrnoException, file)]);
  }
  if (!isUtf8(bytes) || bytes.includes(0)) throw new SettingsError(file, ['is no text in UTF-8; --config names another file']);
  return parseSettings(bytes.toString('utf8'), file);
}

function whyUnreadable({ code, message }: NodeJS.ErrnoException, file: string): string {
  if (code === 'EISDIR') return `is a directory; name the file, such as --config ${path.join(file, 'kuramori.yaml')}`;
  const advice = code === 'ENOENT' ? `'kuramori config init ${file}' writes a commented default; ` : '';
  return `can't be read: ${message}. ${advice}--config names another file.`;
}

/** Of a file that is something else entirely every line is wrong, and may be long. */
const maxSyntaxErrors = 5;
const maxSyntaxErrorCharacters = 400;

/** As {@link loadSettings}, of a text; `file` is for messages. */
export function parseSettings(text: string, file: string): Settings {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: true });
  if (document.errors.length > 0)
    throw new SettingsError(
      file,
      document.errors.slice(0, maxSyntaxErrors).map((error) => `is not YAML: ${error.message.trim().slice(0, maxSyntaxErrorCharacters)}`),
    );
  const problems: string[] = [];
  const written = new Map<string, string>();
  visit(document, {
    Pair(_position, pair, ancestors) {
      // class-transformer and class-validator pass over names that every object has, as if they were known.
      if (!isScalar(pair.key) || !(String(pair.key.value) in Object.prototype)) return undefined;
      const name = keyOf([...ancestors, pair], pair.key);
      problems.push(`${name}${lineOf(name)}: is not a key that exists here`);
      return visit.REMOVE;
    },
    Scalar(position, node, ancestors) {
      if (position === 'key' || typeof node.value !== 'string' || !node.value.includes('${')) return;
      const key = keyOf(ancestors, node);
      // Messages show what stands in the file, never the secret that came in its place.
      written.set(key, node.value);
      node.value = resolveSecrets(node.value, (problem) => problems.push(`${key}${lineOf(key)}: ${problem}`));
    },
  });
  const plain = toPlain(document, file);
  if (typeof plain !== 'object' || plain === null || Array.isArray(plain))
    throw new SettingsError(file, ['must hold keys such as protect: and dataDir:']);
  const sections = plainToInstance(SettingsDocument, plain);
  const errors = validateSync(sections, { whitelist: true, forbidNonWhitelisted: true, forbidUnknownValues: false });
  const wrongKeys: string[] = [];
  for (const { key, text: problem } of describe(errors, '', written)) {
    wrongKeys.push(key);
    problems.push(`${key}${lineOf(key)}: ${problem}`);
  }
  const isSound = (key: string) => !wrongKeys.some((wrong) => wrong === key || wrong.startsWith(`${key}.`) || key.startsWith(`${wrong}.`));
  const later = notYetAvailable(sections);
  // What can be checked is checked: an administrator wants to see everything at once.
  const roots = isSound('protect.roots') ? sections.protect.roots : [];
  const dataDir = isSound('dataDir') ? (sections.dataDir ?? defaultDataDir) : undefined;
  const credentials = isSound('bus.credentials') ? (sections.bus?.credentials ?? undefined) : undefined;
  later.push(
    ...checkDirectories(roots, dataDir, credentials),
    ...checkExclude(roots, isSound('protect.exclude') ? (sections.protect.exclude ?? []) : []),
    ...checkRescan(isSound('protect.rescanEvery') ? sections.protect.rescanEvery : undefined),
    ...checkMail(sections, isSound),
    ...checkPorts(sections, isSound),
  );
  for (const { key, text: problem } of later) problems.push(`${key}${lineOf(key)}: ${problem}`);
  if (problems.length > 0) throw new SettingsError(file, problems);
  return complete(sections);

  function lineOf(key: string): string {
    let node: unknown = document.contents;
    let line = '';
    for (const part of key.split('.')) {
      let start: number | undefined;
      if (isMap(node)) {
        const pair = node.items.find((item) => isScalar(item.key) && item.key.value === part);
        if (pair === undefined) break;
        start = isScalar(pair.key) ? pair.key.range?.[0] : undefined;
        node = pair.value;
      } else if (isSeq(node)) {
        node = node.items[Number(part)];
        start = isNode(node) ? (node.range?.[0] ?? undefined) : undefined;
      } else break;
      if (start !== undefined) line = ` (line ${lines.linePos(start).line})`;
    }
    return line;
  }
}

/** Aliases are followed here, and a file that multiplies them without end is refused. */
function toPlain(document: Document.Parsed, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 }) ?? {};
  } catch (error) {
    throw new SettingsError(file, [`can't be used: ${error instanceof Error ? error.message : String(error)}`]);
  }
}

/** `notify.mail.password` of a scalar, from the nodes above it. */
function keyOf(ancestors: readonly unknown[], scalar: unknown): string {
  const steps = ancestors.map((ancestor, index) => {
    if (isPair(ancestor)) return isScalar(ancestor.key) ? String(ancestor.key.value) : '?';
    return isSeq(ancestor) ? String(ancestor.items.indexOf(ancestors[index + 1] ?? scalar)) : '';
  });
  return steps.filter((step) => step !== '').join('.');
}

/** A secret is a line; something larger is a mistake in the path. */
const maxSecretBytes = 65_536;

function resolveSecrets(value: string, problem: (text: string) => void): string {
  return value.replaceAll(/\$\{(file:)?([^}]+)\}/gu, (_match, fromFile: string | undefined, name: string) => {
    if (fromFile === undefined) {
      const found = process.env[name];
      if (found === undefined) problem(`"\${${name}}": the environment has no variable ${name}; set it, or use \${file:/path}`);
      return found ?? '';
    }
    try {
      if (statSync(name).size > maxSecretBytes) throw new Error(`it is larger than ${maxSecretBytes} bytes`);
      return readFileSync(name, 'utf8').replace(/\r?\n$/u, '');
    } catch (error) {
      problem(`"\${file:${name}}": ${error instanceof Error ? error.message : String(error)}; name a file that can be read`);
      return '';
    }
  });
}

/** A pasted certificate must not fill the screen. */
const maxShownCharacters = 120;

function shown(key: string, value: unknown, written: ReadonlyMap<string, string>): string {
  const raw = written.get(key);
  if (raw === undefined && /(^|\.)password$/u.test(key)) return 'what stands there';
  const text = JSON.stringify(raw ?? value);
  return text.length > maxShownCharacters ? `${text.slice(0, maxShownCharacters)}…` : text;
}

function* describe(
  errors: readonly ValidationError[],
  prefix: string,
  written: ReadonlyMap<string, string>,
): Generator<{ key: string; text: string }> {
  for (const error of errors) {
    const key = prefix === '' ? error.property : `${prefix}.${error.property}`;
    const constraints = error.constraints ?? {};
    if ('whitelistValidation' in constraints) {
      const known = keysOf(error.target);
      yield { key, text: `is not a key that exists here${suggestion(error.property, known)}; known are ${known.join(', ')}` };
    } else if (Object.keys(constraints).length > 0) {
      // The rule that stands first beside the key: class-validator lists them from the last to the first.
      const value = error.value === undefined ? 'is missing' : `${shown(key, error.value, written)} is not allowed`;
      yield { key, text: `${value}: ${Object.values(constraints).at(-1)}` };
    }
    yield* describe(error.children ?? [], key, written);
  }
}

function keysOf(target: object | undefined): string[] {
  if (target === undefined) return [];
  const metadata = getMetadataStorage().getTargetValidationMetadatas(target.constructor, '', false, false);
  return [...new Set(metadata.map(({ propertyName }) => propertyName))].sort();
}

/** The known key with the fewest edits (Levenshtein), where it is near enough to be meant. */
function suggestion(key: string, known: readonly string[]): string {
  const distances = known
    .map((candidate) => ({ candidate, edits: editDistance(key.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits);
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
  // Without a word about it nothing travels in the clear.
  const tls = section.tls === true ? 'tls' : section.tls === false ? 'none' : (section.tls ?? (section.port === 465 ? 'tls' : 'starttls'));
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
  const dataDir = realOrResolved(document.dataDir ?? defaultDataDir);
  const { protect, vault, detection, response, notify, bus, http } = document;
  return {
    host: document.host ?? hostname(),
    dataDir,
    mode: document.mode ?? 'enforce',
    protect: {
      roots: protect.roots.map((root) => realOrResolved(root)),
      extensions:
        protect.extensions === undefined || protect.extensions === 'all'
          ? 'all'
          : protect.extensions.map((extension) => extension.toLowerCase().replace(/^\./u, '')),
      exclude: protect.exclude ?? [],
      sensor: protect.sensor ?? 'auto',
      guard: {
        enabled: protect.guard?.enabled ?? true,
        deadlineMs: protect.guard?.deadlineMs ?? 2000,
        onDeadline: protect.guard?.onDeadline ?? 'allow',
      },
      rescanEveryS: seconds(protect.rescanEvery ?? '1h'),
    },
    vault: { versions: vault?.versions ?? 4, reserveFree: reserve(vault?.reserveFree ?? '10%') },
    detection: { sensitivity: detection?.sensitivity ?? 'normal' },
    response: {
      suspend: response?.suspend ?? true,
      kill: response?.kill ?? true,
      quarantine: response?.quarantine ?? true,
      restore: response?.restore ?? true,
      whitelist: (response?.whitelist ?? []).map(({ path: program, sha256, reason }) => ({
        path: program,
        ...(sha256 === undefined ? {} : { sha256 }),
        reason,
      })),
    },
    notify: { mail: mailSettings(notify?.mail) },
    bus: { url: bus?.url ?? null, credentials: bus?.credentials ?? path.join(dataDir, 'bus', 'credentials'), port: bus?.port ?? defaultBusPort },
    http: { bind: http?.bind ?? '127.0.0.1', port: http?.port ?? defaultHttpPort },
    language: document.language ?? 'en',
  };
}

/** Keys that later versions bring: accepted as they are by default, refused when switched on, so that nobody believes to be protected by them. */
function notYetAvailable({ vault, response, bootSector, notify, protect }: Partial<SettingsDocument>): KeyProblem[] {
  const switches: [string, unknown][] = [
    ['vault.replica', vault?.replica],
    ['response.disconnectNetwork', response?.disconnectNetwork],
    ['response.shutdown', response?.shutdown],
    ['bootSector.guard', bootSector?.guard],
    ['notify.syslog', notify?.syslog],
    ['notify.webhook', Array.isArray(notify?.webhook) && notify.webhook.length === 0 ? null : notify?.webhook],
    ['protect.sensor', protect?.sensor === 'windows' ? 'windows' : null],
  ];
  return switches
    .filter(([, value]) => value !== undefined && value !== null && value !== false)
    .map(([key]) => ({ key, text: 'is not available in this version yet; leave it out or switch it off' }));
}

/** Each comparison reads every directory of the share. A timer of more than 24 days would ring at once (setTimeout takes 2^31 ms). */
const rescanBounds = { leastS: 60, mostS: 24 * 86_400 };

function checkRescan(given: string | undefined): KeyProblem[] {
  if (given === undefined) return [];
  const { leastS, mostS } = rescanBounds;
  if (seconds(given) >= leastS && seconds(given) <= mostS) return [];
  return [{ key: 'protect.rescanEvery', text: `${JSON.stringify(given)} is not allowed: must be from 1m to 24d, such as 1h` }];
}

function checkMail({ notify }: SettingsDocument, isSound: (key: string) => boolean): KeyProblem[] {
  const mail = notify?.mail ?? undefined;
  if (mail === undefined || !isSound('notify.mail')) return [];
  const [user, password] = [mail.user ?? undefined, mail.password ?? undefined];
  return (user === undefined) === (password === undefined)
    ? []
    : [{ key: 'notify.mail', text: `has ${user === undefined ? 'a password but no user' : 'a user but no password'}; give both or neither` }];
}

function checkPorts({ http, bus }: SettingsDocument, isSound: (key: string) => boolean): KeyProblem[] {
  if (!isSound('http.port') || !isSound('bus.port') || (bus?.url ?? null) !== null) return [];
  const first = http?.port ?? defaultHttpPort;
  const busPort = bus?.port ?? defaultBusPort;
  if (busPort < first || busPort >= first + httpPortCount) return [];
  return [{ key: 'bus.port', text: `${busPort} is one of ${first} to ${first + httpPortCount - 1}, which http.port stands for; choose another` }];
}
