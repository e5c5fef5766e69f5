import { readFileSync } from 'node:fs';
import path from 'node:path';
import { IsString, IsUrl, Matches } from 'class-validator';
import { parseMessage } from '@kuramori/contracts';
import type { Bus } from '../bus';
import { NatsBus } from '../nats/nats-bus';

/** Injection token of the {@link Bus}. */
export const BUS = Symbol('BUS');

/** `<credentials directory>/<role>.json`. */
export class BusCredentials {
  @IsUrl({ protocols: ['nats', 'tls'], require_protocol: true, require_tld: false })
  url: string;
  @IsString()
  user: string;
  @IsString()
  password: string;
  /** Prefix of reply subjects that the server allows this user. */
  @Matches(/^[A-Za-z0-9_.-]+$/)
  inboxPrefix: string;
}

/** @throws Error naming the file and what to do */
export function readCredentials(directory: string, role: string): BusCredentials {
  const file = path.join(directory, `${role}.json`);
  try {
    return parseMessage(BusCredentials, JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    throw new Error(
      `the bus credentials in ${file} can't be used: ${error instanceof Error ? error.message : String(error)}. 'kuramori up' makes them at its first start; for a server that it doesn't start (bus.url), 'kuramori bus init DIRECTORY'.`,
      { cause: error },
    );
  }
}

/** Connects as a role; `url`, where given, replaces the one in the credentials. */
export async function connectBus(credentialsDirectory: string, role: string, url?: string | null): Promise<Bus> {
  const credentials = readCredentials(credentialsDirectory, role);
  return NatsBus.connect({ ...credentials, url: url ?? credentials.url, name: `kuramori ${role}` });
}
