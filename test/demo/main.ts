/** `npm start` without a directory: a share of real documents is made, protected, attacked with openssl, and the terminal shows what happens. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect, type NatsConnection } from 'nats';
import { type Incident, IncidentCloudEvent, parseMessage, subjects } from '@kuramori/contracts';
import { compareManifests, Installation, launch, Mailbox, makeShare, takeManifest, waitFor } from '@kuramori/testing';

const documents = 1000;
const projectRoot = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const interactive = process.stdout.isTTY;
const startedMs = performance.now();

function say(text: string): void {
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1).padStart(6);
  process.stdout.write(`${interactive ? '\r\u001b[K' : ''}${seconds} s  ${text}\n`);
}

function progress(text: string, done: number, total: number): void {
  if (!interactive) return;
  const width = 30;
  const filled = Math.round((done / total) * width);
  process.stdout.write(`\r\u001b[K          ${text} ${'█'.repeat(filled)}${'░'.repeat(width - filled)} ${done}/${total}`);
}

interface IntegratorCredentials {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  readonly inboxPrefix: string;
}

/** Listens as an outside system would: with the integrator's credentials, on the incident subjects alone. */
async function listen(installation: Installation, onEvent: (event: string, incident: Incident) => void): Promise<NatsConnection> {
  const file = path.join(installation.dataDir, 'bus', 'credentials', 'integrator.json');
  const { url, user, password, inboxPrefix } = JSON.parse(readFileSync(file, 'utf8')) as IntegratorCredentials;
  const connection = await connect({ servers: url, user, pass: password, inboxPrefix, name: 'demonstration' });
  connection.subscribe(subjects.incidentAll('*'), {
    callback: (error, message) => {
      if (error !== null) return;
      const { data } = parseMessage(IncidentCloudEvent, JSON.parse(message.string()));
      onEvent(message.subject.split('.').at(-1) ?? '', data);
    },
  });
  await connection.flush();
  return connection;
}

function countEncrypted(share: string): number {
  return readdirSync(share, { recursive: true }).filter((name) => String(name).endsWith('.enc')).length;
}

/** What was started and made is undone by `cleanUp`, the last first; nothing new is begun once `interrupted`. */
async function demonstrate(directory: string, cleanUp: CleanUp, interrupted: AbortSignal): Promise<boolean> {
  const mailbox = await Mailbox.open();
  cleanUp.add(() => mailbox.close());
  const installation = await Installation.create({ projectRoot, directory, mailPort: mailbox.port });
  cleanUp.add(async () => {
    await installation.stop();
  });
  try {
    say(`making a share of ${documents} documents in ${installation.share}`);
    makeShare(installation.share, {
      files: documents,
      sources: path.join(projectRoot, 'node_modules'),
      onProgress: (done) => {
        if (done % 50 === 0) progress('documents', done, documents);
      },
    });
    const before = takeManifest(installation.share);

    // Signals that came while the documents were made are heard now.
    await setImmediate();
    interrupted.throwIfAborted();
    say('starting Kuramori: nats-server, watcher, detector, vault, responder, notifier');
    installation.start();
    await waitFor('Kuramori to protect every file', 60_000, async () => {
      const status = await installation.status();
      progress('protected', Math.min(status.protection.files, documents), documents);
      return status.ready;
    });
    say(`protected: ${documents} documents are in the vault`);

    const shown = new Set<string>();
    let attackMs = 0;
    const sinceAttack = () => `+${Math.round(performance.now() - attackMs)} ms`;
    const listener = await listen(installation, (event, incident) => {
      if (!shown.has(event)) {
        shown.add(event);
        say(`${sinceAttack()}  incident ${event.replaceAll('_', ' ')}: ${incident.title} [${incident.severity}, confidence ${incident.confidence}]`);
      }
      for (const action of incident.actions) {
        const key = `${action.name} ${action.status} ${action.detail}`;
        if (shown.has(key) || action.status === 'planned' || action.status === 'running') continue;
        shown.add(key);
        say(`${sinceAttack()}    ${action.name}: ${action.status}. ${action.detail}`);
      }
    });

    cleanUp.add(() => listener.close());

    interrupted.throwIfAborted();
    say('ATTACK: openssl encrypts every file and deletes the original');
    attackMs = performance.now();
    const attack = launch(path.join(projectRoot, 'test', 'attacks', 'openssl-encrypt-delete.sh'), [installation.share]);
    cleanUp.add(() => attack.end());
    const end = await waitFor('the end of the attack', 60_000, async () => {
      const ended = await Promise.race([attack.ended, Promise.resolve(undefined)]);
      if (ended === undefined) progress('files encrypted by the attacker', countEncrypted(installation.share), documents);
      return ended;
    });
    interrupted.throwIfAborted();
    say(
      `${sinceAttack()}  the attacker has ended: ${end.signal === 'SIGKILL' || end.code === 137 ? 'killed by Kuramori' : `by itself, exit ${end.code}`}`,
    );
    await waitFor('the files to be restored', 60_000, async () => {
      const [incident] = await installation.incidents();
      return incident?.state === 'restored' || incident?.state === 'closed';
    });
    say(`${sinceAttack()}  restored`);
    await waitFor('both mails', 15_000, () => mailbox.mails.length >= 2).catch(() => undefined);

    const difference = compareManifests(before, takeManifest(installation.share));
    const [incident] = await installation.incidents();
    const proof: [string, string, boolean][] = [
      ['documents before the attack', String(documents), true],
      ['files the attacker touched', String(incident?.files.touched ?? 0), true],
      ['lost or altered now', String(difference.lost.length), difference.lost.length === 0],
      ['with another owner, mode or time now', String(difference.changedMetadata.length), difference.changedMetadata.length === 0],
      ['encrypted leftovers and notes in the share', String(difference.added.length), difference.added.length === 0],
      ['leftovers kept in quarantine', String(incident?.files.quarantined ?? 0), true],
      ['mails to the administrator', mailbox.mails.map((mail) => mail.subject).join(' / '), mailbox.mails.length === 2],
    ];
    process.stdout.write('\nProof, by hash, owner, mode and time of every file:\n');
    for (const [what, value, good] of proof) process.stdout.write(`  ${good ? '✔' : '✘'} ${what.padEnd(44)} ${value}\n`);
    return proof.every(([, , good]) => good);
  } catch (error) {
    if (!interrupted.aborted) process.stderr.write(`\nlast output of the services:\n${installation.log.slice(-4000)}\n`);
    throw error;
  }
}

/** What has to be undone, the last first, once: at the end, or when a signal asks for it. */
class CleanUp {
  private readonly steps: (() => void | Promise<void>)[] = [];
  private running: Promise<void> | undefined;

  add(step: () => void | Promise<void>): void {
    this.steps.push(step);
  }

  run(): Promise<void> {
    this.running ??= this.undo();
    return this.running;
  }

  private async undo(): Promise<void> {
    for (let step = this.steps.pop(); step !== undefined; step = this.steps.pop()) {
      try {
        await step();
      } catch (error) {
        // What comes after it has to be undone all the same.
        process.stderr.write(`clean-up: ${error instanceof Error ? error.message : String(error)}\n`);
      }
    }
  }
}

const cleanUp = new CleanUp();
const interruption = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (interruption.signal.aborted) return;
    say(`stopping (${signal}), and taking everything away again`);
    interruption.abort();
    void cleanUp.run().then(() => process.exit(128 + constants.signals[signal]));
  });
}
const directory = mkdtempSync(path.join(tmpdir(), 'kuramori-demonstration-'));
cleanUp.add(() => rmSync(directory, { recursive: true, force: true }));
try {
  const good = await demonstrate(directory, cleanUp, interruption.signal);
  process.stdout.write(
    good
      ? '\nEvery file is back. To protect a directory of yours: npm start -- /path/to/share\n'
      : '\nThe demonstration did NOT end as it should: please report what stands above.\n',
  );
  process.exitCode = good ? 0 : 1;
} catch (error) {
  if (!interruption.signal.aborted) process.stderr.write(`\nThe demonstration failed: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
} finally {
  await cleanUp.run();
}
