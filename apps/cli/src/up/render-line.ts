import { safeText } from '@kuramori/contracts';

const nameWidth = 11;

/** One line on the terminal: local time, who, what. */
export function terminalLine(name: string, text: string, at: Date = new Date()): string {
  return `${at.toLocaleTimeString('sv')} ${name.padEnd(nameWidth)} ${text}`;
}

/**
 * What a process printed, for the terminal; undefined for what only its log file keeps. Services print JSON lines; nats-server's greeting is of no interest
 * here, its warnings are.
 */
export function renderLine(name: string, line: string): string | undefined {
  if (line.trim() === '') return undefined;
  if (name === 'nats-server')
    return /\[(WRN|ERR|FTL)\]|^nats-server:/u.test(line) ? terminalLine(name, safeText(line.replace(/^\[\d+\] \S+ \S+ /u, ''))) : undefined;
  const entry = parseEntry(line);
  if (entry === undefined) return terminalLine(name, safeText(line));
  const level = entry.level === 'info' ? '' : `${entry.level.toUpperCase()} `;
  const stack = entry.stack === undefined ? '' : `\n${entry.stack.split('\n').slice(1).map(safeText).join('\n')}`;
  return terminalLine(name, `${level}${safeText(entry.msg)}${stack}`, new Date(entry.time));
}

function parseEntry(line: string): { level: string; time: string; msg: string; stack?: string } | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const { level, time, msg, stack } = JSON.parse(line) as Record<string, unknown>;
    if (typeof level !== 'string' || typeof time !== 'string' || typeof msg !== 'string') return undefined;
    return { level, time, msg, ...(typeof stack === 'string' ? { stack } : {}) };
  } catch {
    return undefined;
  }
}
