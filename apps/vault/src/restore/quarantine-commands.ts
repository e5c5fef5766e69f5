import path from 'node:path';
import { callCommand, CommandError } from '@kuramori/bus';
import type { QuarantineEntry, QuarantineFileCommand, QuarantinePage, QuarantineQuery } from '@kuramori/contracts';
import { HeldEntry } from '@kuramori/platform';
import type { VaultCore } from '../core';
import { isDiskFull } from '../store/disk-full';
import { DirectoryHandle } from './directory-handle';
import { hashOfEntry } from './put-file';
import { entryOf, type Quarantine } from './quarantine';

/** What operators and the responder ask of the quarantine. */
export class QuarantineCommands {
  constructor(
    private readonly core: VaultCore,
    private readonly quarantine: Quarantine,
  ) {}

  async list(query: QuarantineQuery): Promise<QuarantinePage> {
    return this.quarantine.list(query);
  }

  /** @throws CommandError where something is in the way: nothing is ever overwritten */
  async release(id: string, to?: string): Promise<{ path: string }> {
    const row = await this.quarantine.find(id);
    if (row === undefined) throw new CommandError('not-found', `${id} is not in quarantine; see 'kuramori quarantine list'`);
    const target = path.resolve(to ?? row.path);
    await this.announce(target);
    try {
      await this.quarantine.release(row, target);
    } catch (error) {
      throw new CommandError(isDiskFull(error) ? 'failed' : 'invalid', `${target}: ${error instanceof Error ? error.message : String(error)}`);
    }
    return { path: target };
  }

  /** Moves a program away, if it still is what was judged. @throws CommandError */
  async quarantineFile({ path: asked, incidentId, sha256 }: QuarantineFileCommand): Promise<QuarantineEntry> {
    const file = path.resolve(asked);
    let directory: DirectoryHandle;
    try {
      directory = DirectoryHandle.open(path.dirname(file));
    } catch (error) {
      throw new CommandError('not-found', `${file}: ${error instanceof Error ? error.message : String(error)}`);
    }
    let program: HeldEntry | undefined;
    try {
      const place = directory.at(path.basename(file));
      program = HeldEntry.holdIfThere(place);
      if (program?.stat().isFile() !== true) throw new CommandError('not-found', `${file} is not a file`);
      if (hashOfEntry(program) !== sha256)
        throw new CommandError('invalid', `${file} is another program by now (its SHA-256 is not ${sha256}): left in place`);
      await this.announce(file);
      const row = this.quarantine.describe(program.stat(), file, incidentId, 'program');
      await this.quarantine.announce([row]);
      this.quarantine.move(row, place);
      return entryOf(row);
    } finally {
      program?.close();
      directory.close();
    }
  }

  private async announce(file: string): Promise<void> {
    if (!this.core.settings.protect.roots.some((root) => file.startsWith(`${root}/`))) return;
    await callCommand(this.core.bus, this.core.settings.host, 'watcher', 'announce', { changes: [{ path: file }] }, { timeoutMs: 500 }).catch(
      () => undefined,
    );
  }
}
