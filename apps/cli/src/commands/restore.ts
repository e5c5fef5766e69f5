import path from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import type { RestoreCommand, RestoreReport } from '@kuramori/contracts';
import { CommandFailure, type ExitStatus, exitStatus } from '../exit';
import { longCommandTimeoutMs, type Operator, withOperator } from '../operator/operator';
import { restoreItemsText } from '../output/incident-text';
import { formatCount } from '../output/format';
import { exactArguments, vaultPath } from '../path-argument';
import { type CommonOptions, type CommandContext, contextOf, print, printJson, withJson } from './context';
import { parsePastTime } from './incidents';

interface RestoreOptions extends CommonOptions {
  readonly at?: number;
  readonly version?: number;
  readonly to?: string;
  readonly incident?: string;
  readonly dryRun?: boolean;
}

/** The table is for a glance; --json has all that the reply holds. */
const shownItems = 200;

export function addRestore(program: Command, done: (status: ExitStatus) => void): void {
  withJson(program.command('restore'))
    .description('files or trees as they were at a time; never overwrites without keeping what was there')
    .argument('[path...]', 'files or directories')
    .option('--at <time>', 'as they were then: ISO 8601, or back from now such as -2h (default: the newest clean version)', parsePastTime)
    .option('--version <n>', "that version of one file, as 'kuramori versions' lists them", parseVersion)
    .option('--to <directory>', 'restore into this directory instead of the original place')
    .option('--incident <id>', 'undo what the attacker of this incident did, and nothing else')
    .option('--dry-run', 'only say what would be done')
    .addHelpText('after', '\nExit status: 0 everything is as wanted, 1 something could not be restored or there is nothing to restore.')
    .action(async (given: string[], options: RestoreOptions) => {
      checkCombination(given, options);
      const context = contextOf(options);
      const report = await withOperator(context.settings, (operator) =>
        options.incident === undefined
          ? restorePaths(operator, given, options, context)
          : (operator.ask(
              'responder',
              'undo',
              { id: options.incident, dryRun: options.dryRun === true },
              longCommandTimeoutMs,
            ) as Promise<RestoreReport>),
      );
      if (options.json === true) printJson(report);
      else printReport(report, context);
      done(
        report.touched > 0 && report.unrecoverable === 0 && report.conflicts === 0 && !report.items.some(({ outcome }) => outcome === 'failed')
          ? exitStatus.done
          : exitStatus.failed,
      );
    });
}

function checkCombination(given: readonly string[], { incident, at, version, to }: RestoreOptions): void {
  const refuse = (text: string) => {
    throw new CommandFailure(exitStatus.usage, text);
  };
  if (incident === undefined && given.length === 0) refuse('name what to restore: kuramori restore PATH…, or kuramori restore --incident ID');
  if (incident !== undefined && (given.length > 0 || at !== undefined || version !== undefined || to !== undefined))
    refuse('--incident restores what that attacker did: it goes without PATH, --at, --version and --to');
  if (version !== undefined && at !== undefined) refuse('choose one of --at and --version');
  if (version !== undefined && given.length !== 1) refuse('--version goes with exactly one file');
}

async function restorePaths(
  operator: Operator,
  given: readonly string[],
  { at, version, to, dryRun }: RestoreOptions,
  { settings }: CommandContext,
): Promise<RestoreReport> {
  // Paths stand at the end of the command line or between options: looked up by their place, since only the kernel's copy holds every byte.
  const shown = process.argv.slice(2);
  const exact = exactArguments(shown);
  const exactOf = (argument: string) => exact[shown.indexOf(argument)] ?? argument;
  const command: RestoreCommand = {
    paths: given.map((argument) => vaultPath(exactOf(argument), settings.protect.roots)),
    ...(at === undefined ? {} : { atMs: at }),
    ...(version === undefined ? {} : { version }),
    ...(to === undefined ? {} : { to: path.resolve(exactOf(to)) }),
    dryRun: dryRun === true,
  };
  return (await operator.ask('vault', 'restore', command, longCommandTimeoutMs)) as RestoreReport;
}

function printReport(report: RestoreReport, { words }: CommandContext): void {
  const { touched, restored, alreadyIntact, quarantined, unrecoverable, conflicts, dryRun, items } = report;
  if (items.length > 0) print(restoreItemsText(items.slice(0, shownItems), words));
  if (items.length > shownItems) print(`… and ${formatCount(items.length - shownItems)} more (--json has all)`);
  if (touched === 0) print('Nothing to restore: the vault holds no version of it. Protected are the directories in protect.roots.');
  else if (dryRun)
    print(
      `Nothing was changed (--dry-run). Concerned: ${formatCount(touched)} files, of them ${formatCount(alreadyIntact)} already intact, ${formatCount(conflicts)} in conflict.`,
    );
  else {
    print(
      `${formatCount(restored)} of ${formatCount(touched)} files restored, ${formatCount(alreadyIntact)} were already intact; what stood in their place is in quarantine (${formatCount(quarantined)}). ` +
        `Unrecoverable: ${formatCount(unrecoverable)}, in conflict: ${formatCount(conflicts)}.`,
    );
  }
}

function parseVersion(text: string): number {
  const version = Number(text);
  if (!Number.isInteger(version) || version < 1) throw new InvalidArgumentError('allowed: a whole number from 1');
  return version;
}
