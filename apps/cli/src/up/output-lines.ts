import type { Readable } from 'node:stream';

/** A line longer than this is cut into several: a process that never ends its line must not fill our memory. */
const maxLineCharacters = 64 * 1024;

/** Splits what a process prints into lines. */
export function eachLine(stream: Readable, take: (line: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) take(line.replace(/\r$/u, ''));
    while (rest.length > maxLineCharacters) {
      take(rest.slice(0, maxLineCharacters));
      rest = rest.slice(maxLineCharacters);
    }
  });
  stream.on('end', () => {
    if (rest !== '') take(rest);
    rest = '';
  });
  stream.on('error', () => undefined);
}
