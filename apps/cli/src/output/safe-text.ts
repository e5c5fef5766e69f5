/**
 * A file's name can hold anything: escape sequences that take over a terminal, line breaks that forge a line of a list, marks that turn the direction of
 * writing round so that `txt.exe` reads `exe.txt`. They are shown by number. Bytes that are not UTF-8 (path text, U+F00NN) are shown as `\xNN`.
 */
const unsafe = /[\u0000-\u001F\u007F-\u009F\u061C\u200B-\u200F\u2028-\u202E\u2060-\u206F\uFEFF\uFFF9-\uFFFB\u{F0000}-\u{F00FF}]/gu;

export function safeText(text: string): string {
  return text.replaceAll(unsafe, (character) => {
    const code = character.codePointAt(0) ?? 0;
    if (character === '\n') return String.raw`\n`;
    if (character === '\t') return String.raw`\t`;
    if (code >= 0xf_0000) return String.raw`\x${(code - 0xf_0000).toString(16).padStart(2, '0')}`;
    return code < 0x100 ? String.raw`\x${code.toString(16).padStart(2, '0')}` : String.raw`\u{${code.toString(16)}}`;
  });
}
