import 'reflect-metadata';
import { Command, CommanderError } from 'commander';
import { SettingsError } from '@kuramori/config';
import { safeText } from '@kuramori/contracts';
import { version } from '../../../package.json';
import { addBus } from './commands/bus';
import { addConfig } from './commands/config';
import { addIncidents } from './commands/incidents';
import { addQuarantine } from './commands/quarantine';
import { addRestore } from './commands/restore';
import { addStatus } from './commands/status';
import { addUp } from './commands/up';
import { addVersions } from './commands/versions';
import { CommandFailure, type ExitStatus, exitStatus } from './exit';

/** A reader that has enough (`kuramori incidents | head`) is no failure. */
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

const program = new Command('kuramori')
  .description('Anti-ransomware for file servers that loses no file')
  .addHelpText('after', '\nExit status: 0 done, 1 failed or found something, 2 wrong usage or settings, 3 not running.')
  .version(version)
  // So that `restore --version N` is restore's.
  .enablePositionalOptions()
  .showHelpAfterError('(--help tells how)')
  .exitOverride();

let status: ExitStatus = exitStatus.done;
const done = (reached: ExitStatus): void => {
  status = reached;
};
for (const add of [addUp, addStatus, addIncidents, addRestore, addVersions, addQuarantine, addConfig, addBus]) add(program, done);

try {
  await program.parseAsync();
} catch (error) {
  status = failed(error);
}
// Written out first: an exit would cut off what still waits for a slow pipe. Anything left open (a lost connection) must not hold the prompt.
process.stdout.write('', () => process.exit(status));

function failed(error: unknown): ExitStatus {
  // Commander has said already what was wrong, or has shown the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitStatus.done : exitStatus.usage;
  if (error instanceof SettingsError) {
    process.stderr.write(`${error.message}\n`);
    return exitStatus.usage;
  }
  if (error instanceof CommandFailure) {
    // What a service or the system says may name a file, and a name can hold anything.
    process.stderr.write(`${error.message.split('\n').map(safeText).join('\n')}\n`);
    return error.status;
  }
  process.stderr.write(`kuramori: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return exitStatus.failed;
}
