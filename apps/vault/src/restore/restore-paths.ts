import path from 'node:path';
import { CommandError } from '@kuramori/bus';
import type { RestoreCommand, RestoreReport, VersionInfo } from '@kuramori/contracts';
import { belowCondition } from '../catalogue/catalogue';
import { type FileRow, type JournalRow, metadataOf, type VersionRow } from '../catalogue/rows';
import type { VaultCore } from '../core';
import { toEntry } from '../undo/journal-entry';
import type { PlanStep, UndoPlan } from '../undo/plan';
import { worldBefore } from '../undo/two-worlds';
import { type Executor, repliedItems } from './executor';

/** Quarantine knows what an operator's restore replaced under this name. */
const operatorIncident = 'operator';

/** A file as it is to stand at a path; without a file id it is a copy for another place. */
interface Chosen {
  readonly path: string;
  readonly fileId: number;
  readonly version: VersionRow;
}

/** Restores what an operator names: files and trees, at a time, by number, here or elsewhere. */
export class RestorePaths {
  constructor(
    private readonly core: VaultCore,
    private readonly executor: Executor,
  ) {}

  /** @throws CommandError when a path is not in the vault or the wish contradicts itself */
  async restore(command: RestoreCommand): Promise<RestoreReport> {
    const { paths, version, to, dryRun } = command;
    if (paths.length === 0) throw new CommandError('invalid', 'paths: name at least one file or directory');
    if (version !== undefined && paths.length !== 1) throw new CommandError('invalid', 'version: only with one path');
    if (to !== undefined && !path.isAbsolute(to)) throw new CommandError('invalid', `to: ${to} must be an absolute directory`);
    const within = to === undefined ? this.core.settings.protect.roots : [to];
    const report = await this.executor.run(() => this.plan(command), { incidentId: operatorIncident, dryRun, within, catalogued: to === undefined });
    return { ...report, items: report.items.slice(0, repliedItems) };
  }

  private async plan({ paths, version, atMs, to }: RestoreCommand): Promise<UndoPlan> {
    const steps: PlanStep[] = [];
    for (const asked of paths) {
      const wanted = path.resolve(asked);
      if (to === undefined && !this.core.settings.protect.roots.some((root) => wanted === root || wanted.startsWith(`${root}/`))) {
        throw new CommandError('invalid', `paths: ${wanted} is not below a protected directory`);
      }
      const chosen = version === undefined ? await this.choose(wanted, atMs) : [await this.chooseNumber(wanted, version)];
      if (chosen.length === 0)
        throw new CommandError(
          'not-found',
          `${wanted}: no version of it${atMs === undefined ? '' : ` from ${new Date(atMs).toISOString()}`} is in the vault`,
        );
      steps.push(...(await this.stepsFor(wanted, chosen, to)));
    }
    return { steps, touched: new Set(steps.filter(({ step }) => step === 'write').map((step) => step.path)).size };
  }

  /** Newest first. @throws CommandError when the vault never had the path */
  async versions(asked: string): Promise<VersionInfo[]> {
    const wanted = path.resolve(asked);
    const rows = await this.versionRows(wanted);
    if (rows.length === 0) throw new CommandError('not-found', `${wanted}: no version of it is in the vault`);
    return rows.map(({ number, atMs, size, sha256, actorWords, state, pinned }) => ({
      version: number,
      at: new Date(atMs).toISOString(),
      sizeBytes: size,
      sha256,
      actor: actorWords,
      state,
      pinned: pinned === 1,
    }));
  }

  /** Of every file that is or was at the path. */
  private async versionRows(file: string): Promise<VersionRow[]> {
    return this.core.database.read<VersionRow>(
      'SELECT v.* FROM "file" f JOIN "version" v ON v."fileId" = f."id" WHERE f."path" = ? ORDER BY v."atMs" DESC, v."id" DESC',
      [file],
    );
  }

  private async chooseNumber(file: string, number: number): Promise<Chosen> {
    const rows = await this.versionRows(file);
    const found = rows.find((row) => row.number === number);
    if (found === undefined) throw new CommandError('not-found', `${file}: there is no version ${number}; see 'kuramori versions ${file}'`);
    return { path: file, fileId: await this.presentId(file, found.fileId), version: found };
  }

  private async choose(below: string, atMs: number | undefined): Promise<Chosen[]> {
    return atMs === undefined ? this.newestClean(below) : this.asOf(below, atMs);
  }

  private async newestClean(below: string): Promise<Chosen[]> {
    const rows = await this.core.database.read<VersionRow & { path: string }>(
      `SELECT v.*, f."path" AS "path" FROM "file" f JOIN "version" v ON v."fileId" = f."id"
       WHERE (f."path" = ? OR (f.${belowCondition.replaceAll('AND "path"', 'AND f."path"')})) AND v."state" = 'clean' ORDER BY v."atMs" DESC, v."id" DESC`,
      [below, below, below],
    );
    const newest = new Map<string, Chosen>();
    for (const { path: file, ...version } of rows) if (!newest.has(file)) newest.set(file, { path: file, fileId: version.fileId, version });
    return Promise.all([...newest.values()].map(async (chosen) => ({ ...chosen, fileId: await this.presentId(chosen.path, chosen.fileId) })));
  }

  /** The tree at a moment: what the journal tells of since is taken back, everything else is as it is. */
  private async asOf(below: string, atMs: number): Promise<Chosen[]> {
    const journal = await this.core.database.read<JournalRow>('SELECT * FROM "journal" WHERE "atMs" > ? ORDER BY "id"', [atMs]);
    const { world, fileOf } = worldBefore(journal.map((row) => toEntry({ ...row, origin: 'external' }, true)));
    const moved = new Map<number, string | undefined>([...fileOf].map(([node, file]) => [file, world.pathOf(node)]));
    const present = await this.core.database.read<FileRow>(
      `SELECT * FROM "file" WHERE "present" = 1 AND "kind" <> 'directory' AND ("path" = ? OR (${belowCondition}))`,
      [below, below, below],
    );
    const places = new Map<number, string>();
    for (const row of present) if (!moved.has(row.id)) places.set(row.id, row.path);
    for (const [file, place] of moved) if (place !== undefined && (place === below || place.startsWith(`${below}/`))) places.set(file, place);
    const versions = await this.core.database.read<VersionRow>(
      'SELECT * FROM "version" WHERE "fileId" IN (SELECT value FROM json_each(?)) ORDER BY "atMs" DESC, "id" DESC',
      [JSON.stringify([...places.keys()])],
    );
    const byFile = Map.groupBy(versions, ({ fileId }) => fileId);
    const chosen: Chosen[] = [];
    for (const [fileId, place] of places) {
      const all = byFile.get(fileId) ?? [];
      // Kept later than that, but not changed since before it: what the baseline found.
      const oldest = all.at(-1);
      const version =
        all.find((candidate) => candidate.atMs <= atMs) ??
        (oldest !== undefined && Number(BigInt(oldest.mtimeNs) / 1_000_000n) <= atMs ? oldest : undefined);
      if (version !== undefined) chosen.push({ path: place, fileId: await this.presentId(place, fileId), version });
    }
    return chosen;
  }

  /** The document at a path stays the same one in the catalogue, also where the content comes from a file that was there before. */
  private async presentId(file: string, otherwise: number): Promise<number> {
    const [row] = await this.core.database.read<{ id: number }>('SELECT "id" FROM "file" WHERE "path" = ? AND "present" = 1', [file]);
    return row?.id ?? otherwise;
  }

  private async stepsFor(asked: string, chosen: readonly Chosen[], to: string | undefined): Promise<PlanStep[]> {
    const target = (file: string) => (to === undefined ? file : path.join(to, path.relative(path.dirname(asked), file)));
    const directories = new Set<string>();
    for (const { path: file } of chosen) {
      const limit = to ?? this.core.settings.protect.roots.find((root) => file.startsWith(`${root}/`)) ?? '/';
      for (let directory = path.dirname(target(file)); directory.length > limit.length; directory = path.dirname(directory))
        directories.add(directory);
    }
    const known = await this.core.database.read<FileRow>(
      `SELECT * FROM "file" WHERE "kind" = 'directory' AND "path" IN (SELECT value FROM json_each(?)) ORDER BY "present", "id"`,
      [JSON.stringify(to === undefined ? [...directories] : [])],
    );
    const rows = new Map(known.map((row) => [row.path, row]));
    const make = [...directories]
      .sort((a, b) => a.length - b.length)
      .map((directory): PlanStep => {
        const row = rows.get(directory);
        return {
          step: 'make-directory',
          path: directory,
          kind: 'directory',
          fileId: row?.id,
          detail: 'for what is restored into it',
          metadata: row === undefined ? undefined : metadataOf(row),
        };
      });
    const write = chosen.map(({ path: file, fileId, version }): PlanStep => ({
      step: 'write',
      path: target(file),
      kind: version.kind,
      fileId: to === undefined ? fileId : undefined,
      detail: `version ${version.number} of ${new Date(version.atMs).toISOString()}`,
      version: version.id,
      metadata: metadataOf(version),
      conflict: false,
    }));
    return [...make, ...write];
  }
}
