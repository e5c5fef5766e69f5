import { type Command, InvalidArgumentError } from 'commander';
import { type ExitStatus, exitStatus } from '../exit';
import { collectStatus } from '../status/collect-status';
import { statusText } from '../status/print-status';
import { nothingRuns } from '../status/status-report';
import { waitUntilReady } from '../status/wait-until-ready';
import { type CommonOptions, contextOf, print, printJson, withJson } from './context';

/** A baseline of a large share takes its time; scripts that know better say so. */
const defaultWaitS = 600;
const maxWaitS = 86_400;

export function addStatus(program: Command, done: (status: ExitStatus) => void): void {
  withJson(program.command('status'))
    .description('health of each service, progress of the first copy, lag, vault size, open incidents')
    .option('--wait [seconds]', `wait until everything is protected, at most this long (default ${defaultWaitS})`, parseSeconds)
    .addHelpText('after', '\nExit status: 0 everything is protected, 1 it is not (yet), 3 Kuramori is not running.')
    .action(async (options: CommonOptions & { wait?: number | true }) => {
      const { settings, words } = contextOf(options);
      const collect = () => collectStatus(settings);
      const seconds = options.wait === true ? defaultWaitS : options.wait;
      const report = seconds === undefined ? await collect() : await waitUntilReady(collect, seconds * 1000);
      if (options.json === true) printJson(report);
      else if (!nothingRuns(report)) print(statusText(report, words));
      if (nothingRuns(report)) {
        process.stderr.write('Kuramori is not running here. Start it: kuramori up\n');
        done(exitStatus.notRunning);
        return;
      }
      if (seconds !== undefined && !report.ready) process.stderr.write(`still not ready after ${seconds} s\n`);
      done(report.ready ? exitStatus.done : exitStatus.failed);
    });
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!/^\d+(\.\d+)?$/u.test(text) || seconds > maxWaitS) throw new InvalidArgumentError(`allowed: seconds from 0 to ${maxWaitS}`);
  return seconds;
}
