import type { BigIntStats } from 'node:fs';
import { lstat, realpath } from 'node:fs/promises';
import path from 'node:path';
import type { ActionStatus } from '@kuramori/contracts';
import { fsPath, type PackageRegistry, pathFromBytes } from '@kuramori/platform';
import type { ProgramCandidate } from '../domain/programs';
import { sha256Of, withProgram } from './program-file';
import type { Services } from './services';

export interface ProgramOutcome {
  readonly status: ActionStatus;
  readonly detail: string;
  readonly sha256?: string;
}

export interface ProgramRules {
  readonly allowed: boolean;
  /** Epoch milliseconds of the first start with this database: what is older was there before. */
  readonly protectionBeganMs: number;
  /** Files and directories of Kuramori itself, resolved. */
  readonly ownPaths: readonly string[];
}

/** Takes an attacker's program out of service where that is safe (rules.md 23), else says why it was left. */
export class ProgramQuarantine {
  constructor(
    private readonly packages: PackageRegistry,
    private readonly services: Pick<Services, 'quarantined' | 'quarantineFile'>,
    private readonly rules: ProgramRules,
  ) {}

  /** May be called again for the same candidate: a program that is in quarantine already is reported so. @throws as {@link Services} */
  async handle(candidate: ProgramCandidate, incidentId: string): Promise<ProgramOutcome> {
    const named = (why: string, sha256?: string): ProgramOutcome => ({
      status: 'skipped',
      detail: `${candidate.path} left in place: ${why} (run as: ${candidate.runBy})`,
      ...(sha256 === undefined ? {} : { sha256 }),
    });
    const file = await realpath(fsPath(candidate.path), { encoding: 'buffer' }).then(pathFromBytes, () => candidate.path);
    const stats = await lstat(fsPath(file)).catch(() => undefined);
    if (stats === undefined) {
      const entry = (await this.services.quarantined(incidentId)).find((known) => known.path === file);
      return entry === undefined ? named('the file is not there any more') : { status: 'done', detail: `${file} is in quarantine (${entry.id})` };
    }
    if (!stats.isFile()) return named('it is not a regular file');
    if (candidate.role === 'interpreter') return named('an interpreter runs what others write');
    if (this.rules.ownPaths.some((own) => file === own || file.startsWith(`${own}${path.sep}`))) return named('it belongs to Kuramori');
    const program = await withProgram(fsPath(file), 'refused', async (handle, opened) => ({
      sha256: await sha256Of(handle, opened),
      appearedMs: appearedMs(opened),
    }));
    if (program === undefined) return named('it could not be read');
    const { sha256 } = program;
    const owner = await this.packages.ownerOf(file);
    if (owner !== undefined) return named(`it belongs to the package ${owner}`, sha256);
    if (program.appearedMs < this.rules.protectionBeganMs)
      return named('it was there before protection began; remove it by hand if nobody needs it', sha256);
    if (!this.rules.allowed) return named('response.quarantine is off', sha256);
    await this.services.quarantineFile({ path: file, incidentId, sha256 });
    return { status: 'done', detail: `${file} moved to quarantine (sha256 ${sha256})`, sha256 };
  }
}

/**
 * When the file came to be where it is. Its birth: nobody can set that back (there is no call for it), and neither chmod, nor a backup's hard link, nor a new
 * version written into it moves it. What follows: an old unpackaged program that the attacker wrote his own into is named, not taken; so is one that was renamed
 * here from the same filesystem. Filesystems without births leave the change time, which moves with all of these: there an old tool may be taken, and comes back
 * with `kuramori quarantine release`.
 */
function appearedMs({ birthtimeMs, ctimeMs }: BigIntStats): number {
  return Number(birthtimeMs > 0n ? birthtimeMs : ctimeMs);
}

/** The runtime that executes this service and the directory its code was loaded from. */
export async function ownPaths(executable: string, script: string | undefined, dataDir: string): Promise<string[]> {
  const resolve = (file: string) => realpath(file).catch(() => file);
  return Promise.all([resolve(executable), ...(script === undefined ? [] : [resolve(path.dirname(script))]), resolve(dataDir)]);
}
