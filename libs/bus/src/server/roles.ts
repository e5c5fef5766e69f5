/** Who may say and hear what (contracts: "credentials per service, each allowed only its own subjects"). */
import {
  type ConsumerDeclaration,
  consumers,
  deadLetterSubject,
  deadLetters,
  durableOf,
  serviceNames,
  type ServiceName,
  type StreamDeclaration,
  streams,
  subjects,
} from '@kuramori/contracts';

export const roleNames = [...serviceNames, 'operator', 'integrator'] as const;
export type RoleName = (typeof roleNames)[number];

export interface Permissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  /** May answer requests it received. */
  readonly allowResponses: boolean;
}

/** A stream may be made (the same declaration is no change), looked at, never altered or deleted. */
function makeStream({ name }: StreamDeclaration): string[] {
  return [`$JS.API.STREAM.CREATE.${name}`, `$JS.API.STREAM.INFO.${name}`];
}

/** Only the request to make a consumer that carries its name and filter in its subject: the others could ask for another host's messages. */
function consume(declaration: ConsumerDeclaration, host: string): string[] {
  const { stream } = declaration;
  const durable = durableOf(declaration, host);
  return [
    `$JS.API.CONSUMER.CREATE.${stream}.${durable}.${declaration.subject(host)}`,
    `$JS.API.CONSUMER.INFO.${stream}.${durable}`,
    `$JS.API.CONSUMER.MSG.NEXT.${stream}.${durable}`,
    `$JS.ACK.${stream}.${durable}.>`,
    deadLetterSubject(declaration, host),
  ];
}

/** Reading again what a stream holds of a subject, through consumers of its own that nobody else depends on. Their names are made up for each reading: any is allowed. */
function read({ name }: StreamDeclaration, subject: string): string[] {
  return [
    `$JS.API.CONSUMER.CREATE.${name}.*.${subject}`,
    `$JS.API.CONSUMER.INFO.${name}.>`,
    `$JS.API.CONSUMER.MSG.NEXT.${name}.>`,
    `$JS.API.CONSUMER.DELETE.${name}.>`,
  ];
}

/** What a role may publish beside what its consumers need. */
function publishOf(role: RoleName, host: string): string[] {
  const command = (service: ServiceName, name: string) => subjects.command(host, service, name);
  switch (role) {
    case 'watcher':
      return [subjects.fileBatch(host), ...makeStream(streams.files), command('vault', 'catalogue'), command('vault', 'baseline')];
    case 'detector':
      return [
        subjects.verdict(host),
        ...makeStream(streams.files),
        ...makeStream(streams.vault),
        ...makeStream(streams.verdicts),
        ...read(streams.files, subjects.fileBatch(host)),
        ...read(streams.vault, subjects.vaultStored(host)),
        ...read(streams.verdicts, subjects.verdict(host)),
      ];
    case 'vault':
      return [
        subjects.vaultAll(host),
        ...makeStream(streams.files),
        ...makeStream(streams.vault),
        command('watcher', 'announce'),
        command('watcher', 'rescan'),
      ];
    case 'responder':
      return [
        subjects.incidentAll(host),
        ...makeStream(streams.verdicts),
        ...makeStream(streams.incidents),
        command('watcher', 'flush'),
        ...['undo', 'pin', 'quarantine', 'quarantine-file', 'release', 'report'].map((name) => command('vault', name)),
      ];
    case 'notifier':
      return makeStream(streams.incidents);
    case 'operator':
      return serviceNames.map((service) => command(service, '*'));
    case 'integrator':
      return [];
  }
}

/**
 * What nats-server shall allow a role: what is its own host's, or with `*` of any. A consumer's name is one token, so with `*` a role may take from every consumer of
 * its streams. The integrator publishes nothing at all: live events come by core subscribe, of all hosts (rules.md 21).
 */
export function permissionsOf(role: RoleName, host = '*'): Permissions {
  const inbox = `${inboxPrefixOf(role)}.>`;
  if (role === 'integrator') return { publish: [], subscribe: [subjects.incidentAll('*'), inbox], allowResponses: false };
  const own = Object.values(consumers).filter(({ service }) => service === role);
  const isService = role !== 'operator';
  return {
    publish: [
      ...new Set([
        ...publishOf(role, host),
        ...own.flatMap((declaration) => consume(declaration, host)),
        ...(isService ? makeStream(deadLetters) : []),
      ]),
    ],
    subscribe: [inbox, ...(isService ? [subjects.command(host, role, '>')] : [])],
    allowResponses: isService,
  };
}

export function inboxPrefixOf(role: RoleName): string {
  return `_INBOX_${role}`;
}
