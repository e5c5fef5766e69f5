import 'reflect-metadata';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { getMetadataStorage } from 'class-validator';
import { describe, expect, it } from 'vitest';
import * as contracts from '.';
import { InvalidMessageError, type MessageClass, parseMessage } from '.';

const directory = path.resolve('test/golden');
/** Parts of messages: they travel inside others and stand in their samples. */
const parts = new Set([
  'Actor',
  'ProcessRef',
  'FileStat',
  'ContentFeatures',
  'FileFact',
  'BlockComparison',
  'ObservedChange',
  'Technique',
  'Evidence',
  'VerdictMember',
  'IncidentActor',
  'IncidentAction',
  'IncidentFiles',
  'AnnouncedChange',
  'CatalogueEntry',
  'RestoreItem',
]);
/** Shapes of replies that only carry what a class above already checks. */
const replies = new Set(['CommandReply', 'VersionInfo', 'QuarantineEntry', 'InvalidMessageError']);

const classes = new Map(
  Object.entries(contracts)
    .filter((entry): entry is [string, MessageClass<object>] => typeof entry[1] === 'function' && /^[A-Z]/u.test(entry[0]))
    .filter(([name]) => !parts.has(name) && !replies.has(name)),
);
const sample = (name: string): Record<string, unknown> =>
  JSON.parse(readFileSync(path.join(directory, `${name}.json`), 'utf8')) as Record<string, unknown>;

describe('golden samples', () => {
  it('exist for every message, and for nothing else', () => {
    expect(readdirSync(directory).sort()).toEqual([...classes.keys()].map((name) => `${name}.json`).sort());
  });

  it.each([...classes])('%s reads its sample and writes it again unchanged', (name, type) => {
    expect(JSON.parse(JSON.stringify(parseMessage(type, sample(name))))).toEqual(sample(name));
  });

  it.each([...classes])('%s names a required field that is missing', (name, type) => {
    const optional = new Set(
      getMetadataStorage()
        .getTargetValidationMetadatas(type, '', false, false)
        .filter((metadata) => metadata.name === 'isOptional' || metadata.type === 'conditionalValidation')
        .map((metadata) => metadata.propertyName),
    );
    for (const field of Object.keys(sample(name)).filter((key) => !optional.has(key))) {
      const broken = Object.fromEntries(Object.entries(sample(name)).filter(([key]) => key !== field));
      expect(() => parseMessage(type, broken), field).toThrow(InvalidMessageError);
      expect(() => parseMessage(type, broken)).toThrow(new RegExp(`${name} is not valid: ${field}`, 'u'));
    }
  });

  it('drop fields they do not know, so that a newer sender is understood', () => {
    const parsed = parseMessage(contracts.JournalPosition, { ...sample('JournalPosition'), invented: true });
    expect(parsed).not.toHaveProperty('invented');
  });

  it.each([[null], [[]], ['text'], [7]])('refuse a body that is %j', (body) => {
    expect(() => parseMessage(contracts.JournalPosition, body)).toThrow('must be a JSON object');
  });
});
