/** `npm run bench:chain [-- --json] [-- --runs N]`: what the chain reaches on this machine, from the first harmful write to the last restored file. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { Installation, launch, makeShare, openLoopDisk, takeManifest, compareManifests, waitFor } from '@kuramori/testing';

const projectRoot = process.cwd();
const { values } = parseArgs({
  options: { json: { type: 'boolean', default: false }, runs: { type: 'string', default: '3' }, files: { type: 'string', default: '1000' } },
});
const runs = Number(values.runs);
const files = Number(values.files);
const attacks = ['openssl-encrypt-delete.sh', 'overwrite-in-place.py', 'encrypt-rename-note.py'];

interface AttackRun {
  readonly attack: string;
  /** From the start of `up` until the last service is ready. */
  readonly servicesMs: number;
  /** From the start of `up` until everything is healthy and the share is protected, as `up` says it. */
  readonly startMs: number;
  /** The verdict is at the responder, which opens the incident. */
  readonly firstWriteToVerdictMs: number;
  readonly firstWriteToStoppedMs: number;
  readonly filesTouched: number;
  readonly stoppedToRestoredMs: number;
  readonly lost: number;
}

const note = (text: string) => process.stderr.write(`${text}\n`);
const median = (numbers: readonly number[]): number => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;

/** An installation on a new filesystem: ext4 is many times slower to make files where others have just been removed, and no run is to pay for another. */
async function onNewDisk<T>(measure: (installation: Installation) => Promise<T>): Promise<T> {
  const disk = openLoopDisk({ mebibytes: 4096 });
  try {
    const installation = await Installation.create({ projectRoot, directory: disk.mountPoint });
    try {
      return await measure(installation);
    } finally {
      await installation.dispose();
    }
  } finally {
    disk.close();
  }
}

const attackOnce = (attack: string) =>
  onNewDisk(async (installation): Promise<AttackRun> => {
    makeShare(installation.share, { files, sources: path.join(projectRoot, 'node_modules') });
    const before = takeManifest(installation.share);
    installation.start();
    // Asking for the status would start programs beside the services.
    const startMs = await waitFor('up to say that the share is protected', 60_000, () => {
      const seconds = /protecting .* ready after ([\d.]+) s/u.exec(installation.log)?.[1];
      return seconds === undefined ? undefined : Number(seconds) * 1000;
    });
    const servicesMs = Math.max(
      ...[...installation.log.matchAll(/^\S+ +[a-z]+ +ready after ([\d.]+) s$/gmu)].map(([, seconds]) => Number(seconds) * 1000),
    );
    const program = launch(path.join(projectRoot, 'test', 'attacks', attack), [installation.share]);
    const end = await program.ended;
    const incident = await waitFor('the incident to be over', 60_000, async () => {
      // Each look starts a program of its own, which is not to take the processor from what is measured; the times are the incident's.
      await delay(4000);
      return (await installation.incidents()).find(({ state }) => state === 'restored' || state === 'closed');
    });
    const { lost } = compareManifests(before, takeManifest(installation.share));
    const firstMs = Date.parse(incident.firstActivityAt);
    return {
      attack,
      servicesMs,
      startMs,
      firstWriteToVerdictMs: Date.parse(incident.openedAt) - firstMs,
      firstWriteToStoppedMs: end.endedAtMs - firstMs,
      filesTouched: incident.files.touched,
      stoppedToRestoredMs: Date.parse(incident.restoredAt ?? '') - end.endedAtMs,
      lost: lost.length,
    };
  });

/** Writes small files at a steady rate and looks whether each one reached the vault. */
const storm = (ratePerS: number, seconds: number) =>
  onNewDisk(async (installation) => {
    makeShare(installation.share, { files: 50, sources: path.join(projectRoot, 'node_modules') });
    installation.start();
    await installation.ready();
    const base = (await installation.status()).protection.files;
    const total = ratePerS * seconds;
    const startedMs = performance.now();
    for (let made = 0; made < total; made += 1) {
      const directory = path.join(installation.share, `storm${Math.floor(made / 1000)}`);
      if (made % 1000 === 0) mkdirSync(directory);
      writeFileSync(path.join(directory, `note ${made}.txt`), `A note, number ${made}, with a few words in it.\n`);
      if (made % 50 === 0) {
        const aheadMs = (made / ratePerS) * 1000 - (performance.now() - startedMs);
        if (aheadMs > 0) await delay(aheadMs);
      }
    }
    const writtenMs = performance.now() - startedMs;
    const last = await waitFor('every file to be in the vault', 120_000, async () => {
      await delay(1000);
      const { protection } = await installation.status();
      return protection.files >= base + total && protection.pending === 0 ? protection : undefined;
    });
    const caughtUpMs = performance.now() - startedMs;
    const memory = Object.fromEntries(
      [...installation.processes()].map(([name, pid]) => {
        const status = readFileSync(`/proc/${pid}/status`, 'utf8');
        const kib = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+)`, 'mu').exec(status)?.[1] ?? 0);
        return [name, { nowMiB: Math.round(kib('VmRSS') / 1024), peakMiB: Math.round(kib('VmHWM') / 1024) }];
      }),
    );
    return {
      filesWritten: total,
      writtenPerS: Math.round(total / (writtenMs / 1000)),
      filesInVault: last.files - base,
      caughtUpAfterMs: Math.round(caughtUpMs - writtenMs),
      memory,
    };
  });

const results: AttackRun[] = [];
for (const attack of attacks) {
  for (let run = 1; run <= runs; run += 1) {
    note(`${attack} ${run}/${runs}`);
    results.push(await attackOnce(attack));
  }
}
note('storm: 5,000 files a second for 6 seconds');
const load = await storm(5000, 6);

if (values.json) {
  process.stdout.write(`${JSON.stringify({ runs: results, storm: load }, undefined, 2)}\n`);
} else {
  const table = new Table({
    head: ['attack (median)', 'services ms', 'protected ms', 'write→verdict ms', 'write→stopped ms', 'touched', 'stopped→restored ms', 'lost'],
  });
  for (const attack of attacks) {
    const own = results.filter((result) => result.attack === attack);
    const column = (field: Exclude<keyof AttackRun, 'attack'>) => Math.round(median(own.map((result) => result[field])));
    table.push([
      attack,
      column('servicesMs'),
      column('startMs'),
      column('firstWriteToVerdictMs'),
      column('firstWriteToStoppedMs'),
      column('filesTouched'),
      column('stoppedToRestoredMs'),
      Math.max(...own.map(({ lost }) => lost)),
    ]);
  }
  process.stdout.write(`${table.toString()}\n`);
  process.stdout.write(
    `\nstorm: ${load.filesWritten} files at ${load.writtenPerS}/s, ${load.filesInVault} in the vault, caught up ${load.caughtUpAfterMs} ms after the last write\n`,
  );
  const memory = new Table({ head: ['memory', 'now MiB', 'peak MiB'] });
  for (const [name, { nowMiB, peakMiB }] of Object.entries(load.memory)) memory.push([name, nowMiB, peakMiB]);
  process.stdout.write(`${memory.toString()}\n`);
}
