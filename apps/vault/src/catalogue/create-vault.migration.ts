import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Names of states are words, 64-bit numbers decimal text: JSON and JavaScript numbers would round them. */
const statements = [
  `CREATE TABLE "file" ("id" integer PRIMARY KEY, "path" text NOT NULL, "present" integer NOT NULL, "kind" text NOT NULL, "dev" text NOT NULL, "ino" text NOT NULL,
    "size" integer NOT NULL, "mtimeNs" text NOT NULL, "ctimeNs" text NOT NULL, "mode" integer NOT NULL, "uid" integer NOT NULL, "gid" integer NOT NULL, "nlink" integer NOT NULL,
    "version" integer, "lastNumber" integer NOT NULL, "pendingSinceMs" real, "pendingActor" text, "pendingEntry" integer, "goneSinceMs" real)`,
  'CREATE UNIQUE INDEX "file_present_path" ON "file" ("path") WHERE "present" = 1',
  'CREATE INDEX "file_absent_path" ON "file" ("path") WHERE "present" = 0',
  'CREATE INDEX "file_gone" ON "file" ("goneSinceMs") WHERE "present" = 0',
  'CREATE INDEX "file_inode" ON "file" ("ino", "dev") WHERE "present" = 1',
  'CREATE INDEX "file_pending" ON "file" ("pendingSinceMs") WHERE "pendingSinceMs" IS NOT NULL',
  `CREATE TABLE "version" ("id" integer PRIMARY KEY, "fileId" integer NOT NULL, "number" integer NOT NULL, "atMs" real NOT NULL, "kind" text NOT NULL, "sha256" text NOT NULL,
    "size" integer NOT NULL, "chunks" text, "mode" integer NOT NULL, "uid" integer NOT NULL, "gid" integer NOT NULL, "mtimeNs" text NOT NULL,
    "actor" text NOT NULL, "actorWords" text NOT NULL, "state" text NOT NULL, "pinned" integer NOT NULL, "pinnedUntilMs" real, "features" text)`,
  'CREATE INDEX "version_file" ON "version" ("fileId")',
  'CREATE INDEX "version_actor" ON "version" ("actor", "atMs")',
  'CREATE INDEX "version_pinned" ON "version" ("pinnedUntilMs") WHERE "pinned" = 1',
  'CREATE TABLE "content" ("sha256" text PRIMARY KEY, "size" integer NOT NULL, "stored" integer NOT NULL, "refs" integer NOT NULL) WITHOUT ROWID',
  'CREATE INDEX "content_unused" ON "content" ("refs") WHERE "refs" <= 0',
  `CREATE TABLE "journal" ("id" integer PRIMARY KEY, "factId" text NOT NULL, "atMs" real NOT NULL, "operation" text NOT NULL, "kind" text NOT NULL, "path" text NOT NULL, "oldPath" text,
    "actor" text NOT NULL, "origin" text NOT NULL, "fileId" integer NOT NULL, "fromVersion" integer, "toVersion" integer, "written" integer NOT NULL, "before" text, "after" text,
    "replacedFile" integer, "replacedVersion" integer, "replacedMetadata" text)`,
  'CREATE UNIQUE INDEX "journal_fact" ON "journal" ("factId")',
  'CREATE INDEX "journal_time" ON "journal" ("atMs")',
  'CREATE INDEX "journal_actor" ON "journal" ("actor", "atMs")',
  'CREATE INDEX "journal_file" ON "journal" ("fileId")',
  // Where each watcher run is, and the message about its last batch until it was published.
  'CREATE TABLE "position" ("watcherId" text PRIMARY KEY, "sequence" integer NOT NULL, "completeUntilMs" real NOT NULL, "message" text)',
  // `attack`: there was a verdict, not a suspicion alone.
  'CREATE TABLE "suspect" ("actor" text PRIMARY KEY, "sinceMs" real NOT NULL, "untilMs" real NOT NULL, "attack" integer NOT NULL)',
  `CREATE TABLE "quarantine" ("id" text PRIMARY KEY, "incidentId" text NOT NULL, "path" text NOT NULL, "storedAt" text NOT NULL, "atMs" real NOT NULL, "size" integer NOT NULL,
    "reason" text NOT NULL, "kind" text NOT NULL, "mode" integer NOT NULL, "uid" integer NOT NULL, "gid" integer NOT NULL, "mtimeNs" text NOT NULL)`,
  'CREATE INDEX "quarantine_incident" ON "quarantine" ("incidentId")',
  'CREATE TABLE "baseline" ("root" text PRIMARY KEY, "scope" text NOT NULL, "excludedBytes" integer NOT NULL)',
  'CREATE TABLE "report" ("incidentId" text NOT NULL, "position" integer NOT NULL, "item" text NOT NULL, PRIMARY KEY ("incidentId", "position")) WITHOUT ROWID',
];
const tables = ['file', 'version', 'content', 'journal', 'position', 'suspect', 'quarantine', 'baseline', 'report'];

export class CreateVault1764000000000 implements MigrationInterface {
  // Written out: a bundler may rename classes, and the name is what the database remembers.
  readonly name = 'CreateVault1764000000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of statements) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of tables) await runner.query(`DROP TABLE "${table}"`);
  }
}
