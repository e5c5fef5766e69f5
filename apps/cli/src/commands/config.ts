import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { defaultSettingsYaml, loadSettings, SettingsError, settingsFile, settingsJsonSchema } from '@kuramori/config';
import { CommandFailure, type ExitStatus, exitStatus } from '../exit';
import { type CommonOptions, print, printJson, withJson } from './context';

export function addConfig(program: Command, done: (status: ExitStatus) => void): void {
  const config = program.command('config').description('the settings: write a commented default, check, print the JSON Schema');

  config
    .command('init')
    .description('writes a commented default to stdout, or to a new file')
    .argument('[file]', 'a file that does not exist yet')
    .action((file: string | undefined) => {
      if (file === undefined) process.stdout.write(defaultSettingsYaml());
      else {
        try {
          // Secrets may follow: for the owner alone.
          writeFileSync(file, defaultSettingsYaml(), { flag: 'wx', mode: 0o600 });
        } catch (error) {
          const why =
            (error as NodeJS.ErrnoException).code === 'EEXIST' ? 'it exists already' : error instanceof Error ? error.message : String(error);
          throw new CommandFailure(exitStatus.failed, `${file} was not written: ${why}`, { cause: error });
        }
        print(`${file} written: set protect.roots in it, then: kuramori config check --config ${file}`);
      }
      done(exitStatus.done);
    });

  withJson(config.command('check'))
    .description('says everything that is wrong with the settings')
    .action((options: CommonOptions) => {
      const file = settingsFile(options.config);
      let problems: readonly string[] = [];
      try {
        loadSettings(options.config);
      } catch (error) {
        if (!(error instanceof SettingsError)) throw error;
        if (options.json !== true) throw error;
        problems = error.problems;
      }
      if (options.json === true) printJson({ file, valid: problems.length === 0, problems });
      else print(`${file}: all settings are right`);
      done(problems.length === 0 ? exitStatus.done : exitStatus.usage);
    });

  config
    .command('schema')
    .description('prints the JSON Schema of kuramori.yaml, for editors')
    .action(async () => {
      printJson(await settingsJsonSchema());
      done(exitStatus.done);
    });
}
