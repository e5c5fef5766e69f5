/**
 * `npm run lab -- --corpus DIR SCRIPT…`: runs scenario scripts (attacks, innocent work) one after the other on fresh copies of a corpus under a running Kuramori, and says
 * for each: incident or none, files touched, lost, left over. A script is called as `SCRIPT TARGET_DIR`; its header names `# kind: attack|benign|borderline`.
 */
import { cpSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import type { Incident } from '@kuramori/contracts';
import { compareManifests, Installation, launch, takeManifest, waitFor } from '@kuramori/testing';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    corpus: { type: 'string' },
    settle: { type: 'string', default: '5' },
    timeout: { type: 'string', default: '300' },
    sensor: { type: 'string', default: 'auto' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help || values.corpus === undefined || positionals.length === 0) {
  process.stderr.write('usage: npm run lab -- --corpus DIR [--settle SECONDS] [--timeout SECONDS] [--sensor auto|fanotify|chokidar] SCRIPT…\n');
  process.exit(values.help ? 0 : 2);
}
const corpus: string = values.corpus;
const timeoutMs = Number(values.timeout) * 1000;
const settleMs = Number(values.settle) * 1000;
const sensor = values.sensor === 'fanotify' || values.sensor === 'chokidar' ? values.sensor : 'auto';

interface Outcome {
  readonly script: string;
  readonly kind: string;
  readonly wallS: number;
  readonly end: string;
  readonly incidents: string;
  readonly touched: number;
  readonly lost: number;
  readonly added: number;
  readonly good: boolean;
  /** For a result that is not as it should be: what the incidents say, and the first files lost or left. */
  readonly story: readonly string[];
}

async function runScenario(script: string): Promise<Outcome> {
  const kind = /^# kind: (\w+)/mu.exec(readFileSync(script, 'utf8'))?.[1] ?? 'unknown';
  const installation = await Installation.create({ projectRoot: process.cwd(), sensor });
  try {
    cpSync(corpus, installation.share, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
    const before = takeManifest(installation.share);
    installation.start();
    await installation.ready(180_000);
    const startedMs = performance.now();
    const program = launch(path.resolve(script), [installation.share]);
    const timer = setTimeout(() => program.end(), timeoutMs);
    const end = await program.ended;
    clearTimeout(timer);
    const wallS = (performance.now() - startedMs) / 1000;
    // Long enough for a late verdict; an incident that is open is waited for until it is over.
    await new Promise((resolve) => setTimeout(resolve, settleMs));
    const over = (state: string) => state === 'restored' || state === 'closed' || state === 'false_alarm';
    const incidents = await waitFor('incidents to be over', 120_000, async () => {
      const list = await installation.incidents();
      return list.every(({ state, severity }) => over(state) || severity === 'low') ? list : undefined;
    }).catch(() => installation.incidents());
    const serious = incidents.filter(({ severity }) => severity !== 'low');
    const harm = () => compareManifests(before, takeManifest(installation.share));
    // What came late is undone in a further round.
    if (kind === 'attack')
      await waitFor('everything to be back', 20_000, () => harm().lost.length + harm().added.length === 0).catch(() => undefined);
    const { lost, added } = harm();
    const good =
      kind === 'attack'
        ? serious.length === 1 && lost.length === 0 && added.length === 0
        : serious.length === 0 && (kind === 'borderline' || incidents.length === 0);
    return {
      script: path.basename(script),
      kind,
      wallS,
      end: end.signal ?? `exit ${end.code}`,
      incidents: incidents.map(({ severity, state }) => `${severity}/${state}`).join(' ') || 'none',
      touched: Math.max(0, ...serious.map((incident) => incident.files.touched)),
      lost: kind === 'attack' ? lost.length : 0,
      added: kind === 'attack' ? added.length : 0,
      good,
      story: good ? [] : storyOf(incidents, kind === 'attack' ? lost : [], kind === 'attack' ? added : []),
    };
  } finally {
    await installation.dispose();
  }
}

function storyOf(incidents: readonly Incident[], lost: readonly string[], added: readonly string[]): string[] {
  const told = incidents.flatMap(({ title, severity, actor, evidence, actions }) => [
    `${severity}: ${title}; ${actor.commandLine ?? actor.exe ?? ''}`,
    ...[...Map.groupBy(evidence, ({ indicator, weight }) => `${indicator} (${weight})`)].map(
      ([indicator, found]) => `  ${found.length} × ${indicator}, e.g. ${found[0]?.summary ?? ''}`,
    ),
    ...actions.map(({ name, status, detail }) => `  ${name} ${status}: ${detail.slice(0, 200)}`),
  ]);
  return [...told, ...lost.slice(0, 5).map((name) => `lost: ${name}`), ...added.slice(0, 5).map((name) => `left: ${name}`)];
}

const outcomes: Outcome[] = [];
for (const [index, script] of positionals.entries()) {
  process.stderr.write(`[${index + 1}/${positionals.length}] ${path.basename(script)} `);
  const outcome = await runScenario(script).catch((error: unknown): Outcome => ({
    script: path.basename(script),
    kind: '?',
    wallS: 0,
    end: error instanceof Error ? error.message.slice(0, 60) : 'failed',
    incidents: '',
    touched: 0,
    lost: 0,
    added: 0,
    good: false,
    story: [],
  }));
  process.stderr.write(
    `${outcome.good ? 'good' : 'NOT GOOD'}: ${outcome.incidents}, touched ${outcome.touched}, lost ${outcome.lost}, left ${outcome.added}, ${outcome.end}\n`,
  );
  for (const line of outcome.story) process.stderr.write(`    ${line}\n`);
  outcomes.push(outcome);
}
const table = new Table({ head: ['', 'scenario', 'kind', 'wall s', 'end', 'incidents', 'touched', 'lost', 'left'] });
for (const outcome of outcomes) {
  table.push([
    outcome.good ? '✔' : '✘',
    outcome.script,
    outcome.kind,
    outcome.wallS.toFixed(1),
    outcome.end,
    outcome.incidents,
    outcome.touched,
    outcome.lost,
    outcome.added,
  ]);
}
process.stdout.write(`${table.toString()}\n`);
process.exitCode = outcomes.every(({ good }) => good) ? 0 : 1;
