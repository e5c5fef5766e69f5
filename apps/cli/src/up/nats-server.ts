import { accessSync, constants, statSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { CommandFailure, exitStatus } from '../exit';

/** @throws CommandFailure with how to install it */
export function findNatsServer(searchPath: string): string {
  for (const directory of searchPath.split(path.delimiter)) {
    if (directory === '') continue;
    const file = path.join(directory, 'nats-server');
    try {
      accessSync(file, constants.X_OK);
      if (statSync(file).isFile()) return file;
    } catch {
      // Not here.
    }
  }
  throw new CommandFailure(
    exitStatus.failed,
    "nats-server was not found on the PATH. Install it (Debian, Ubuntu: apt-get install nats-server; others: https://nats.io/download), or name your site's own NATS in bus.url.",
  );
}

/** @throws CommandFailure naming every port that another program has */
export async function requireFreePorts(
  wanted: readonly { readonly host: string; readonly port: number; readonly what: string; readonly key: string }[],
): Promise<void> {
  const problems = await Promise.all(
    wanted.map(async ({ host, port, what, key }) => {
      const code = await tryListen(host, port);
      if (code === undefined) return [];
      if (code === 'EADDRINUSE') return [`port ${port} on ${host} (${what}) is in use by another program: end it, or choose another ${key}`];
      if (code === 'EADDRNOTAVAIL') return [`${host} (http.bind) is not an address of this machine`];
      return [`port ${port} on ${host} (${what}) can't be used: ${code}. Choose another ${key}, or run as root`];
    }),
  );
  const found = [...new Set(problems.flat())];
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
