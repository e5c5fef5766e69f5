import { spawnSync } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { CommandFailure, exitStatus } from '../exit';

/** @throws CommandFailure with how to install it */
export function findNatsServer(searchPath: string): string {
  const found = findProgram('nats-server', searchPath);
  if (found !== undefined) return found;
  throw new CommandFailure(
    exitStatus.failed,
    "nats-server was not found on the PATH. Install it (Debian, Ubuntu: apt-get install nats-server; others: https://nats.io/download), or name your site's own NATS in bus.url.",
  );
}

function findProgram(name: string, searchPath: string): string | undefined {
  for (const directory of searchPath.split(path.delimiter)) {
    if (directory === '') continue;
    const file = path.join(directory, name);
    try {
      accessSync(file, constants.X_OK);
      if (statSync(file).isFile()) return file;
    } catch {
      // Not here.
    }
  }
  return undefined;
}

/**
 * How to start a program that knows nothing of us so that it ends when we do, even by kill -9: setpriv (util-linux) has the kernel send SIGTERM when the thread that
 * started it, Node's first one, is gone, and becomes the program itself, so pid and start time are the program's. Where there is no such setpriv (busybox has another
 * one) the program is started as it is, and the next `up` ends it.
 */
export function endingWithUs(command: string, args: readonly string[], searchPath: string): { command: string; args: readonly string[] } {
  const setpriv = findProgram('setpriv', searchPath);
  const options = ['--pdeathsig', 'TERM'];
  if (setpriv === undefined || spawnSync(setpriv, [...options, process.execPath, '--version'], { stdio: 'ignore' }).status !== 0)
    return { command, args };
  return { command: setpriv, args: [...options, command, ...args] };
}

/** @throws CommandFailure naming every port that another program has, or the address that is none of this machine */
export async function requireFreePorts(
  wanted: readonly { readonly host: string; readonly port: number; readonly what: string; readonly key: string }[],
): Promise<void> {
  const problems = await Promise.all(
    wanted.map(async ({ host, port, what, key }) => {
      const code = await tryListen(host, port);
      if (code === undefined) return [];
      if (code === 'EADDRINUSE') return [`port ${port} on ${host} (${what}) is in use by another program: end it, or choose another ${key}`];
      if (code === 'EADDRNOTAVAIL') throw new CommandFailure(exitStatus.usage, `http.bind: ${host} is not an address of this machine`);
      return [`port ${port} on ${host} (${what}) can't be used: ${code}. Choose another ${key}, or run as root`];
    }),
  );
  const found = problems.flat();
  if (found.length > 0) throw new CommandFailure(exitStatus.failed, found.join('\n'));
}

/** The error's code, or undefined when the port is free. */
function tryListen(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}
