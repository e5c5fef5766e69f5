import type { Language, MailSettings } from '@kuramori/config';
import { hostToken } from '@kuramori/contracts';
import { createTransport } from 'nodemailer';
import type { Notice, NoticeKind } from '../../notice';
import type { Channel, SendOutcome } from '../channel';
import { renderMail } from './render-mail';

/** Together below a minute, the channel's bound: an answer that takes longer is none. */
const connectTimeoutMs = 10_000;
const greetingTimeoutMs = 10_000;
const socketTimeoutMs = 30_000;

/** The same for every attempt, so that a mail server or reader recognises a repeated one (RFC 5322 3.6.4). */
export function messageIdOf(incidentId: string, kind: NoticeKind, host: string): string {
  return `<kuramori-${incidentId}-${kind}@${hostToken(host)}.kuramori>`;
}

export class MailChannel implements Channel {
  readonly name = 'mail';
  private readonly transport;

  constructor(
    private readonly settings: MailSettings,
    private readonly language: Language,
  ) {
    const { host, port, tls, user, password, allowSelfSigned } = settings;
    this.transport = createTransport({
      host,
      port,
      secure: tls === 'tls',
      requireTLS: tls === 'starttls',
      ignoreTLS: tls === 'none',
      tls: { rejectUnauthorized: !allowSelfSigned, minVersion: 'TLSv1.2' },
      ...(user === null ? {} : { auth: { user, pass: password ?? '' } }),
      connectionTimeout: connectTimeoutMs,
      greetingTimeout: greetingTimeoutMs,
      socketTimeout: socketTimeoutMs,
      // Nothing in a message may make the mailer read a file or fetch an address.
      disableFileAccess: true,
      disableUrlAccess: true,
    });
  }

  async send({ kind, incident }: Notice): Promise<SendOutcome> {
    const { subject, text, html } = renderMail({ kind, incident }, this.language);
    const opened = messageIdOf(incident.id, 'opened', incident.host);
    try {
      const result = await this.transport.sendMail({
        from: this.settings.from,
        to: [...this.settings.to],
        subject,
        text,
        html,
        messageId: messageIdOf(incident.id, kind, incident.host),
        ...(kind === 'over' ? { inReplyTo: opened, references: [opened] } : { priority: 'high' as const }),
        // RFC 3834: no out-of-office answers to an alarm.
        headers: { 'Auto-Submitted': 'auto-generated', 'X-Kuramori-Incident': incident.id },
      });
      const rejected = result.rejected.length;
      return rejected === 0
        ? { outcome: 'sent' }
        : { outcome: 'sent', problem: `${rejected} of ${this.settings.to.length} recipients were refused by ${this.settings.host}` };
    } catch (error) {
      return this.failed(error);
    }
  }

  close(): void {
    this.transport.close();
  }

  private failed(error: unknown): SendOutcome {
    const { responseCode } = (typeof error === 'object' && error !== null ? error : {}) as { responseCode?: unknown };
    const message = (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/gu, ' ').slice(0, 500);
    const where = `${this.settings.host}:${this.settings.port}`;
    // RFC 5321 4.2.1: 5yz is permanent, everything else (4yz, no connection, no TLS) may pass.
    if (typeof responseCode === 'number' && responseCode >= 500)
      return { outcome: 'refused', reason: `${where} refuses the mail: ${message}. Check notify.mail; after a restart it is tried once more` };
    return { outcome: 'retry', reason: `${where} can't be used: ${message}` };
  }
}
