import { connect as connectSocket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type Bus, BusUnavailableError, callCommand, connectBus, readCredentials } from '@kuramori/bus';
import type { Settings } from '@kuramori/config';
import type { CommandReply, ServiceName } from '@kuramori/contracts';
import { CommandFailure, exitStatus } from '../exit';
import { requireCredentials } from './credentials';

/** On one machine a connection takes milliseconds; over a site's own NATS some more. */
const connectTimeoutMs = 5000;
/** The last word about a large restore comes when it is done. */
export const longCommandTimeoutMs = 15 * 60_000;
const shortCommandTimeoutMs = 30_000;

/** A service's own word that it can't do it. */
export class CommandRefused extends CommandFailure {
  constructor(
    readonly code: CommandReply['code'],
    message: string,
  ) {
    super(code === 'invalid' ? exitStatus.usage : exitStatus.failed, message);
  }
}

/** What an operator may ask of the services. */
export interface Operator {
  /** The reply's result. @throws CommandFailure with what the service said was wrong */
  ask(service: ServiceName, name: string, payload: object, timeoutMs?: number): Promise<unknown>;
}

/** Connects with the operator's credentials, does the work, and lets go. @throws CommandFailure status 3 when nothing runs */
export async function withOperator<T>(settings: Settings, work: (operator: Operator) => Promise<T>): Promise<T> {
  const bus = await connectAsOperator(settings);
  try {
    return await work({
      ask: async (service, name, payload, timeoutMs = shortCommandTimeoutMs) => ask(bus, settings.host, service, name, payload, timeoutMs),
    });
  } finally {
    // Everything was answered: a server that has gone meanwhile must not hold up the prompt.
    await Promise.race([bus.drain().catch(() => undefined), delay(1000)]);
  }
}

const notRunning = (settings: Settings, why: string, cause?: unknown) =>
  new CommandFailure(exitStatus.notRunning, `Kuramori is not running here (${why}; data in ${settings.dataDir}). Start it: kuramori up`, { cause });

async function connectAsOperator(settings: Settings): Promise<Bus> {
  const { credentials, url } = settings.bus;
  let address: string;
  try {
    address = url ?? readCredentials(credentials, 'operator').url;
    readCredentials(credentials, 'operator');
  } catch (error) {
    const code = error instanceof Error && error.cause instanceof Error ? (error.cause as NodeJS.ErrnoException).code : undefined;
    if (code === 'EACCES')
      throw new CommandFailure(
        exitStatus.failed,
        `not allowed to read the bus credentials in ${credentials}: run this as the user who started Kuramori (root)`,
        { cause: error },
      );
    if (url !== null) requireCredentials(settings, ['operator']);
    throw notRunning(settings, 'it has never been started', error);
  }
  // The client waits for ever for a server that is not there: so it is looked for first.
  const { hostname, port } = new URL(address);
  if (!(await answers(hostname.replaceAll(/[[\]]/gu, ''), Number(port === '' ? '4222' : port))))
    throw notRunning(settings, `no message bus at ${address}`);
  const bus = await Promise.race([connectBus(credentials, 'operator', url), delay(connectTimeoutMs, undefined, { ref: false })]);
  if (bus === undefined)
    throw new CommandFailure(
      exitStatus.failed,
      `the message bus at ${address} did not let us in within ${connectTimeoutMs / 1000} s: are the credentials in ${credentials} its own?`,
    );
  return bus;
}

function answers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectSocket({ host, port, timeout: 2000 });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
    socket.once('timeout', () => end(false));
  });
}

async function ask(bus: Bus, host: string, service: ServiceName, name: string, payload: object, timeoutMs: number): Promise<unknown> {
  const reply = await callCommand(bus, host, service, name, payload, { timeoutMs }).catch((error: unknown) => {
    if (error instanceof BusUnavailableError) {
      throw new CommandFailure(exitStatus.notRunning, `the ${service} service does not answer. 'kuramori status' tells how it is.`, { cause: error });
    }
    throw error;
  });
  if (reply.ok) return reply.result ?? {};
  throw new CommandRefused(reply.code, reply.error ?? `the ${service} service refused without saying why`);
}
