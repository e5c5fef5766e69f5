import { Controller, Inject } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { onStream } from '@kuramori/bus';
import { consumers, FileBatch, isSameHost, parseMessage } from '@kuramori/contracts';
import { Vault } from './vault';

/** What happened to files, in order, one batch at a time. */
@Controller()
export class FactsController {
  constructor(@Inject(Vault) private readonly vault: Vault) {}

  @onStream(consumers.vaultFiles)
  async handle(@Payload() body: unknown): Promise<void> {
    const batch = parseMessage(FileBatch, body);
    // On a bus of many hosts each vault keeps its own host's files.
    if (isSameHost(batch.host, this.vault.core.settings.host)) await this.vault.batches.handle(batch);
  }
}
