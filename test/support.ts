import { mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Incident } from '@kuramori/contracts';
import { compareManifests, Installation, type InstallationOptions, makeShare, type Manifest, takeManifest, waitFor } from '@kuramori/testing';

export const projectRoot = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
export const attackScript = (name: string) => path.join(projectRoot, 'test', 'attacks', name);
export const innocentScript = (name: string) => path.join(projectRoot, 'test', 'innocent', name);

/** A user who is neither root nor the owner of Kuramori: `nobody` of Debian. */
export const secondUser = { uid: 65_534, gid: 65_534 };

export async function install(
  options: Partial<InstallationOptions> & {
    files?: number;
    owners?: { uid: number; gid: number }[];
    /** Small files beside the documents, years old: the baseline takes its time with them. */
    archived?: number;
  } = {},
): Promise<{ installation: Installation; before: Manifest }> {
  const { files = 1000, owners, archived = 0, ...rest } = options;
  const installation = await Installation.create({ projectRoot, ...rest });
  makeShare(installation.share, { files, sources: path.join(projectRoot, 'node_modules'), ...(owners === undefined ? {} : { owners }) });
  if (archived > 0) makeArchive(path.join(installation.share, 'Archive'), archived);
  return { installation, before: takeManifest(installation.share) };
}

function makeArchive(directory: string, files: number): void {
  mkdirSync(directory);
  const longAgo = new Date('2015-01-01');
  for (let index = 0; index < files; index += 1) {
    const file = path.join(directory, `letter ${index}.txt`);
    writeFileSync(file, `Letter ${index}, of which nobody remembers what it was about.\n`);
    utimesSync(file, longAgo, longAgo);
  }
}

/** Waits until exactly one incident exists and has reached a state in which nothing is left to do. */
export async function incidentOver(installation: Installation, timeoutMs = 60_000): Promise<Incident> {
  return installation.explained(() =>
    waitFor('an incident that is restored', timeoutMs, async () => {
      const attacks = (await installation.incidents()).filter((incident) => incident.severity !== 'low');
      return attacks.find((incident) => incident.state === 'restored' || incident.state === 'closed');
    }),
  );
}

/** What the share lost or gained against `before`, apart from files named in `ignore`. */
export function damage(installation: Installation, before: Manifest, ignore: readonly string[] = []) {
  const difference = compareManifests(before, takeManifest(installation.share));
  const counted = (names: readonly string[]) => names.filter((name) => !ignore.some((ignored) => name.startsWith(ignored)));
  return { lost: counted(difference.lost), changedMetadata: counted(difference.changedMetadata), added: counted(difference.added) };
}

/**
 * Waits until the share is as it was: evidence that came late is undone in another round.
 * @throws Error naming every file that is not, with what the incident, the vault and the services say about them
 */
export async function everythingBack(
  installation: Installation,
  before: Manifest,
  ignore: readonly string[] = [],
  timeoutMs = 30_000,
): Promise<void> {
  await installation.explained(async () => {
    try {
      await waitFor('every file as it was', timeoutMs, () => isUnharmed(damage(installation, before, ignore)));
    } catch (error) {
      throw new Error(await storyOf(installation, damage(installation, before, ignore)), { cause: error });
    }
  });
}

type Damage = ReturnType<typeof damage>;

function isUnharmed({ lost, changedMetadata, added }: Damage): boolean {
  return lost.length + changedMetadata.length + added.length === 0;
}

async function storyOf(installation: Installation, harm: Damage): Promise<string> {
  const incidents = await installation.incidents();
  const versions = await Promise.all(
    harm.lost.slice(0, 3).map(async (name) => `${name}: ${(await installation.run('versions', path.join(installation.share, name))).stdout}`),
  );
  const actions = incidents.flatMap(({ id, state, files, actions: steps }) => [
    `incident ${id} is ${state}, files ${JSON.stringify(files)}`,
    ...steps.map(({ at, name, status, detail }) => `  ${at} ${name} ${status}: ${detail}`),
  ]);
  return ['the share is not as it was', JSON.stringify(harm, undefined, 2), ...actions, ...versions].join('\n');
}
