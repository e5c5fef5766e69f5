import type { Command } from 'commander';
import { loadSettings, type Settings, settingsFile } from '@kuramori/config';
import { type Words, wordsOf } from '../output/words';

/** Options that many commands have. */
export interface CommonOptions {
  readonly config?: string;
  readonly json?: boolean;
}

export function withConfig(command: Command): Command {
  return command.option('--config <file>', 'settings file (default: $KURAMORI_CONFIG, then /etc/kuramori/kuramori.yaml)');
}

export function withJson(command: Command): Command {
  return withConfig(command).option('--json', 'print one JSON document on stdout; everything else goes to stderr');
}

export interface CommandContext {
  readonly settings: Settings;
  readonly settingsFile: string;
  readonly words: Words;
}

/** @throws SettingsError (exit status 2) */
export function contextOf(options: CommonOptions): CommandContext {
  const settings = loadSettings(options.config);
  return { settings, settingsFile: settingsFile(options.config), words: wordsOf(settings.language) };
}

export function printJson(document: object): void {
  process.stdout.write(`${JSON.stringify(document, undefined, 2)}\n`);
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
