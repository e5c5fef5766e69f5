/** The files of Kuramori's own nats-server: configuration and one credential file per role. */
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { inboxPrefixOf, permissionsOf, type RoleName, roleNames } from './roles';

export interface ServerFilesOptions {
  readonly dataDir: string;
  /** Directory of `<role>.json`. */
  readonly credentials: string;
  /** Loopback port. */
  readonly port: number;
  /** The one host that the server serves. */
  readonly host: string;
}

/** Streams are declared with 4.75 GiB in all; the server's own limit stands above them. */
const fileStoreBytes = 6 * 1024 ** 3;
const memoryStoreBytes = 64 * 1024 ** 2;
/** For replies: an undo's report names every file. What goes into streams is kept below nats-server's default of 1 MiB (maxMessageBytes). */
export const maxPayloadBytes = 8 * 1024 ** 2;

const quote = (text: string) => JSON.stringify(text);
const list = (subjects: readonly string[]) => `[${subjects.map(quote).join(', ')}]`;

function userBlock(role: RoleName, host: string, password: string): string {
  const { publish, subscribe, allowResponses } = permissionsOf(role, host);
  const publishing = publish.length === 0 ? `{ deny: [">"] }` : `{ allow: ${list(publish)} }`;
  return `      { user: ${quote(role)}, password: ${password}, permissions: { publish: ${publishing}, subscribe: { allow: ${list(subscribe)} }${allowResponses ? ', allow_responses: true' : ''} } }`;
}

/**
 * The text of nats-server.conf. Users stand in an account of their own: an `authorization` block beside only a $SYS account would let anyone in on servers
 * before the fix of CVE-2023-47090 (rules.md 21). `passwordOf` gives each role's password as it shall stand in the file (quoted, or a $VARIABLE);
 * without `host` it serves any.
 */
export function serverConfiguration(options: {
  readonly port: number;
  readonly bind: string;
  readonly storeDir: string;
  readonly host?: string;
  readonly passwordOf: (role: RoleName) => string;
}): string {
  return `# Written by kuramori; changes are lost at the next start.
server_name: kuramori
listen: ${quote(`${options.bind}:${options.port}`)}
max_payload: ${maxPayloadBytes}
# A slow reader must not be cut off while a storm is on.
write_deadline: "10s"
jetstream {
  store_dir: ${quote(options.storeDir)}
  max_memory_store: ${memoryStoreBytes}
  max_file_store: ${fileStoreBytes}
}
accounts {
  KURAMORI {
    jetstream: enabled
    users: [
${roleNames.map((role) => userBlock(role, options.host ?? '*', options.passwordOf(role))).join(',\n')}
    ]
  }
}
`;
}

function writePrivately(file: string, text: string): void {
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, file);
}

/** The variable that holds a role's password in a configuration without secrets (docker/nats-server.conf). */
export function passwordVariable(role: RoleName): string {
  return `KURAMORI_${role.toUpperCase()}_PASSWORD`;
}

/**
 * One credential file per role; passwords are made once and kept. Safe to call again.
 * @returns each role's password
 */
function writeCredentials(directory: string, url: string): Map<RoleName, string> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  chmodSync(directory, 0o700);
  const passwords = new Map<RoleName, string>();
  for (const role of roleNames) {
    const file = path.join(directory, `${role}.json`);
    const known = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { password?: string }).password : undefined;
    const password = known ?? randomBytes(24).toString('base64url');
    passwords.set(role, password);
    writePrivately(file, `${JSON.stringify({ url, user: role, password, inboxPrefix: inboxPrefixOf(role) }, undefined, 2)}\n`);
  }
  return passwords;
}

/**
 * For a nats-server that somebody else starts: credentials, and `bus.env` with the passwords under the names that a configuration without secrets uses. Safe to call again.
 * @returns the path of bus.env
 */
export function writeForeignServerFiles(directory: string, url: string): string {
  const passwords = writeCredentials(directory, url);
  const environment = path.join(directory, 'bus.env');
  writePrivately(environment, [...passwords].map(([role, password]) => `${passwordVariable(role)}=${password}\n`).join(''));
  return environment;
}

/**
 * Makes what the own nats-server needs. Safe to call at each start.
 * @returns the configuration file for `nats-server --config`
 */
export function writeServerFiles(options: ServerFilesOptions): string {
  const busDir = path.join(options.dataDir, 'bus');
  mkdirSync(busDir, { recursive: true, mode: 0o700 });
  chmodSync(busDir, 0o700);
  const passwords = writeCredentials(options.credentials, `nats://127.0.0.1:${options.port}`);
  const configuration = path.join(busDir, 'nats-server.conf');
  writePrivately(
    configuration,
    serverConfiguration({
      port: options.port,
      bind: '127.0.0.1',
      storeDir: path.join(busDir, 'jetstream'),
      host: options.host,
      passwordOf: (role) => quote(passwords.get(role) ?? ''),
    }),
  );
  return configuration;
}
