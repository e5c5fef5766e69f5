import { mkdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import type { Settings } from '@kuramori/config';
import { type RestoreCommand, type RestoreReport, safeText } from '@kuramori/contracts';
import { fsPath } from '@kuramori/platform';
import { CommandFailure, type ExitStatus, exitStatus } from '../exit';
import { CommandRefused, longCommandTimeoutMs, type Operator, withOperator } from '../operator/operator';
import { restoreItemsText } from '../output/incident-text';
import { formatCount } from '../output/format';
import { exactLookup, lostBytesHint, realAsFarAs, vaultPath } from '../path-argument';
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
    .option('--to <directory>', 'restore into this directory instead of the original place; it is made when its parent exists')
    .option('--incident <id>', 'undo what the attacker of this incident did, and nothing else')
    .option('--dry-run', 'only say what would be done')
    .addHelpText('after', '\nExit status: 0 everything is as wanted, 1 something could not be restored or there is nothing to restore.')
    .action(async (given: string[], options: RestoreOptions) => {
      checkCombination(given, options);
      const context = contextOf(options);
      const { settings } = context;
      const exact = exactLookup();
      const paths = given.map((argument) => vaultPath(exact(argument), settings.protect.roots));
      const to = options.to === undefined ? undefined : destinationOf(exact(options.to), settings);
      const report = await withOperator(settings, (operator) =>
        options.incident === undefined
          ? restorePaths(operator, paths, to, options)
          : (operator.ask(
              'responder',
              'undo',
              { id: options.incident, dryRun: options.dryRun === true },
              longCommandTimeoutMs,
            ) as Promise<RestoreReport>),
      );
      if (options.json === true) printJson(report);
      else printReport(report, context, options.incident !== undefined);
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

async function restorePaths(operator: Operator, paths: readonly string[], to: string | undefined, options: RestoreOptions): Promise<RestoreReport> {
  const { at, version, dryRun = false } = options;
  if (to !== undefined && !dryRun) makeDestination(to);
  const command: RestoreCommand = {
    paths: [...paths],
    ...(at === undefined ? {} : { atMs: at }),
    ...(version === undefined ? {} : { version }),
    ...(to === undefined ? {} : { to }),
    dryRun,
  };
  try {
    return (await operator.ask('vault', 'restore', command, longCommandTimeoutMs)) as RestoreReport;
  } catch (error) {
    if (!(error instanceof CommandRefused) || error.code !== 'not-found') throw error;
    throw new CommandRefused(error.code, `${error.message}${lostBytesHint(paths.join(' '))}`);
  }
}

/** @throws CommandFailure: the vault would say it of each file, after a long plan */
function destinationOf(given: string, { dataDir }: Settings): string {
  const to = realAsFarAs(path.resolve(given));
  const refuse = (why: string) => new CommandFailure(exitStatus.usage, `--to ${safeText(to)}: ${why}`);
  if (to === dataDir || to.startsWith(`${dataDir}/`)) throw refuse(`lies in dataDir ${dataDir}, which is the vault's own. Name another directory`);
  if (isDirectory(to) === false) throw refuse('is not a directory. Name one; it is made when its parent exists');
  if (isDirectory(to) === undefined && isDirectory(path.dirname(to)) !== true)
    throw refuse(`can't be made: ${safeText(path.dirname(to))} is no directory. Make that one first, or name another`);
  return to;
}

/** Undefined: there is nothing. */
function isDirectory(place: string): boolean | undefined {
  try {
    return statSync(fsPath(place), { throwIfNoEntry: false })?.isDirectory();
  } catch {
    return undefined;
  }
}

function makeDestination(to: string): void {
  try {
    if (isDirectory(to) !== true) mkdirSync(fsPath(to), { mode: 0o755 });
  } catch (error) {
    throw new CommandFailure(
      exitStatus.usage,
      `--to ${safeText(to)} can't be made: ${error instanceof Error ? error.message : String(error)}. Name another directory.`,
      { cause: error },
    );
  }
}

function printReport(report: RestoreReport, { words }: CommandContext, ofIncident: boolean): void {
  const { touched, restored, alreadyIntact, quarantined, unrecoverable, conflicts, dryRun, items } = report;
  if (items.length > 0) print(restoreItemsText(items.slice(0, shownItems), words));
  if (items.length > shownItems) print(`… and ${formatCount(items.length - shownItems)} more (--json has all)`);
  if (touched === 0)
    print(
      ofIncident
        ? 'Nothing to undo: the journal holds no change by the processes of this incident.'
        : 'Nothing to restore: the vault holds no version of it. Protected are the directories in protect.roots.',
    );
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
