import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { writeServerFiles } from '@kuramori/bus';
import { servicePort, type Settings } from '@kuramori/config';
import { serviceNames } from '@kuramori/contracts';
import type { BusHealthDetails } from '@kuramori/ops';
import { CommandFailure, type ExitStatus, exitStatus } from '../exit';
import { requireCredentials } from '../operator/credentials';
import { askHealth, collectStatus } from '../status/collect-status';
import { endingWithUs, findNatsServer, requireFreePorts } from '../up/nats-server';
import { terminalLine } from '../up/render-line';
import { endLeftovers, prepareDataDir, takeLock } from '../up/run-directory';
import type { ProcessSpec } from '../up/supervised-process';
import { Supervisor } from '../up/supervisor';
import { type CommonOptions, contextOf, withConfig } from './context';

export function addUp(program: Command, done: (status: ExitStatus) => void): void {
  withConfig(program.command('up'))
    .description('starts the bus and every service, restarts what dies, stops all on Ctrl-C or SIGTERM')
    .addHelpText(
      'after',
      '\nRuns until it is stopped. Everything is checked before anything is started: exit status 2 wrong settings, 1 something is missing or in use.',
    )
    .action(async (options: CommonOptions) => {
      const { settings, settingsFile } = contextOf(options);
      done(await up(settings, settingsFile));
    });
}

const say = (line: string) => process.stdout.write(`${line}\n`);
const note = (text: string) => say(terminalLine('kuramori', text));

async function up(settings: Settings, settingsFile: string): Promise<ExitStatus> {
  const { dataDir } = settings;
  const entryPoints = findServices();
  const natsServer = settings.bus.url === null ? findNatsServer(process.env.PATH ?? '') : undefined;
  if (natsServer === undefined) requireCredentials(settings, [...serviceNames, 'operator']);
  prepareDataDir(dataDir, note);
  const lock = takeLock(dataDir);
  try {
    const leftovers = await endLeftovers(dataDir);
    if (leftovers.length > 0) note(`an earlier run was killed; ended what it left behind: ${leftovers.join(', ')}`);
    await requireFreePorts([
      ...serviceNames.map((service) => ({ host: settings.http.bind, port: servicePort(settings, service), what: service, key: 'http.port' })),
      ...(natsServer === undefined ? [] : [{ host: '127.0.0.1', port: settings.bus.port, what: 'nats-server', key: 'bus.port' }]),
    ]);
    const env = {
      ...process.env,
      KURAMORI_CONFIG: settingsFile,
      KURAMORI_SUPERVISED: '1',
      // What Node has compiled once it need not compile again: half of a cold start.
      NODE_COMPILE_CACHE: path.join(dataDir, 'run', 'compile-cache'),
    };
    const supervisor = new Supervisor({
      dataDir,
      logDir: path.join(dataDir, 'log'),
      roots: settings.protect.roots,
      services: entryPoints.map(({ name, file }): ProcessSpec => ({ name, command: process.execPath, args: [file], env })),
      server:
        natsServer === undefined
          ? undefined
          : {
              name: 'nats-server',
              ...endingWithUs(natsServer, ['--config', serverConfiguration(settings)], process.env.PATH ?? ''),
              env: process.env,
            },
      status: () => collectStatus(settings),
      // The watcher speaks every two seconds: nobody notices sooner.
      busStuckMs: async () => {
        const answer = await askHealth(settings, 'watcher');
        return 'health' in answer ? ((answer.health.details as Partial<BusHealthDetails>).busStuckMs ?? 0) : 0;
      },
      say,
    });
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => supervisor.stop(signal));
    for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
      process.on(event, (error: unknown) => {
        note(`${event}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
        supervisor.stop('an error in up itself');
        process.exitCode = exitStatus.failed;
      });
    }
    note(
      `starting ${[...(natsServer === undefined ? [] : ['nats-server']), ...serviceNames].join(', ')}; settings ${settingsFile}, data ${dataDir}, mode ${settings.mode}`,
    );
    const end = await supervisor.run();
    if (end.message !== undefined) throw new CommandFailure(end.status === 2 ? exitStatus.usage : exitStatus.failed, end.message);
    note('stopped: nothing of Kuramori is running, and nothing is protected now');
    return process.exitCode === exitStatus.failed ? exitStatus.failed : exitStatus.done;
  } finally {
    lock.release();
  }
}

/** @throws CommandFailure for what an operator can put right */
function serverConfiguration({ dataDir, bus, host }: Settings): string {
  try {
    return writeServerFiles({ dataDir, credentials: bus.credentials, port: bus.port, host });
  } catch (error) {
    throw new CommandFailure(
      exitStatus.failed,
      `the files of nats-server can't be written in ${dataDir} or in ${bus.credentials} (bus.credentials): ${error instanceof Error ? error.message : String(error)}. Free some space, or see who owns them.`,
      { cause: error },
    );
  }
}

/** The services' bundles stand beside this one; tests put others there. */
function findServices(): { readonly name: string; readonly file: string }[] {
  const dist = process.env.KURAMORI_DIST ?? path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
  const found = serviceNames.map((name) => ({ name, file: path.join(dist, 'apps', name, 'main.mjs') }));
  const missing = found.filter(({ file }) => !existsSync(file));
  if (missing.length > 0)
    throw new CommandFailure(exitStatus.failed, `not built: ${missing.map(({ file }) => file).join(', ')} missing. Run: npm run setup`);
  return found;
}
