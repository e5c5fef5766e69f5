import { Argument, type Command, InvalidArgumentError } from 'commander';
import { type Incident, type IncidentDecision, type RestoreItem, safeText } from '@kuramori/contracts';
import { CommandFailure, type ExitStatus, exitStatus } from '../exit';
import { longCommandTimeoutMs, type Operator, withOperator } from '../operator/operator';
import { incidentsCsv } from '../output/csv';
import { incidentText } from '../output/incident-text';
import { formatTime } from '../output/format';
import { table } from '../output/table';
import { parseTime } from '../time-argument';
import { type CommonOptions, contextOf, print, printJson, withJson } from './context';

const decisions = ['close', 'reopen', 'false-alarm'] as const satisfies readonly IncidentDecision[];
/** Items of one page: a reply stays well below the bus's limit with the longest paths. */
const itemsPerPage = 500;
/** More than this on a terminal helps nobody; with --json all come. */
const maxItems = 1_000_000;

export function parsePastTime(text: string): number {
  const ms = parseTime(text, Date.now());
  if (ms === undefined) throw new InvalidArgumentError('allowed: a past time, ISO 8601 such as 2026-11-24T12:00 or back from now such as -2h');
  return ms;
}

export function addIncidents(program: Command, done: (status: ExitStatus) => void): void {
  withJson(program.command('incidents'))
    .description('history of incidents, newest first')
    .option('--since <time>', 'only those opened since: ISO 8601, or back from now such as -7d', parsePastTime)
    .option('--limit <n>', 'at most this many (1-200)', parseLimit)
    .option('--csv', 'print CSV (RFC 4180) instead of a table')
    .action(async (options: CommonOptions & { since?: number; limit?: number; csv?: boolean }) => {
      if (options.csv === true && options.json === true) throw new CommandFailure(exitStatus.usage, 'choose one of --csv and --json');
      const { settings, words } = contextOf(options);
      const query = { ...(options.since === undefined ? {} : { sinceMs: options.since }), limit: options.limit ?? 200 };
      const { incidents = [] } = (await withOperator(settings, (operator) => operator.ask('responder', 'incidents', query))) as {
        incidents?: Incident[];
      };
      if (options.json === true) printJson({ incidents });
      else if (options.csv === true) process.stdout.write(incidentsCsv(incidents));
      else if (incidents.length === 0) print(words.noIncidents);
      else {
        const rows = incidents.map(({ id, openedAt, state, severity, files, title }) => [
          id.slice(0, 8),
          formatTime(openedAt),
          state,
          severity,
          `${files.restored}/${files.touched}`,
          safeText(title),
        ]);
        print(table(['id', words.opened, words.state, words.severity, words.files, words.title], rows, 5));
      }
      done(exitStatus.done);
    });

  withJson(program.command('incident'))
    .description("one incident with evidence, timeline, actor and files; or the operator's verdict on it")
    .argument('<id>', 'its id, or the first characters of it (at least 4)')
    .addArgument(
      new Argument('[verdict]', 'close: done with; reopen: not done with; false-alarm: put back what the response changed').choices(decisions),
    )
    .option('--files', 'list what was done with each file')
    .action(async (id: string, verdict: IncidentDecision | undefined, options: CommonOptions & { files?: boolean }) => {
      if (!/^[0-9a-f-]{4,36}$/iu.test(id))
        throw new CommandFailure(
          exitStatus.usage,
          `${safeText(id)} is not the id of an incident; allowed: 4 to 36 characters of an id as 'kuramori incidents' lists them`,
        );
      const { settings, words } = contextOf(options);
      const shown = await withOperator(settings, async (operator) => {
        const answer =
          verdict === undefined
            ? operator.ask('responder', 'incident', { id })
            : operator.ask('responder', 'decide', { id, decision: verdict }, longCommandTimeoutMs);
        const { incident } = (await answer) as { incident: Incident };
        return { incident, items: options.files === true ? await filesOf(operator, incident.id) : undefined };
      });
      if (options.json === true) printJson({ ...shown.incident, ...(shown.items === undefined ? {} : { fileList: shown.items }) });
      else print(incidentText(shown.incident, shown.items, words));
      done(exitStatus.done);
    });
}

async function filesOf(operator: Operator, incidentId: string): Promise<RestoreItem[]> {
  const all: RestoreItem[] = [];
  for (;;) {
    const { items = [], total = 0 } = (await operator.ask('vault', 'report', { incidentId, offset: all.length, limit: itemsPerPage })) as {
      items?: RestoreItem[];
      total?: number;
    };
    all.push(...items);
    if (items.length === 0 || all.length >= total || all.length >= maxItems) return all;
  }
}

function parseLimit(text: string): number {
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1 || limit > 200) throw new InvalidArgumentError('allowed: 1 to 200');
  return limit;
}
