import path from 'node:path';
import type { Command } from 'commander';
import { type QuarantineEntry, type QuarantinePage, type QuarantineQuery, safeText } from '@kuramori/contracts';
import { type ExitStatus, exitStatus } from '../exit';
import { longCommandTimeoutMs, type Operator, withOperator } from '../operator/operator';
import { formatBytes, formatTime } from '../output/format';
import { table } from '../output/table';
import { type CommonOptions, contextOf, print, printJson, withJson } from './context';

export function addQuarantine(program: Command, done: (status: ExitStatus) => void): void {
  const quarantine = program.command('quarantine').description('what was taken out of the way: notes, encrypted leftovers, replaced files, programs');

  withJson(quarantine.command('list'))
    .description('entries, newest first')
    .option('--incident <id>', 'only those of this incident (the whole id)')
    .action(async (options: CommonOptions & { incident?: string }) => {
      const { settings, words } = contextOf(options);
      const entries = await withOperator(settings, (operator) => allEntries(operator, options.incident));
      if (options.json === true) printJson({ entries });
      else if (entries.length === 0) print('The quarantine is empty.');
      else {
        const rows = entries.map(({ id, at, reason, sizeBytes, incidentId, path: from }) => [
          id,
          formatTime(at),
          reason,
          formatBytes(sizeBytes),
          incidentId.slice(0, 8),
          safeText(from),
        ]);
        print(table(['id', words.time, 'reason', words.size, 'incident', words.file], rows, 5));
      }
      done(exitStatus.done);
    });

  withJson(quarantine.command('release'))
    .description('puts an entry back to its place, never over something')
    .argument('<id>', "as 'quarantine list' shows it")
    .option('--to <path>', 'put it there instead')
    .action(async (id: string, options: CommonOptions & { to?: string }) => {
      const { settings } = contextOf(options);
      const command = { id, ...(options.to === undefined ? {} : { to: path.resolve(options.to) }) };
      const result = (await withOperator(settings, (operator) => operator.ask('vault', 'release', command, longCommandTimeoutMs))) as {
        path?: string;
      };
      if (options.json === true) printJson(result);
      else print(`released: ${safeText(result.path ?? '')}`);
      done(exitStatus.done);
    });
}

async function allEntries(operator: Operator, incidentId: string | undefined): Promise<QuarantineEntry[]> {
  const found: QuarantineEntry[] = [];
  for (let after: number | undefined; ;) {
    const query: QuarantineQuery = { ...(incidentId === undefined ? {} : { incidentId }), ...(after === undefined ? {} : { after }) };
    const { entries = [], next } = (await operator.ask('vault', 'quarantine', query)) as Partial<QuarantinePage>;
    found.push(...entries);
    if (next === undefined) return found;
    after = next;
  }
}
