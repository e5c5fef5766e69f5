/** Who may say and hear what (contracts: "credentials per service, each allowed only its own subjects"). */
import {
  type ConsumerDeclaration,
  consumers,
  deadLetterSubject,
  deadLetters,
  serviceNames,
  type ServiceName,
  type StreamDeclaration,
  streams,
} from '@kuramori/contracts';

export const roleNames = [...serviceNames, 'operator', 'integrator'] as const;
export type RoleName = (typeof roleNames)[number];

export interface Permissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  /** May answer requests it received. */
  readonly allowResponses: boolean;
}

const anyHost = 'kuramori.v1.*';

/** A stream may be made (the same declaration is no change), looked at, never altered or deleted. */
function makeStream({ name }: StreamDeclaration): string[] {
  return [`$JS.API.STREAM.CREATE.${name}`, `$JS.API.STREAM.INFO.${name}`];
}

function consume({ stream, durable }: ConsumerDeclaration): string[] {
  return [
    `$JS.API.CONSUMER.DURABLE.CREATE.${stream}.${durable}`,
    `$JS.API.CONSUMER.CREATE.${stream}.${durable}.>`,
    `$JS.API.CONSUMER.CREATE.${stream}.${durable}`,
    `$JS.API.CONSUMER.INFO.${stream}.${durable}`,
    `$JS.API.CONSUMER.MSG.NEXT.${stream}.${durable}`,
    `$JS.ACK.${stream}.${durable}.>`,
    deadLetterSubject(durable),
  ];
}

/** Reading again what a stream holds, through consumers of its own that nobody else depends on. */
function read({ name }: StreamDeclaration): string[] {
  return [
    `$JS.API.CONSUMER.CREATE.${name}`,
    `$JS.API.CONSUMER.CREATE.${name}.>`,
    `$JS.API.CONSUMER.INFO.${name}.>`,
    `$JS.API.CONSUMER.MSG.NEXT.${name}.>`,
    `$JS.API.CONSUMER.DELETE.${name}.>`,
  ];
}

const command = (service: ServiceName, name: string) => `${anyHost}.command.${service}.${name}`;

const publish: Readonly<Record<RoleName, readonly string[]>> = {
  watcher: [`${anyHost}.file.batch`, ...makeStream(streams.files), command('vault', 'catalogue'), command('vault', 'baseline')],
  detector: [
    `${anyHost}.verdict`,
    ...makeStream(streams.files),
    ...makeStream(streams.vault),
    ...makeStream(streams.verdicts),
    ...read(streams.files),
    ...read(streams.vault),
    ...read(streams.verdicts),
  ],
  vault: [
    `${anyHost}.vault.>`,
    ...makeStream(streams.files),
    ...makeStream(streams.vault),
    command('watcher', 'announce'),
    command('watcher', 'rescan'),
  ],
  responder: [
    `${anyHost}.incident.>`,
    ...makeStream(streams.verdicts),
    ...makeStream(streams.incidents),
    command('watcher', 'flush'),
    ...['undo', 'pin', 'quarantine', 'quarantine-file', 'release', 'report'].map((name) => command('vault', name)),
  ],
  notifier: [...makeStream(streams.incidents)],
  operator: serviceNames.map((service) => command(service, '*')),
  integrator: [],
};

/** What nats-server shall allow a role. The integrator publishes nothing at all: live events come by core subscribe (rules.md 21). */
export function permissionsOf(role: RoleName): Permissions {
  const inbox = `${inboxPrefixOf(role)}.>`;
  if (role === 'integrator') return { publish: [], subscribe: [`${anyHost}.incident.>`, inbox], allowResponses: false };
  const own = Object.values(consumers).filter(({ service }) => service === role);
  const isService = role !== 'operator';
  return {
    publish: [...new Set([...publish[role], ...own.flatMap(consume), ...(isService ? makeStream(deadLetters) : [])])],
    subscribe: [inbox, ...(isService ? [`${anyHost}.command.${role}.>`] : [])],
    allowResponses: isService,
  };
}

export function inboxPrefixOf(role: RoleName): string {
  return `_INBOX_${role}`;
}
