import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateNotices1764000000000 implements MigrationInterface {
  // Written out: a bundler may rename classes, and the name is what the database remembers.
  readonly name = 'CreateNotices1764000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      'CREATE TABLE "notice" ("channel" text NOT NULL, "incidentId" text NOT NULL, "kind" text NOT NULL, "state" text NOT NULL, "createdAtMs" integer NOT NULL, "dueAtMs" integer NOT NULL, "tries" integer NOT NULL, "problem" text NOT NULL, "incident" text NOT NULL, PRIMARY KEY ("channel", "incidentId", "kind"))',
    );
    await runner.query('CREATE INDEX "notice_due" ON "notice" ("state", "dueAtMs")');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE "notice"');
  }
}
