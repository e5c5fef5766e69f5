import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Settings } from '@kuramori/config';
import type { Actor } from '@kuramori/contracts';
import { fsPath, type LiveProcess } from '@kuramori/platform';
import { identityKey } from '../domain/containment';

type Entry = Settings['response']['whitelist'][number];

/** Hashes kept by identity of the file; 256 programs are far more than a whitelist names. */
const maxCachedHashes = 256;

/** SHA-256 of a file in hex, streamed; undefined when it can't be read. */
export async function sha256Of(file: string | Buffer): Promise<string | undefined> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
    return hash.digest('hex');
  } catch {
    return undefined;
  }
}

/** Programs that are judged but never acted on. A name alone is no proof: where a hash is given, the program that runs must have it. */
export class Whitelist {
  private readonly hashes = new Map<string, string>();

  constructor(private readonly entries: readonly Entry[]) {}

  /** Reasons by process key (`pid:startTime`) of the processes whose program is listed. Only programs with a listed path are read. */
  async ofProcesses(processes: readonly LiveProcess[]): Promise<Map<string, string>> {
    const listed = new Map<string, string>();
    if (this.entries.length === 0) return listed;
    for (const process of processes) {
      // Read what runs, not what now lies at the path.
      const reason = await this.match(process.exe, `/proc/${process.pid}/exe`);
      if (reason !== undefined) listed.set(identityKey(process), reason);
    }
    return listed;
  }

  /** The reason when the program of an actor that has ended is listed. */
  async ofEndedActor(actor: Actor): Promise<string | undefined> {
    return actor.exe === undefined ? undefined : this.match(actor.exe, fsPath(actor.exe));
  }

  private async match(exe: string, file: string | Buffer): Promise<string | undefined> {
    for (const entry of this.entries) {
      if (entry.path !== exe) continue;
      if (entry.sha256 === undefined || entry.sha256.toLowerCase() === (await this.hash(file))) return entry.reason;
    }
    return undefined;
  }

  private async hash(file: string | Buffer): Promise<string | undefined> {
    const stats = await stat(file, { bigint: true }).catch(() => undefined);
    if (stats === undefined) return undefined;
    // ctime is not in the user's hands, so a changed program can't keep its key.
    const key = `${stats.dev}:${stats.ino}:${stats.size}:${stats.ctimeNs}`;
    const known = this.hashes.get(key);
    if (known !== undefined) return known;
    const hash = await sha256Of(file);
    if (hash !== undefined) {
      if (this.hashes.size >= maxCachedHashes) this.hashes.clear();
      this.hashes.set(key, hash);
    }
    return hash;
  }
}
