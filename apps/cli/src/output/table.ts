import Table from 'cli-table3';

/** Wide enough for a path where the output goes to a file, which has no width. */
const widthWithoutTerminal = 160;
const smallestFlexibleWidth = 16;

/**
 * Columns without lines between them. All are as wide as their content but the one at `flexible`, which takes what the terminal leaves and breaks its text.
 * Cells must be safe for terminals already.
 */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  flexible: number,
  width = process.stdout.isTTY ? process.stdout.columns : widthWithoutTerminal,
): string {
  const gap = 2;
  const widths = head.map((title, column) => Math.max(...[title, ...rows.map((row) => row[column] ?? '')].map(displayWidth)) + gap);
  const others = widths.reduce((sum, current, column) => (column === flexible ? sum : sum + current), 0);
  const colWidths = widths.map((current, column) =>
    column === flexible ? Math.max(smallestFlexibleWidth, Math.min(current, width - others)) : current,
  );
  const none = Object.fromEntries(
    [
      'top',
      'top-mid',
      'top-left',
      'top-right',
      'bottom',
      'bottom-mid',
      'bottom-left',
      'bottom-right',
      'left',
      'left-mid',
      'mid',
      'mid-mid',
      'right',
      'right-mid',
      'middle',
    ].map((name) => [name, '']),
  );
  const made = new Table({
    head: [...head],
    chars: none,
    colWidths,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': gap },
  });
  // Broken here by what it takes on the screen: the library counts characters.
  const room = (colWidths[flexible] ?? smallestFlexibleWidth) - gap;
  for (const row of rows) made.push(row.map((cell, column) => (column === flexible ? broken(cell, room) : cell)));
  return made
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** Lines no wider than this. */
function broken(text: string, width: number): string {
  let line = '';
  let used = 0;
  const lines: string[] = [];
  for (const character of text) {
    const next = displayWidth(character);
    if (character === '\n' || used + next > width) {
      lines.push(line);
      line = '';
      used = 0;
    }
    if (character !== '\n') {
      line += character;
      used += next;
    }
  }
  return [...lines, line].join('\n');
}

/** Columns a text takes: characters of East Asian scripts take two. */
function displayWidth(text: string): number {
  let width = 0;
  for (const character of text)
    width += /[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6\u{20000}-\u{3FFFD}]/u.test(character)
      ? 2
      : 1;
  return width;
}
