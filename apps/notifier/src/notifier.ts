import type { Settings } from '@kuramori/config';
import { IncidentCloudEvent, parseMessage } from '@kuramori/contracts';
import type { Channel } from './channels/channel';
import { MailChannel } from './channels/mail/mail-channel';
import { defaultRetryTimes, Delivery, type RetryTimes } from './delivery';
import { openNotices } from './outbox/database';
import { NoticeOutbox, type SettleTimes } from './outbox/notice-outbox';

export const defaultSettleTimes: SettleTimes = { openedMs: 1000, overMs: 3000 };
/** Notices refused within the last day are tried again after a restart: it is what an operator does after mending the settings. */
const retryRefusedMs = 24 * 60 * 60 * 1000;

export interface NotifierOptions {
  readonly settings: Pick<Settings, 'notify' | 'language' | 'host'>;
  readonly databaseFile: string;
  readonly settle?: SettleTimes;
  readonly retry?: RetryTimes;
  readonly now?: () => number;
}

export interface NotifierFigures {
  readonly waiting: number;
  readonly sent: number;
  readonly refused: number;
  readonly problems: readonly string[];
}

/** The whole notifier without its transport: incident events go in, people are told by every channel that is set up. */
export class Notifier {
  private constructor(
    private readonly outbox: NoticeOutbox,
    private readonly channels: readonly Channel[],
    private readonly deliveries: readonly Delivery[],
  ) {}

  /** @throws DatabaseError */
  static async start(options: NotifierOptions): Promise<Notifier> {
    const now = options.now ?? Date.now;
    const outbox = new NoticeOutbox(await openNotices(options.databaseFile), options.settle ?? defaultSettleTimes, now);
    const { mail } = options.settings.notify;
    const channels: Channel[] = mail === null ? [] : [new MailChannel(mail, options.settings.language)];
    await outbox.retryRefusedSince(now() - retryRefusedMs);
    return new Notifier(
      outbox,
      channels,
      channels.map((channel) => new Delivery(outbox, channel, options.retry ?? defaultRetryTimes, now)),
    );
  }

  /** One message of the incident stream; the same one twice tells nobody twice. @throws InvalidMessageError for one that can never be handled */
  async onEvent(body: unknown): Promise<void> {
    const { data } = parseMessage(IncidentCloudEvent, body);
    for (const { name } of this.channels) await this.outbox.take(name, data);
    for (const delivery of this.deliveries) delivery.wake();
  }

  async figures(): Promise<NotifierFigures> {
    const { problems, ...counts } = await this.outbox.figures();
    const broken = this.deliveries.map(({ failure }) => failure).filter((failure) => failure !== undefined);
    // Channels that are not set up any more don't make the service ill: their notices wait.
    return { ...counts, problems: this.channels.length === 0 ? broken : [...broken, ...problems] };
  }

  /** Lets the message in hand go out. May be called twice. */
  async stop(): Promise<void> {
    await Promise.all(this.deliveries.map((delivery) => delivery.stop()));
    await this.outbox.close();
  }
}
