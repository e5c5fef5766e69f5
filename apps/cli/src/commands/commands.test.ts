import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import Ajv, { type AnySchema } from 'ajv';
import { type Bus, CommandError, connectBus } from '@kuramori/bus';
import { type Incident, type RestoreReport, serviceNames, subjects } from '@kuramori/contracts';
import { freePorts, waitFor } from '@kuramori/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { bundleCli, Scene } from '../testing/cli-harness';

const incident = JSON.parse(readFileSync('test/golden/Incident.json', 'utf8')) as Incident;
const evilName = 'plan\u001b[2J\u202Efdp.exe\n.docx';
const report: RestoreReport = {
  touched: 2,
  restored: 1,
  alreadyIntact: 1,
  quarantined: 1,
  unrecoverable: 0,
  conflicts: 0,
  dryRun: false,
  items: [
    { path: `/srv/${evilName}`, step: 'write', outcome: 'done', detail: '' },
    { path: '/srv/b', step: 'none', outcome: 'already-intact', detail: '' },
  ],
};
const version = {
  version: 3,
  at: '2026-11-24T10:00:00.000Z',
  sizeBytes: 2048,
  sha256: 'a'.repeat(64),
  actor: 'openssl (pid 312, user alice)',
  state: 'suspect',
  pinned: true,
};

let cli: Awaited<ReturnType<typeof bundleCli>>;
let scene: Scene;
let idle: Scene;
const buses: Bus[] = [];
/** What the services were asked, newest last. */
const asked: { command: string; payload: unknown }[] = [];
const ajv = new Ajv({ strict: false });
for (const name of ['status', 'incident', 'incidents', 'versions', 'restore'])
  ajv.addSchema(JSON.parse(readFileSync(`docs/schemas/${name}.json`, 'utf8')) as AnySchema);

function conforms(schema: string, json: string): unknown {
  const document = JSON.parse(json) as unknown;
  expect(ajv.validate(`${schema}.json`, document), `${schema}: ${ajv.errorsText()}`).toBe(true);
  return document;
}

/** The other end of the bus: what vault and responder would answer. */
async function answer(service: 'vault' | 'responder', replies: Readonly<Record<string, (payload: unknown) => object>>): Promise<void> {
  const bus = await connectBus(path.join(scene.dataDir, 'bus', 'credentials'), service, `nats://127.0.0.1:${scene.busPort}`);
  buses.push(bus);
  for (const [name, reply] of Object.entries(replies)) {
    await bus.respond(subjects.command('fs01', service, name), async (payload) => {
      asked.push({ command: `${service}.${name}`, payload });
      try {
        return { ok: true, result: reply(payload) };
      } catch (error) {
        if (error instanceof CommandError) return { ok: false, code: error.code, error: error.message };
        throw error;
      }
    });
  }
}

beforeAll(async () => {
  cli = await bundleCli();
  scene = new Scene(cli.file, await freePorts(7));
  idle = new Scene(cli.file, await freePorts(7));
  const up = scene.start(['up']);
  await waitFor('up to be ready', 20_000, () => up.output().includes('protecting'));
  await answer('responder', {
    incidents: () => ({ incidents: [incident, { ...incident, title: '=HYPERLINK("x")', state: 'closed' }] }),
    incident: (payload) => {
      if ((payload as { id: string }).id === 'ffff') throw new CommandError('not-found', 'id: there is no incident ffff');
      return { incident };
    },
    decide: () => ({ incident: { ...incident, state: 'false_alarm' } }),
    undo: () => report,
  });
  await answer('vault', {
    report: (payload) =>
      (payload as { offset: number }).offset === 0 ? { items: [report.items[0]], total: 2 } : { items: [report.items[1]], total: 2 },
    restore: (payload) => {
      const { paths } = payload as { paths: string[] };
      if (paths.some((name) => name.endsWith('/bad'))) throw new CommandError('invalid', 'paths: not that one');
      return paths.some((name) => name.endsWith('/lost')) ? { ...report, unrecoverable: 1 } : report;
    },
    versions: (payload) => {
      const { path: file } = payload as { path: string };
      if (!/docx$|\.txt$/u.test(file)) throw new CommandError('not-found', `${file}: no version of it is in the vault`);
      return { versions: [version] };
    },
    quarantine: (payload) => {
      const id = (payload as { after?: number }).after === undefined ? 'q1' : 'q0';
      const entry = { id, path: `/srv/${evilName}`, storedAt: `/v/${id}`, incidentId: incident.id, at: version.at, sizeBytes: 5, reason: 'leftover' };
      return { entries: [entry], ...(id === 'q1' ? { next: 7 } : {}) };
    },
    release: () => ({ path: '/srv/note.txt' }),
  });
}, 90_000);
afterAll(async () => {
  for (const bus of buses) await bus.drain();
  scene.dispose();
  idle.dispose();
  cli.remove();
});
beforeEach(() => {
  asked.length = 0;
});

describe('status', () => {
  it('as JSON conforms to its schema, with the figures of the services, and exits with 0 when ready', async () => {
    const { status, stdout } = await scene.run('status', '--json');
    expect(conforms('status', stdout)).toMatchObject({
      ready: true,
      mode: 'enforce',
      protection: { files: 1234, pending: 0 },
      vault: { versions: 1300, freeBytes: 7000 },
      incidents: { open: 2 },
    });
    expect(status).toBe(0);
  });
  it('for people names every service', async () => {
    const { stdout, status } = await scene.run('status');
    for (const name of serviceNames) expect(stdout).toContain(name);
    expect(stdout).toMatch(/^READY/u);
    expect(status).toBe(0);
  });
  it('of what is not running exits with 3, also as JSON that conforms', async () => {
    const { status, stdout, stderr } = await idle.run('status', '--json');
    expect(status).toBe(3);
    expect(stderr).toMatch(/not running.*kuramori up/u);
    expect(conforms('status', stdout)).toMatchObject({ ready: false, services: { vault: { status: 'down', pid: null } } });
  });
  it('waiting gives up after the time given', async () => {
    const { status, stdout } = await idle.run('status', '--wait=0.3', '--json');
    expect(status).toBe(3);
    conforms('status', stdout);
    expect((await scene.run('status', '--wait')).status).toBe(0);
  });
});

describe('incidents', () => {
  it('as JSON conform to their schema', async () => {
    const { stdout, status } = await scene.run('incidents', '--json', '--since', '-7d');
    expect((conforms('incidents', stdout) as { incidents: unknown[] }).incidents).toHaveLength(2);
    expect(status).toBe(0);
    const { sinceMs } = asked[0]?.payload as { sinceMs: number };
    expect(Math.abs(Date.now() - 7 * 86_400_000 - sinceMs)).toBeLessThan(60_000);
  });
  it('as CSV have a line each, and no cell that a spreadsheet would run', async () => {
    const { stdout } = await scene.run('incidents', '--csv');
    const lines = stdout.trimEnd().split('\r\n');
    expect(lines).toHaveLength(3);
    expect(lines[2]).toContain(`"'=HYPERLINK(""x"")"`);
  });
  it('of what is not running exit with 3', async () => {
    const { status, stdout, stderr } = await idle.run('incidents', '--json');
    expect([status, stdout]).toEqual([3, '']);
    expect(stderr).toMatch(/never been started/u);
  });
  it('one as JSON conforms to its schema, with all pages of its files', async () => {
    const { stdout } = await scene.run('incident', incident.id, '--files', '--json');
    expect((conforms('incident', stdout) as { fileList: unknown[] }).fileList).toHaveLength(2);
    expect(asked.map(({ command }) => command)).toEqual(['responder.incident', 'vault.report', 'vault.report']);
  });
  it('one for people shows what was done, and no name can move the cursor', async () => {
    const { stdout, status } = await scene.run('incident', incident.id.slice(0, 8), '--files');
    expect(status).toBe(0);
    expect(stdout).toContain(incident.title);
    expect(stdout).not.toMatch(/[\u001b\u202E]/u);
    expect(stdout.replaceAll(/\s/gu, '')).toContain(String.raw`plan\x1b[2J\u{202e}fdp.exe\n.docx`);
  });
  it('take a verdict', async () => {
    const { stdout } = await scene.run('incident', incident.id, 'false-alarm', '--json');
    expect(conforms('incident', stdout)).toMatchObject({ state: 'false_alarm' });
    expect(asked).toEqual([{ command: 'responder.decide', payload: { id: incident.id, decision: 'false-alarm' } }]);
  });
  it('that do not exist exit with 1, ids that are none with 2', async () => {
    const missing = await scene.run('incident', 'ffff', '--json');
    expect([missing.status, missing.stdout]).toEqual([1, '']);
    expect(missing.stderr).toContain('there is no incident ffff');
    expect((await scene.run('incident', 'x y')).status).toBe(2);
  });
});

describe('restore', () => {
  it('sends absolute real paths and the time, and prints a report that conforms', async () => {
    mkdirSync(path.join(scene.share, 'Finance'), { recursive: true });
    const link = path.join(scene.directory, 'link');
    if (!existsSync(link)) symlinkSync(scene.share, link);
    const { stdout, status } = await scene.run('restore', 'share/Finance/gone.docx', 'link/Finance', '--at', '-2h', '--dry-run', '--json');
    conforms('restore', stdout);
    expect(status).toBe(0);
    const { paths, atMs, dryRun } = asked[0]?.payload as { paths: string[]; atMs: number; dryRun: boolean };
    expect(paths).toEqual([path.join(scene.share, 'Finance/gone.docx'), path.join(scene.share, 'Finance')]);
    expect(Math.abs(Date.now() - 7_200_000 - atMs)).toBeLessThan(60_000);
    expect(dryRun).toBe(true);
  });
  it('exits with 1 when something could not be restored, with 2 for what the vault calls invalid', async () => {
    expect((await scene.run('restore', 'share/lost')).status).toBe(1);
    const bad = await scene.run('restore', 'share/bad', '--json');
    expect([bad.status, bad.stdout]).toEqual([2, '']);
    expect(bad.stderr).toContain('not that one');
  });
  it('into another directory makes it when its parent exists, and not for a dry run', async () => {
    const to = path.join(scene.directory, 'copies');
    expect((await scene.run('restore', 'share/a', '--to', to, '--dry-run')).status).toBe(0);
    expect(existsSync(to)).toBe(false);
    expect((await scene.run('restore', 'share/a', '--to', 'copies')).status).toBe(0);
    expect(statSync(to).mode & 0o777).toBe(0o755);
    expect(asked.at(-1)?.payload).toMatchObject({ to });
    expect((await scene.run('restore', 'share/a', '--to', to)).status).toBe(0);
  });
  it.each([
    ['missing/deep', /^--to .*missing\/deep: can't be made: .*missing is no directory/u],
    ['kuramori.yaml', /^--to .*kuramori\.yaml: is not a directory/u],
    ['kuramori.yaml/below', /^--to .*can't be made/u],
    ['data', /^--to .*lies in dataDir/u],
    ['data/copies', /^--to .*lies in dataDir/u],
    ['link-to-data/copies', /^--to .*lies in dataDir/u],
  ])('into %s is refused without asking', async (to, text) => {
    const link = path.join(scene.directory, 'link-to-data');
    if (!existsSync(link)) symlinkSync(scene.dataDir, link);
    const { status, stderr } = await scene.run('restore', 'share/a', '--to', to);
    expect(status).toBe(2);
    expect(stderr).toMatch(text);
    expect(asked).toEqual([]);
    expect(existsSync(path.join(scene.dataDir, 'copies'))).toBe(false);
  });
  it('of an incident asks the responder, who knows everyone who took part', async () => {
    const { status, stdout } = await scene.run('restore', '--incident', incident.id.slice(0, 8), '--dry-run', '--json');
    expect(status).toBe(0);
    conforms('restore', stdout);
    expect(asked).toEqual([{ command: 'responder.undo', payload: { id: incident.id.slice(0, 8), dryRun: true } }]);
  });
  it.each([
    [[]],
    [['--incident', 'abcd', 'share/a']],
    [['share/a', '--at', 'yesterday']],
    [['share/a', '--at', '2999-01-01T00:00:00Z']],
    [['share/a', '--at', '-2h', '--version', '1']],
    [['share/a', 'share/b', '--version', '1']],
    [['share/a', '--version', '0']],
  ])('with the arguments %j is wrong usage', async (args) => {
    const { status, stdout, stderr } = await scene.run('restore', ...args);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).not.toBe('');
    expect(asked).toEqual([]);
  });
});

describe('versions and quarantine', () => {
  it('versions conform to their schema; none is exit status 1', async () => {
    expect(conforms('versions', (await scene.run('versions', 'share/a.docx', '--json')).stdout)).toMatchObject({
      path: path.join(scene.share, 'a.docx'),
    });
    expect((await scene.run('versions', 'share/a.docx')).stdout).toMatch(/3\s.*2\.0 KiB\s+suspect\s+yes\s+openssl/u);
    const none = await scene.run('versions', 'share/none');
    expect(none.status).toBe(1);
    expect(none.stdout).toMatch(/holds no version of .*share\/none\. Protected are: /u);
    const asJson = await scene.run('versions', 'share/none', '--json');
    expect([asJson.status, conforms('versions', asJson.stdout)]).toEqual([1, { path: path.join(scene.share, 'none'), versions: [] }]);
  });
  it('versions of what can have none says why', async () => {
    const directory = await scene.run('versions', 'share');
    expect(directory.status).toBe(1);
    expect(directory.stdout).toMatch(/it is a directory.*kuramori restore PATH --dry-run/u);
    const outside = await scene.run('versions', '/etc/hostname');
    expect(outside.status).toBe(1);
    expect(outside.stdout).toMatch(/\/etc\/hostname: it is not below protect\.roots \(.*share\)/u);
  });
  it('a name that is no UTF-8 reaches the vault as it is, also below a wrapper that has read it as text', async () => {
    const { status, stdout } = await scene.startWrapped(`versions "$(printf 'share/nonutf-\\377\\376.txt')" --json`).ended;
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ path: path.join(scene.share, 'nonutf-\u{F00FF}\u{F00FE}.txt') });
    // Two names that read alike are two names, and the replacement character may stand in a name.
    const words = `restore "$(printf 'share/\\377')" "$(printf 'share/\\376')" --dry-run`;
    expect((await scene.startWrapped(words).ended).status).toBe(0);
    expect((asked.at(-1)?.payload as { paths: string[] }).paths).toEqual(['\u{F00FF}', '\u{F00FE}'].map((name) => path.join(scene.share, name)));
    expect((await scene.startWrapped(`versions 'share/\u{FFFD}.txt'`).ended).status).toBe(0);
    expect(asked.at(-1)?.payload).toEqual({ path: path.join(scene.share, '\u{FFFD}.txt') });
    expect((await scene.run('versions', 'share/\u{FFFD}')).stdout).toMatch(/npx replaces them/u);
  });
  it('quarantine lists and releases', async () => {
    const { stdout } = await scene.run('quarantine', 'list');
    expect(stdout).toMatch(/q1\s.*leftover/u);
    expect(stdout).not.toContain('\u001b');
    // Page after page.
    const { entries } = JSON.parse((await scene.run('quarantine', 'list', '--json')).stdout) as { entries: { id: string }[] };
    expect(entries.map(({ id }) => id)).toEqual(['q1', 'q0']);
    expect(asked.at(-1)?.payload).toEqual({ after: 7 });
    expect((await scene.run('quarantine', 'release', 'q1', '--to', 'out')).stdout).toContain('/srv/note.txt');
    expect(asked.at(-1)?.payload).toEqual({ id: 'q1', to: path.join(scene.directory, 'out') });
  });
});

describe('config', () => {
  it('init writes a file that check refuses only for its roots, and never over another', async () => {
    const file = path.join(idle.directory, 'new.yaml');
    expect((await idle.run('config', 'init', file)).status).toBe(0);
    writeFileSync(file, readFileSync(file, 'utf8').replace('/srv/share', idle.share).replace('/var/lib/kuramori', idle.dataDir));
    expect((await idle.run('config', 'check', '--config', file)).status).toBe(0);
    expect((await idle.run('config', 'init', file)).status).toBe(1);
    expect((await idle.run('config', 'init')).stdout).toContain('protect:');
  });
  it('check names every problem and exits with 2', async () => {
    const file = path.join(idle.directory, 'bad.yaml');
    writeFileSync(file, 'mode: panic\nprotect:\n  roots: [/no/such]\n');
    const { status, stderr, stdout } = await idle.run('config', 'check', '--config', file);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/mode \(line 1\)[\s\S]*protect\.roots \(line 3\)/u);
    const asJson = await idle.run('config', 'check', '--config', file, '--json');
    expect(asJson.status).toBe(2);
    expect(JSON.parse(asJson.stdout)).toMatchObject({
      valid: false,
      problems: [expect.stringContaining('mode'), expect.stringContaining('/no/such')],
    });
    expect((await idle.run('config', 'check', '--config', '/no/such.yaml')).stderr).toContain('/no/such.yaml');
  });
  it('schema is a JSON Schema', async () => {
    const { stdout, status } = await idle.run('config', 'schema');
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ type: 'object', properties: { protect: {} } });
  });
});

it("--version prints the version of the package, and is restore's own behind it", async () => {
  const { version: own } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  expect(await idle.run('--version')).toEqual({ status: 0, stdout: `${own}\n`, stderr: '' });
  expect((await scene.run('restore', 'share/a', '--version', '2')).status).toBe(0);
  expect(asked.at(-1)?.payload).toMatchObject({ version: 2 });
});

describe('wrong usage', () => {
  it.each([
    [['no-such-command']],
    [['status', '--no-such-option']],
    [['incident']],
    [['status', '--wait=soon']],
    [['incidents', '--csv', '--json']],
    [[]],
  ])('%j exits with 2', async (args) => {
    const { status, stdout } = await idle.run(...args);
    expect(status).toBe(2);
    expect(stdout).toBe('');
  });
  it.each(['up', 'status', 'incidents', 'incident', 'restore', 'versions', 'quarantine', 'config'])('%s has --help', async (name) => {
    const { status, stdout } = await idle.run(name, '--help');
    expect(status).toBe(0);
    expect(stdout).toContain(`kuramori ${name}`);
  });
});
