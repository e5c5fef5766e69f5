import { Controller, Inject } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { onCommand } from '@kuramori/bus';
import { AnnounceCommand, type JournalPosition, parseMessage } from '@kuramori/contracts';
import { Watcher } from './watcher';

/** What the other services and operators ask of the watcher. */
@Controller()
export class WatcherController {
  constructor(@Inject(Watcher) private readonly watcher: Watcher) {}

  @onCommand('watcher', 'announce')
  async announce(@Payload() body: unknown): Promise<{ accepted: number }> {
    return { accepted: this.watcher.announce(parseMessage(AnnounceCommand, body).changes) };
  }

  @onCommand('watcher', 'rescan')
  async rescan(): Promise<{ started: true }> {
    this.watcher.rescan();
    return { started: true };
  }

  @onCommand('watcher', 'flush')
  async flush(): Promise<JournalPosition> {
    return this.watcher.flush();
  }
}
