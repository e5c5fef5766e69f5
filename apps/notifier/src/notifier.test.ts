import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { MailSettings } from '@kuramori/config';
import { InvalidMessageError } from '@kuramori/contracts';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import sqlite3 from 'sqlite3';
import { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { messageIdOf } from './channels/mail/mail-channel';
import { Notifier } from './notifier';
import { eventOf, incidentId, incidentOf, stages } from './testing/incidents';

interface Received {
  readonly raw: string;
  readonly user: string | undefined;
  readonly secure: boolean;
  readonly to: readonly string[];
}

const settle = { openedMs: 0, overMs: 0 };
const retry = { firstMs: 20, lastMs: 100, giveUpMs: 60_000 };
const waitMs = { timeout: 10_000, interval: 5 };

let directory: string;
let received: Received[];
const servers: SMTPServer[] = [];
const notifiers: Notifier[] = [];

let certificate: { key: string; cert: string };
let certificateDirectory: string;

beforeAll(() => {
  certificateDirectory = mkdtempSync(path.join(tmpdir(), 'kuramori-certificate-'));
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => path.join(certificateDirectory, name)) as [string, string];
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-keyout',
      key,
      '-out',
      cert,
      '-days',
      '2',
      '-subj',
      '/CN=127.0.0.1',
    ],
    { stdio: 'ignore' },
  );
  certificate = { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
});
afterAll(() => rmSync(certificateDirectory, { recursive: true, force: true }));

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'kuramori-notifier-'));
  received = [];
});
afterEach(async () => {
  for (const notifier of notifiers.splice(0)) await notifier.stop();
  for (const server of servers.splice(0)) await stopServer(server);
  rmSync(directory, { recursive: true, force: true });
});

async function stopServer(server: SMTPServer): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(resolve);
  });
}

/** A real SMTP server that keeps what it gets; with a self-signed certificate. */
async function smtp(options: SMTPServerOptions = {}, port = 0): Promise<number> {
  const server = new SMTPServer({
    ...certificate,
    authOptional: true,
    onData(stream, session, callback) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        received.push({
          raw: Buffer.concat(chunks).toString('utf8'),
          user: session.user as string | undefined,
          secure: session.secure,
          to: session.envelope.rcptTo.map(({ address }) => address),
        });
        callback();
      });
    },
    ...options,
  });
  server.on('error', () => undefined); // clients that give the connection up because of the certificate
  await new Promise<void>((resolve) => {
    server.listen(port, '127.0.0.1', resolve);
  });
  servers.push(server);
  return (server.server.address() as AddressInfo).port;
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => {
    probe.listen(0, '127.0.0.1', resolve);
  });
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => {
    probe.close(resolve);
  });
  return port;
}

async function start(port: number, change: Partial<MailSettings> = {}): Promise<Notifier> {
  const mail: MailSettings = {
    host: '127.0.0.1',
    port,
    tls: 'none',
    allowSelfSigned: false,
    user: null,
    password: null,
    from: 'kuramori@example.org',
    to: ['admin@example.org'],
    ...change,
  };
  const notifier = await Notifier.start({
    settings: { host: 'fs01', language: 'en', notify: { mail } },
    databaseFile: path.join(directory, 'notifier.sqlite'),
    settle,
    retry,
  });
  notifiers.push(notifier);
  return notifier;
}

/** A header's value, unfolded (RFC 5322 2.2.3). */
const header = (mail: Received | undefined, name: string) =>
  new RegExp(`^${name}:(.*(?:\\r\\n[ \\t].*)*)`, 'imu')
    .exec(mail?.raw ?? '')?.[1]
    ?.replaceAll(/\r\n/gu, '')
    .trim();
const all = [stages.opened(), stages.contained(), { ...stages.contained() }, stages.restored(), stages.closed()];

describe('mail about an incident', () => {
  it('is one when it opens and one when it is over, also when every event comes twice', async () => {
    const notifier = await start(await smtp());
    for (const incident of all) {
      const event = eventOf(incident);
      await notifier.onEvent(event);
      await notifier.onEvent(event);
      if (incident.state === 'opened') await expect.poll(() => received.length, waitMs).toBe(1);
    }
    await expect.poll(async () => (await notifier.figures()).sent, waitMs).toBe(2);
    expect(received.map((mail) => header(mail, 'Message-ID'))).toEqual([
      messageIdOf(incidentId, 'opened', 'fs01'),
      messageIdOf(incidentId, 'over', 'fs01'),
    ]);
    expect(header(received[1], 'In-Reply-To')).toBe(messageIdOf(incidentId, 'opened', 'fs01'));
    expect(header(received[0], 'Subject')).toContain('fs01: attack on files by bash (user alice)');
    expect(header(received[0], 'Auto-Submitted')).toBe('auto-generated');
    expect(received[0]?.raw).toContain('multipart/alternative');
    expect(await notifier.figures()).toEqual({ waiting: 0, sent: 2, refused: 0, problems: [] });
  });

  it('is none for a warning', async () => {
    const notifier = await start(await smtp());
    await notifier.onEvent(eventOf(incidentOf({ severity: 'low' })));
    await notifier.onEvent(eventOf(incidentOf({ severity: 'low', state: 'closed' })));
    expect(await notifier.figures()).toEqual({ waiting: 0, sent: 0, refused: 0, problems: [] });
  });

  it('waits while the mail server is away, survives a restart of the notifier, and goes out once', async () => {
    const port = await freePort();
    const first = await start(port);
    await first.onEvent(eventOf(stages.opened()));
    await first.onEvent(eventOf(stages.restored()));
    await expect.poll(async () => (await first.figures()).problems.join(), waitMs).toMatch(/can't be used.*ECONNREFUSED/u);
    await first.stop();
    await smtp({}, port);
    const second = await start(port);
    await expect.poll(async () => (await second.figures()).sent, waitMs).toBe(2);
    expect(received.map((mail) => header(mail, 'Message-ID'))).toEqual([
      messageIdOf(incidentId, 'opened', 'fs01'),
      messageIdOf(incidentId, 'over', 'fs01'),
    ]);
    expect((await second.figures()).problems).toEqual([]);
  });

  it('is tried again when the server says "later"', async () => {
    let refusals = 2;
    const port = await smtp({
      onMailFrom(_address, _session, callback) {
        refusals -= 1;
        callback(refusals >= 0 ? Object.assign(new Error('greylisted, come back'), { responseCode: 451 }) : null);
      },
    });
    const notifier = await start(port);
    await notifier.onEvent(eventOf(stages.opened()));
    await expect.poll(() => received.length, waitMs).toBe(1);
    expect(refusals).toBe(-1);
  });

  it('is given up and shown when the server says "never", and tried once more after a restart', async () => {
    let tries = 0;
    const port = await smtp({
      onRcptTo(_address, _session, callback) {
        tries += 1;
        callback(Object.assign(new Error('no such user here'), { responseCode: 550 }));
      },
    });
    const first = await start(port);
    await first.onEvent(eventOf(stages.opened()));
    await expect.poll(async () => (await first.figures()).refused, waitMs).toBe(1);
    await first.onEvent(eventOf(stages.contained()));
    expect((await first.figures()).problems.join()).toMatch(/refuses the mail.*no such user here.*Check notify\.mail/u);
    expect(tries).toBe(1);
    await first.stop();
    const second = await start(port);
    await expect.poll(() => tries, waitMs).toBe(2);
    await expect.poll(async () => (await second.figures()).refused, waitMs).toBe(1);
  });

  it('tells of recipients that were refused beside others that were not', async () => {
    const port = await smtp({
      onRcptTo({ address }, _session, callback) {
        callback(address.startsWith('gone') ? Object.assign(new Error('unknown'), { responseCode: 550 }) : null);
      },
    });
    const notifier = await start(port, { to: ['gone@example.org', 'admin@example.org'] });
    await notifier.onEvent(eventOf(stages.opened()));
    await expect.poll(() => received.map(({ to }) => to), waitMs).toEqual([['admin@example.org']]);
  });

  it('carries hostile names without letting them out of their place', async () => {
    const notifier = await start(await smtp());
    const exe = '/tmp/x\r\nBcc: eve@example.org\r\n\r\nbody';
    await notifier.onEvent(eventOf(incidentOf({ actor: { kind: 'process', exe, user: 'a\nb', processTree: [] } })));
    await expect.poll(() => received.length, waitMs).toBe(1);
    expect(received[0]?.to).toEqual(['admin@example.org']);
    expect(header(received[0], 'Bcc')).toBeUndefined();
  });
});

describe('the connection to the mail server', () => {
  const onAuth: SMTPServerOptions['onAuth'] = (auth, _session, callback) => {
    if (auth.username === 'kuramori' && auth.password === 'secret') callback(null, { user: auth.username });
    else callback(Object.assign(new Error('wrong password'), { responseCode: 535 }));
  };

  it('STARTTLS with authentication; a self-signed certificate only when it is allowed', async () => {
    const port = await smtp({ authOptional: false, onAuth });
    const strict = await start(port, { tls: 'starttls', user: 'kuramori', password: 'secret' });
    await strict.onEvent(eventOf(stages.opened()));
    await expect.poll(async () => (await strict.figures()).problems.join(), waitMs).toMatch(/certificate/iu);
    expect(received).toEqual([]);
    await strict.stop();
    await start(port, { tls: 'starttls', user: 'kuramori', password: 'secret', allowSelfSigned: true });
    await expect.poll(() => received, waitMs).toMatchObject([{ user: 'kuramori', secure: true }]);
  });

  it('STARTTLS asked for and not offered: nothing is sent in the clear', async () => {
    const port = await smtp({ disabledCommands: ['STARTTLS'] });
    const notifier = await start(port, { tls: 'starttls', allowSelfSigned: true });
    await notifier.onEvent(eventOf(stages.opened()));
    await expect.poll(async () => (await notifier.figures()).problems.join(), waitMs).toMatch(/STARTTLS/iu);
    expect(received).toEqual([]);
  });

  it('TLS from the first byte', async () => {
    const notifier = await start(await smtp({ secure: true }), { tls: 'tls', allowSelfSigned: true });
    await notifier.onEvent(eventOf(stages.opened()));
    await expect.poll(() => received, waitMs).toMatchObject([{ secure: true }]);
  });

  it('a wrong password is a refusal, said and not repeated for ever', async () => {
    const port = await smtp({ authOptional: false, onAuth, allowInsecureAuth: true });
    const notifier = await start(port, { user: 'kuramori', password: 'wrong' });
    await notifier.onEvent(eventOf(stages.opened()));
    await expect.poll(async () => (await notifier.figures()).refused, waitMs).toBe(1);
    expect((await notifier.figures()).problems.join()).toContain('wrong password');
  });
});

describe('without work', () => {
  it('no mail set up: takes events and is well', async () => {
    const notifier = await Notifier.start({
      settings: { host: 'fs01', language: 'en', notify: { mail: null } },
      databaseFile: path.join(directory, 'notifier.sqlite'),
    });
    notifiers.push(notifier);
    await notifier.onEvent(eventOf(stages.opened()));
    expect(await notifier.figures()).toEqual({ waiting: 0, sent: 0, refused: 0, problems: [] });
    await expect(notifier.onEvent({ nonsense: true })).rejects.toBeInstanceOf(InvalidMessageError);
  });

  it('says no to a database of a newer version, with what to do', async () => {
    const notifier = await start(1);
    await notifier.stop();
    const source = new DataSource({ type: 'sqlite', driver: sqlite3, database: path.join(directory, 'notifier.sqlite') });
    await source.initialize();
    await source.query(`INSERT INTO migrations ("timestamp", "name") VALUES (9999999999999, 'FromTheFuture9999999999999')`);
    await source.destroy();
    await expect(start(1)).rejects.toThrow(/newer version of Kuramori.*Install that version/u);
  });
});
