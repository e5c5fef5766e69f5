import path from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { writeForeignServerFiles } from '@kuramori/bus';
import { CommandFailure, type ExitStatus, exitStatus } from '../exit';
import { print } from './context';

export function addBus(program: Command, done: (status: ExitStatus) => void): void {
  program
    .command('bus')
    .description('the message bus')
    .command('init')
    .description('makes credentials for a nats-server that Kuramori does not start (bus.url, docker/compose.yaml)')
    .argument('<directory>', 'for bus.credentials; passwords that are in it stay as they are')
    .option('--url <url>', 'where the server will listen', parseUrl, 'nats://127.0.0.1:4222')
    .action((directory: string, { url }: { url: string }) => {
      const target = path.resolve(directory);
      try {
        const environment = writeForeignServerFiles(target, url);
        print(`${target}: one file of credentials for each service, the operator and integrators; set bus.credentials to this directory`);
        print(`${environment}: the passwords for docker/nats-server.conf, which reads them from the environment`);
      } catch (error) {
        throw new CommandFailure(exitStatus.failed, `${target} can't be written: ${error instanceof Error ? error.message : String(error)}`, {
          cause: error,
        });
      }
      done(exitStatus.done);
    });
}

function parseUrl(text: string): string {
  if (!/^(?:nats|tls):\/\/[^\s/]+$/u.test(text)) throw new InvalidArgumentError('allowed: nats://host:port or tls://host:port');
  return text;
}
