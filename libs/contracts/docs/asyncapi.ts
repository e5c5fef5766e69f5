/** Makes docs/asyncapi.yaml from the message classes: rules from class-validator, words from the doc comments. Run by `npm run docs`. */
import 'reflect-metadata';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
// The library names it `defaultMetadataStorage` in a file of its own; class-validator-jsonschema needs it to follow @Type.
import { defaultMetadataStorage } from 'class-transformer/cjs/storage.js';
import { validationMetadatasToSchemas } from 'class-validator-jsonschema';
import ts from 'typescript';
import { stringify } from 'yaml';
import * as contracts from '../src';

type Schema = Record<string, unknown> & { properties?: Record<string, Record<string, unknown>> };

/** Doc comments of classes and their fields: `Class` and `Class.field` → text. */
function readComments(directory: string): Map<string, string> {
  const comments = new Map<string, string>();
  for (const file of readdirSync(directory).filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))) {
    const source = ts.createSourceFile(file, readFileSync(path.join(directory, file), 'utf8'), ts.ScriptTarget.ES2024, true);
    const textOf = (node: ts.Node): string =>
      ts
        .getJSDocCommentsAndTags(node)
        .map((comment) => ts.getTextOfJSDocComment(comment.comment) ?? '')
        .join(' ')
        .replaceAll(/\{@link (\w+)[^}]*\}/gu, '$1')
        .replaceAll(/\s+/gu, ' ')
        .trim();
    source.forEachChild((node) => {
      if (!ts.isClassDeclaration(node) || node.name === undefined) return;
      comments.set(node.name.text, textOf(node));
      for (const member of node.members) {
        if (ts.isPropertyDeclaration(member) && ts.isIdentifier(member.name)) comments.set(`${node.name.text}.${member.name.text}`, textOf(member));
      }
    });
  }
  return comments;
}

const streamMessages = [
  { name: 'FileBatch', address: 'kuramori.v1.{host}.file.batch', stream: contracts.streams.files.name, sender: 'watcher' },
  { name: 'VaultStored', address: 'kuramori.v1.{host}.vault.stored', stream: contracts.streams.vault.name, sender: 'vault' },
  { name: 'VaultNotice', address: 'kuramori.v1.{host}.vault.{event}', stream: contracts.streams.vault.name, sender: 'vault' },
  { name: 'Verdict', address: 'kuramori.v1.{host}.verdict', stream: contracts.streams.verdicts.name, sender: 'detector' },
  { name: 'IncidentCloudEvent', address: 'kuramori.v1.{host}.incident.{event}', stream: contracts.streams.incidents.name, sender: 'responder' },
] as const;

const commandMessages: Readonly<Record<string, string>> = {
  'watcher.announce': 'AnnounceCommand',
  'watcher.rescan': 'RescanCommand',
  'vault.catalogue': 'CatalogueQuery',
  'vault.undo': 'UndoCommand',
  'vault.restore': 'RestoreCommand',
  'vault.report': 'ReportQuery',
  'vault.versions': 'VersionsQuery',
  'vault.pin': 'PinCommand',
  'vault.quarantine': 'QuarantineQuery',
  'vault.release': 'ReleaseCommand',
  'vault.quarantine-file': 'QuarantineFileCommand',
  'responder.incidents': 'IncidentsQuery',
  'responder.incident': 'IncidentQuery',
  'responder.decide': 'DecideCommand',
  'responder.undo': 'UndoIncidentCommand',
};

/** Every schema by class name, `$ref`s between them, with descriptions. */
function schemas(comments: ReadonlyMap<string, string>): Record<string, Schema> {
  const made = validationMetadatasToSchemas({
    refPointerPrefix: '#/components/schemas/',
    classTransformerMetadataStorage: defaultMetadataStorage,
  }) as Record<string, Schema>;
  for (const [name, schema] of Object.entries(made)) {
    const description = comments.get(name);
    if (description !== undefined && description !== '') schema.description = description;
    for (const [field, property] of Object.entries(schema.properties ?? {})) {
      const text = comments.get(`${name}.${field}`);
      if (text === undefined || text === '') continue;
      // Siblings of $ref are ignored by some readers: wrap it.
      const { $ref } = property;
      if (typeof $ref === 'string') {
        delete property.$ref;
        property.allOf = [{ $ref }];
      }
      property.description = text;
    }
  }
  return made;
}

/** The AsyncAPI 3.0 document as YAML. `sourceDirectory`: libs/contracts/src. */
export function asyncApiDocument(sourceDirectory: string): string {
  const all = schemas(readComments(sourceDirectory));
  const channels: Record<string, unknown> = {};
  const operations: Record<string, unknown> = {};
  const messages: Record<string, unknown> = {};
  const addMessage = (name: string) => {
    if (all[name] === undefined) throw new Error(`no schema for ${name}: has the class validation rules?`);
    messages[name] = { name, contentType: 'application/json', payload: { $ref: `#/components/schemas/${name}` } };
  };
  const parameters = (address: string): Record<string, object> =>
    Object.fromEntries(
      [...address.matchAll(/\{(\w+)\}/gu)].map(([, name = '']): [string, object] => [
        name,
        { description: name === 'host' ? 'The protected server, characters outside A-Za-z0-9_- as _.' : 'What happened.' },
      ]),
    );
  for (const { name, address, stream, sender } of streamMessages) {
    addMessage(name);
    channels[name] = {
      address,
      description: `JetStream stream ${stream}.`,
      parameters: parameters(address),
      messages: { [name]: { $ref: `#/components/messages/${name}` } },
    };
    operations[`publish${name}`] = { action: 'send', channel: { $ref: `#/channels/${name}` }, summary: `Published by the ${sender}.` };
  }
  for (const [command, name] of Object.entries(commandMessages)) {
    addMessage(name);
    const [service = ''] = command.split('.');
    channels[command] = {
      address: `kuramori.v1.{host}.command.${command}`,
      description: 'Core NATS request/reply; the reply is a CommandReply {ok, result?, error?, code?}.',
      parameters: parameters('{host}'),
      messages: { [name]: { $ref: `#/components/messages/${name}` } },
    };
    operations[`answer-${command}`] = { action: 'receive', channel: { $ref: `#/channels/${command}` }, summary: `Answered by the ${service}.` };
  }
  return stringify(
    {
      asyncapi: '3.0.0',
      info: {
        title: 'Kuramori',
        version: '1.0.0',
        description:
          'Messages between the services of Kuramori, and what integrators hear. Generated from libs/contracts by `npm run docs`: do not edit.',
        license: { name: 'Apache-2.0' },
      },
      defaultContentType: 'application/json',
      channels,
      operations,
      components: { messages, schemas: all },
    },
    { aliasDuplicateObjects: false },
  );
}
