import { chmodSync, chownSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { servicePort } from '@kuramori/config';
import type { Incident, ServiceName } from '@kuramori/contracts';
import type { VaultHealthDetails } from '@kuramori/ops';
import {
  compareManifests,
  Installation,
  launch,
  Mailbox,
  makeShare,
  type Manifest,
  type RunningProgram,
  takeManifest,
  waitFor,
} from '@kuramori/testing';
import { innocentScript, projectRoot } from './support';

const documentsByDefault = 150;

/** Every script of test/innocent whose header says of which kind it is: a new one needs no line here. */
const scripts = readdirSync(innocentScript('.')).flatMap((script) => {
  const header = readFileSync(innocentScript(script), 'utf8');
  const kind = /^# kind: (benign|borderline)$/mu.exec(header)?.[1];
  const documents = Number(/^# documents: (\d+)$/mu.exec(header)?.[1] ?? documentsByDefault);
  return kind === undefined ? [] : [{ script, kind, documents, folder: path.parse(script).name }];
});
const borderline = scripts.filter(({ kind }) => kind === 'borderline');
/** Several people, each with documents to protect, are no attack; one who does it all day is another matter. Ids that belong to nobody else. */
const userOf = new Map(borderline.map(({ folder }, index) => [folder, { uid: 61_000 + index, gid: 61_000 + index }]));

let mailbox: Mailbox;
let installation: Installation;
const programs: RunningProgram[] = [];
/** Each folder as its script left it. */
const left = new Map<string, Manifest>();

const folderOf = (name: string) => path.join(installation.share, name);

/** One service's figures as Prometheus reads them: `name`, or `name consumer` where there is one of each consumer. */
async function figuresOf(service: ServiceName): Promise<ReadonlyMap<string, number>> {
  const port = servicePort({ http: { bind: '127.0.0.1', port: installation.httpPort } }, service);
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return new Map(
    [...text.matchAll(/^(\w+)(?:\{([^}]*)\})? (\S+)$/gmu)].map(([, name = '', labels = '', value]) => {
      const consumer = /consumer="([^"]*)"/u.exec(labels)?.[1];
      return [consumer === undefined ? name : `${name} ${consumer}`, Number(value)];
    }),
  );
}

async function figure(service: ServiceName, ...names: readonly string[]): Promise<number> {
  const figures = await figuresOf(service);
  return names.reduce((sum, name) => sum + (figures.get(name) ?? 0), 0);
}

/** Changes that the vault has seen and not yet stored, as `kuramori status` asks for them. */
async function pending(): Promise<number> {
  const port = servicePort({ http: { bind: '127.0.0.1', port: installation.httpPort } }, 'vault');
  const health = (await (await fetch(`http://127.0.0.1:${port}/health/ready`)).json()) as { details: VaultHealthDetails };
  return health.details.protection.pending;
}

/**
 * Waits until everything that happened before this call has been stored, judged and acted on. The sensor, the streams and every consumer keep the order: once a mark set
 * now is in the vault, what came before it is, too; and then each further on has to have handled as many messages as the one before has sent.
 */
async function handled(mark: string): Promise<void> {
  const file = path.join(folderOf('Marks'), mark);
  writeFileSync(file, mark);
  const eventually = (what: string, condition: () => Promise<boolean>) => waitFor(what, 60_000, condition);
  await installation.explained(async () => {
    await eventually('the mark is in the vault', async () => (await installation.run('versions', file)).status === 0);
    await eventually('nothing waits to be stored', async () => (await pending()) === 0);
    const published = await figure('watcher', 'kuramori_watcher_facts_published');
    await eventually('every fact is judged', async () => (await figure('detector', 'kuramori_detector_facts_total')) >= published);
    const compared = await figure('vault', 'kuramori_consumer_handled_total vault-files');
    const comparisons = 'kuramori_consumer_handled_total detector-vault';
    await eventually('every comparison is judged', async () => (await figure('detector', comparisons)) >= compared);
    const spoken = await figure('detector', ...['suspicion', 'warning', 'attack'].map((level) => `kuramori_detector_${level}_total`));
    const verdicts = 'kuramori_consumer_handled_total responder-verdicts';
    await eventually('every verdict is acted on', async () => (await figure('responder', verdicts)) >= spoken);
  });
}

/** What of an incident a reader of a failed test wants to know. */
function inShort({ severity, title, actor, evidence, actions }: Incident): object {
  return { severity, title, command: actor.commandLine, evidence, actions };
}

/** The scripts in whose folders an incident's evidence lies. */
function scriptsOf({ evidence }: Incident): Set<string> {
  return new Set(evidence.map((each) => path.relative(installation.share, each.path ?? '/').split(path.sep)[0] ?? ''));
}

beforeAll(async () => {
  mailbox = await Mailbox.open();
  installation = await Installation.create({ projectRoot, mailPort: mailbox.port });
  // The scripts' folders lie side by side in one share: documents of the same names in many folders, as people have them.
  writeFileSync(path.join(installation.share, '.scratch-ok'), '');
  mkdirSync(folderOf('Marks'));
  const made = new Map<number, string>();
  for (const { folder, documents } of scripts) {
    const same = made.get(documents);
    if (same === undefined) makeShare(folderOf(folder), { files: documents, sources: path.join(projectRoot, 'node_modules') });
    else cpSync(same, folderOf(folder), { recursive: true, preserveTimestamps: true });
    made.set(documents, same ?? folderOf(folder));
  }
  chmodSync(installation.directory, 0o755);
  for (const [folder, { uid, gid }] of userOf) {
    chownSync(folderOf(folder), uid, gid);
    for (const { parentPath, name } of readdirSync(folderOf(folder), { recursive: true, withFileTypes: true }))
      chownSync(path.join(parentPath, name), uid, gid);
  }
  installation.start();
  await installation.ready(100_000);
});

afterAll(async () => {
  for (const program of programs) program.end();
  await installation.dispose();
  await mailbox.close();
});

describe('innocent work', () => {
  it.each(scripts)('of $script ($kind) ends by itself, with the result it should have, and raises no alarm', async ({ script, folder }) => {
    const program = launch(innocentScript(script), [folderOf(folder)], userOf.get(folder));
    programs.push(program);
    const { code, signal } = await program.ended;
    // Each script checks its own result and says what is wrong.
    expect({ code, signal, stderr: program.stderr() }).toEqual({ code: 0, signal: null, stderr: '' });
    left.set(folder, takeManifest(folderOf(folder)));
    await handled(folder);
    expect((await installation.incidents()).filter(({ severity }) => severity !== 'low').map(inShort)).toEqual([]);
  });

  describe('in the end', () => {
    beforeAll(async () => {
      // A warning waits for five seconds of events, which the watcher's heartbeats let pass: one that was published after them is the second that is handled from then on.
      const sinceMs = Date.now();
      await waitFor('the time is over in which a warning waits', 20_000, () => Date.now() - sinceMs > 6000);
      const heartbeats = 'kuramori_consumer_handled_total detector-files';
      const before = await figure('detector', heartbeats);
      await waitFor('the detector has heard of that', 20_000, async () => (await figure('detector', heartbeats)) >= before + 2);
      await handled('the end');
    });

    it('has made nobody suspicious but who encrypted documents, and that is noted without weight: no action, no mail', async () => {
      const incidents = await installation.incidents();
      const unexpected = incidents.filter((incident) => {
        const concerned = scriptsOf(incident);
        return (
          incident.severity !== 'low' || incident.actions.length > 0 || concerned.size === 0 || ![...concerned].every((name) => userOf.has(name))
        );
      });
      expect(unexpected.map(inShort)).toEqual([]);
      expect(mailbox.mails.map(({ subject }) => subject)).toEqual([]);
    });

    it('stays as it was done', () => {
      for (const [folder, manifest] of left) {
        expect(compareManifests(manifest, takeManifest(folderOf(folder))), folder).toEqual({ lost: [], changedMetadata: [], added: [] });
      }
    });
  });
});
