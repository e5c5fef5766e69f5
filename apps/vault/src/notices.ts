import { randomBytes } from 'node:crypto';
import type { Bus } from '@kuramori/bus';
import { subjects, type VaultNotice, type VaultNoticeKind } from '@kuramori/contracts';

/** Notices that wait for the bus; beyond it the oldest give way, they are all in the log as well. */
const waitingLimit = 100;
const retryMs = 1000;

/** Tells operators over the bus; never waited for, tried again while the bus is away. */
export class Notices {
  private readonly waiting: { readonly notice: VaultNotice; readonly messageId: string }[] = [];
  private timer: NodeJS.Timeout | undefined;
  private sending = false;

  constructor(
    private readonly bus: Pick<Bus, 'publish'>,
    private readonly host: string,
    private readonly log: (line: string) => void,
  ) {}

  tell(kind: VaultNoticeKind, detail: string, more: { path?: string; alarm?: boolean } = {}): void {
    this.log(detail);
    this.waiting.push({
      notice: { host: this.host, kind, atMs: Date.now(), detail, ...more },
      messageId: `notice-${randomBytes(8).toString('hex')}`,
    });
    if (this.waiting.length > waitingLimit) this.waiting.shift();
    void this.send();
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  private async send(): Promise<void> {
    if (this.sending) return;
    this.sending = true;
    try {
      for (let next = this.waiting[0]; next !== undefined; next = this.waiting[0]) {
        await this.bus.publish(subjects.vaultNotice(this.host, next.notice.kind), next.notice, { messageId: next.messageId });
        this.waiting.shift();
      }
    } catch {
      this.timer = setTimeout(() => void this.send(), retryMs).unref();
    } finally {
      this.sending = false;
    }
  }
}
