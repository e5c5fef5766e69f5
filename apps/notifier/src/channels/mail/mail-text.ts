/** Text from outside (paths, command lines, names of programs) made harmless for headers, plain text and HTML. */

/** Control characters, line separators, direction marks (they turn `exe.fdp` around), unpaired surrogates and the private plane of undecodable path bytes. */
const unsafe = /[\p{Cc}\p{Cs}\u2028\u2029\u061C\u200B-\u200F\u202A-\u202E\u2060-\u2069\uFEFF\u{F0000}-\u{F00FF}]/gu;

/** One line without anything that moves the cursor: such characters are shown as `\n`, `\t` or `\u{…}`; cut at `maxLength` with `…`. */
export function oneLine(text: string, maxLength = 300): string {
  const shown = text.replaceAll(unsafe, (character) => {
    if (character === '\n') return '\\n';
    if (character === '\r') return '\\r';
    if (character === '\t') return '\\t';
    const code = character.codePointAt(0) ?? 0;
    return code >= 0xf_0000 ? `\\x${(code - 0xf_0000).toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
  const characters = [...shown];
  return characters.length <= maxLength ? shown : `${characters.slice(0, maxLength - 1).join('')}…`;
}

export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;').replaceAll("'", '&#39;');
}
