import { statSync } from 'node:fs';
import type { Command } from 'commander';
import type { Settings } from '@kuramori/config';
import { type VersionInfo, safeText } from '@kuramori/contracts';
import { fsPath } from '@kuramori/platform';
import { type ExitStatus, exitStatus } from '../exit';
import { CommandRefused, type Operator, withOperator } from '../operator/operator';
import { formatBytes, formatTime } from '../output/format';
import { table } from '../output/table';
import { exactLookup, lostBytesHint, vaultPath } from '../path-argument';
import { type CommonOptions, contextOf, print, printJson, withJson } from './context';

export function addVersions(program: Command, done: (status: ExitStatus) => void): void {
  withJson(program.command('versions'))
    .description('the stored versions of a file: time, size, actor, clean or suspect, pinned')
    .argument('<path>', 'the file; it need not exist any more')
    .action(async (given: string, options: CommonOptions) => {
      const { settings, words } = contextOf(options);
      const path = vaultPath(exactLookup()(given), settings.protect.roots);
      const versions = await withOperator(settings, (operator) => versionsOf(operator, path));
      if (options.json === true) printJson({ path, versions });
      if (versions.length === 0) {
        const why = `The vault holds no version of ${safeText(path)}${whyNone(path, settings)}${lostBytesHint(path)}`;
        if (options.json === true) process.stderr.write(`${why}\n`);
        else print(why);
      } else if (options.json !== true) {
        const rows = versions.map(({ version, at, sizeBytes, state, pinned, actor }) => [
          String(version),
          formatTime(at),
          formatBytes(sizeBytes),
          state,
          pinned ? 'yes' : '',
          safeText(actor),
        ]);
        print(table(['version', words.time, words.size, words.state, 'pinned', words.by], rows, 5));
      }
      done(versions.length === 0 ? exitStatus.failed : exitStatus.done);
    });
}

async function versionsOf(operator: Operator, path: string): Promise<VersionInfo[]> {
  try {
    const { versions = [] } = (await operator.ask('vault', 'versions', { path })) as { versions?: VersionInfo[] };
    return versions;
  } catch (error) {
    if (error instanceof CommandRefused && error.code === 'not-found') return [];
    throw error;
  }
}

/** Said only when there is none: what is a directory now may have been a file, and what is no longer protected may have been. */
function whyNone(path: string, { protect: { roots } }: Settings): string {
  if (!roots.some((root) => path === root || path.startsWith(`${root}/`)))
    return `: it is not below protect.roots (${roots.map(safeText).join(', ')}).`;
  let isDirectory = false;
  try {
    isDirectory = statSync(fsPath(path)).isDirectory();
  } catch {
    // Gone, or never there.
  }
  return isDirectory
    ? `: it is a directory. What of it would be restored says: kuramori restore PATH --dry-run --at TIME`
    : `. Protected are: ${roots.map(safeText).join(', ')}.`;
}
