import type { LoggerService } from '@nestjs/common';
import pino, { type DestinationStream, type Logger } from 'pino';

/** What Nest itself says while it puts the modules together: of interest when debugging only. */
const frameworkContexts = new Set(['InstanceLoader', 'NestFactory', 'RoutesResolver', 'RouterExplorer', 'NestMicroservice', 'NestApplication']);
const levels = new Set(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']);

const shownKeys = new Set(['level', 'time', 'msg', 'context', 'service', 'stack', 'pid']);

/** One line a person reads: time, level, text; what else there is as JSON behind it. */
function humanLine(json: string): string {
  const entry = JSON.parse(json) as Record<string, unknown>;
  const { level, time, msg, context, service, stack } = entry;
  const rest = Object.fromEntries(Object.entries(entry).filter(([key]) => !shownKeys.has(key)));
  const more = Object.keys(rest).length === 0 ? '' : ` ${JSON.stringify(rest)}`;
  const origin = [service, context].filter((part) => typeof part === 'string').join(' ');
  const trace = typeof stack === 'string' ? `\n${stack}` : '';
  return `${new Date(String(time)).toLocaleTimeString('sv')} ${String(level).padEnd(5)} ${origin}: ${String(msg)}${more}${trace}\n`;
}

/** JSON lines on stderr; lines for people where stderr is a terminal. Written at once: the last words before an exit must not be lost. */
function standardError(): DestinationStream {
  const descriptor = pino.destination({ fd: 2, sync: true });
  if (!process.stderr.isTTY) return descriptor;
  return { write: (json) => descriptor.write(humanLine(json)) };
}

/**
 * Nest's logger over pino. `KURAMORI_LOG` sets the level: trace, debug, info (default), warn, error, silent.
 * The last string of Nest's optional arguments is the context, as with Nest's own logger; for `error` one before it may be a stack.
 */
export class ServiceLogger implements LoggerService {
  private readonly pino: Logger;

  constructor(service: string, destination: DestinationStream = standardError()) {
    const wanted = process.env.KURAMORI_LOG ?? 'info';
    this.pino = pino(
      {
        level: levels.has(wanted) ? wanted : 'info',
        base: { service, pid: process.pid },
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
      },
      destination,
    );
  }

  log(message: unknown, ...rest: unknown[]): void {
    const context = contextOf(rest);
    this.write(context !== undefined && frameworkContexts.has(context) ? 'debug' : 'info', message, rest);
  }

  error(message: unknown, ...rest: unknown[]): void {
    this.write('error', message, rest);
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.write('warn', message, rest);
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.write('debug', message, rest);
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.write('trace', message, rest);
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.write('fatal', message, rest);
  }

  private write(level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal', message: unknown, rest: readonly unknown[]): void {
    const context = contextOf(rest);
    const earlier = context === undefined ? rest : rest.slice(0, -1);
    const stack = message instanceof Error ? message.stack : earlier.find((part) => typeof part === 'string');
    const fields = { ...(context === undefined ? {} : { context }), ...(stack === undefined ? {} : { stack }) };
    if (message instanceof Error) this.pino[level](fields, message.message);
    else if (typeof message === 'string') this.pino[level](fields, message);
    else this.pino[level]({ ...fields, ...(typeof message === 'object' && message !== null ? message : { value: message }) });
  }
}

function contextOf(rest: readonly unknown[]): string | undefined {
  const last = rest.at(-1);
  return typeof last === 'string' && !last.includes('\n') ? last : undefined;
}
