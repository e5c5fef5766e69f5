import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DatabaseDefinition, DatabaseError, openDatabase } from '.';

class First1764000000000 implements MigrationInterface {
  readonly name = 'First1764000000000';
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE TABLE "thing" ("id" integer PRIMARY KEY)');
  }
  async down(): Promise<void> {
    throw new Error('never asked for');
  }
}
class Second1764000000001 implements MigrationInterface {
  readonly name = 'Second1764000000001';
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE "thing" ADD "word" text');
  }
  async down(): Promise<void> {
    throw new Error('never asked for');
  }
}

let directory = '';
let file = '';
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'kuramori-database-'));
  file = path.join(directory, 'service', 'service.sqlite');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const open = (migrations: DatabaseDefinition['migrations'] = [First1764000000000]) =>
  openDatabase({ file, entities: [], migrations, lossWithoutIt: 'things start anew' });

describe("a service's database", () => {
  it('is made private, keeps what was written, and is brought to a later form', async () => {
    const first = await open();
    await first.query('INSERT INTO "thing" VALUES (7)');
    await first.destroy();
    expect(statSync(path.dirname(file)).mode & 0o077).toBe(0);
    const later = await open([First1764000000000, Second1764000000001]);
    expect(await later.query('SELECT * FROM "thing"')).toEqual([{ id: 7, word: null }]);
    expect(await later.query('PRAGMA journal_mode')).toEqual([{ journal_mode: 'wal' }]);
    await later.destroy();
  });

  it('written by a newer version is refused, and not changed', async () => {
    await (await open([First1764000000000, Second1764000000001])).destroy();
    await expect(open()).rejects.toThrow(/newer version of Kuramori \(Second1764000000001\)/u);
    const again = await open([First1764000000000, Second1764000000001]);
    expect(await again.query('SELECT "word" FROM "thing"')).toEqual([]);
    await again.destroy();
  });

  it('that is damaged says what moving it away would cost', async () => {
    await (await open()).destroy();
    writeFileSync(file, 'this is no database at all, but long enough to have a header of sixteen bytes and more');
    await expect(open()).rejects.toThrow(DatabaseError);
    await expect(open()).rejects.toThrow(/move it away: things start anew/u);
  });

  it('in a place that is a file says so', async () => {
    writeFileSync(path.join(directory, 'service'), '');
    await expect(open()).rejects.toThrow(/service\.sqlite can't be used/u);
  });
});
