import type { Settings } from '@kuramori/config';
import type { Actor } from '@kuramori/contracts';
import { fsPath, type LiveProcess } from '@kuramori/platform';
import { identityKey } from '../domain/containment';
import { sha256Of, withProgram } from './program-file';

type Entry = Settings['response']['whitelist'][number];

/** Hashes kept by identity of the file; 256 programs are far more than a whitelist names. */
const maxCachedHashes = 256;

/**
 * Programs that are judged but never acted on. A path alone is no proof, as everybody may mount directories over others in a mount namespace of his own: the file
 * that runs must be the one that stands there, or have the hash that is given.
 */
export class Whitelist {
  private readonly hashes = new Map<string, string>();

  constructor(private readonly entries: readonly Entry[]) {}

  /** Reasons by process key (`pid:startTime`) of the processes whose program is listed. Only programs with a listed path are read. */
  async ofProcesses(processes: readonly LiveProcess[]): Promise<Map<string, string>> {
    const listed = new Map<string, string>();
    for (const process of processes) {
      for (const { path, sha256, reason } of this.entries) {
        if (path !== process.exe) continue;
        // Read what runs, not what now lies at the path.
        const isIt =
          sha256 === undefined ? process.exeFile !== 'unproven' : sha256.toLowerCase() === (await this.hash(`/proc/${process.pid}/exe`, 'followed'));
        if (isIt) listed.set(identityKey(process), reason);
      }
    }
    return listed;
  }

  /**
   * The reason when the program of an actor that has ended is listed. Of its file nothing is known but the path that it saw; root alone is believed, who needs no
   * mount namespace to deceive anybody.
   */
  async ofEndedActor({ exe, uid }: Actor): Promise<string | undefined> {
    if (exe === undefined || uid !== 0) return undefined;
    for (const { path, sha256, reason } of this.entries) {
      if (path === exe && (sha256 === undefined || sha256.toLowerCase() === (await this.hash(fsPath(exe), 'refused')))) return reason;
    }
    return undefined;
  }

  /** Key and bytes come from one open file: a process that becomes another program meanwhile must not lend its hash to the first. */
  private async hash(file: string | Buffer, links: 'refused' | 'followed'): Promise<string | undefined> {
    return withProgram(file, links, async (handle, stats) => {
      // ctime is not in the user's hands, so a changed program can't keep its key.
      const key = `${stats.dev}:${stats.ino}:${stats.size}:${stats.ctimeNs}`;
      const hash = this.hashes.get(key) ?? (await sha256Of(handle, stats));
      if (this.hashes.size >= maxCachedHashes) this.hashes.clear();
      this.hashes.set(key, hash);
      return hash;
    });
  }
}
