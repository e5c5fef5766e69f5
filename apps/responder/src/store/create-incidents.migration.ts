import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateIncidents1764000000000 implements MigrationInterface {
  // Written out: a bundler may rename classes, and the name is what the database remembers.
  readonly name = 'CreateIncidents1764000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      'CREATE TABLE "incident" ("id" text PRIMARY KEY NOT NULL, "attackId" text NOT NULL, "openedAtMs" integer NOT NULL, "state" text NOT NULL, "active" integer NOT NULL, "body" text NOT NULL)',
    );
    await runner.query('CREATE UNIQUE INDEX "incident_attack" ON "incident" ("attackId")');
    await runner.query('CREATE INDEX "incident_opened" ON "incident" ("openedAtMs")');
    await runner.query('CREATE INDEX "incident_active" ON "incident" ("active")');
    // AUTOINCREMENT: a sequence is never given twice, so the order of publication is that of the changes.
    await runner.query(
      'CREATE TABLE "outbox" ("sequence" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "messageId" text NOT NULL UNIQUE, "subject" text NOT NULL, "body" text NOT NULL)',
    );
    await runner.query('CREATE TABLE "setting" ("name" text PRIMARY KEY NOT NULL, "value" text NOT NULL)');
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of ['setting', 'outbox', 'incident']) await runner.query(`DROP TABLE "${table}"`);
  }
}
