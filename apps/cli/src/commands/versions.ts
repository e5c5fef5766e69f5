import type { Command } from 'commander';
import { type VersionInfo, safeText } from '@kuramori/contracts';
import { type ExitStatus, exitStatus } from '../exit';
import { withOperator } from '../operator/operator';
import { formatBytes, formatTime } from '../output/format';
import { table } from '../output/table';
import { exactArguments, vaultPath } from '../path-argument';
import { type CommonOptions, contextOf, print, printJson, withJson } from './context';

export function addVersions(program: Command, done: (status: ExitStatus) => void): void {
  withJson(program.command('versions'))
    .description('the stored versions of a file: time, size, actor, clean or suspect, pinned')
    .argument('<path>', 'the file; it need not exist any more')
    .action(async (given: string, options: CommonOptions) => {
      const { settings, words } = contextOf(options);
      const shown = process.argv.slice(2);
      const path = vaultPath(exactArguments(shown)[shown.indexOf(given)] ?? given, settings.protect.roots);
      const { versions = [] } = (await withOperator(settings, (operator) => operator.ask('vault', 'versions', { path }))) as {
        versions?: VersionInfo[];
      };
      if (options.json === true) printJson({ path, versions });
      else if (versions.length === 0)
        print(`The vault holds no version of ${safeText(path)}. Protected are: ${settings.protect.roots.map(safeText).join(', ')}`);
      else {
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
