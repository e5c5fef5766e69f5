import type { Notice } from '../notice';

/** `retry`: it may go well later. `refused`: the same message will never be taken. Both with the reason, for people. */
export type SendOutcome =
  { readonly outcome: 'sent'; readonly problem?: string } | { readonly outcome: 'retry' | 'refused'; readonly reason: string };

/** One way to reach people. A new one is a folder beside `mail`. */
export interface Channel {
  readonly name: string;
  /** Sends one notice. May be called again for the same one after a crash: what is sent must be recognisable as the same. Never throws, always ends within a minute. */
  send(notice: Notice): Promise<SendOutcome>;
  /** Idempotent. */
  close(): void;
}
