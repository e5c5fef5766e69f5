import type { LoggerService } from '@nestjs/common';
import pino from 'pino';

/** Nest's logger over pino: JSON lines on standard error, plain lines on a terminal. Level by $KURAMORI_LOG (default info). */
export class PinoLogger implements LoggerService {
  private readonly pino: pino.Logger;

  constructor(service: string) {
    // Synchronous: what a dying process has to say must not stay in a buffer.
    this.pino = pino({ name: service, level: process.env['KURAMORI_LOG'] ?? 'info', base: { service, pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ fd: 2, sync: true }));
  }

  log(message: unknown, ...rest: unknown[]): void {
    // Nest tells of every module and route it makes: that is detail.
    if (rest.length > 0) this.pino.debug(this.fields(rest), String(message));
    else this.pino.info(String(message));
  }
  error(message: unknown, ...rest: unknown[]): void {
    this.pino.error(this.fields(rest), message instanceof Error ? (message.stack ?? message.message) : String(message));
  }
  warn(message: unknown, ...rest: unknown[]): void {
    this.pino.warn(this.fields(rest), String(message));
  }
  debug(message: unknown, ...rest: unknown[]): void {
    this.pino.debug(this.fields(rest), String(message));
  }
  verbose(message: unknown, ...rest: unknown[]): void {
    this.pino.trace(this.fields(rest), String(message));
  }
  fatal(message: unknown, ...rest: unknown[]): void {
    this.pino.fatal(this.fields(rest), String(message));
  }

  private fields(rest: readonly unknown[]): Record<string, unknown> {
    return rest.length === 0 ? {} : { context: rest.map((part) => (part instanceof Error ? part.stack : String(part))).join(' ') };
  }
}
