/**
 * A name from outside can hold anything: escape sequences that take over a terminal, line breaks that forge a line of a list or a header of a mail, marks
 * that turn the direction of writing round so that `txt.exe` reads `exe.txt`, halves of a character; and path text writes bytes that are no UTF-8 as U+F00NN.
 */
const unsafe = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029\u{F0000}-\u{F00FF}]/gu;
const undecodable = 0xf_0000;
const escapes: Readonly<Record<string, string>> = { '\n': String.raw`\n`, '\r': String.raw`\r`, '\t': String.raw`\t` };

/** The text on one line, harmless for people's terminals, mails and pages: what is unsafe is shown as `\n`, `\r`, `\t`, `\xNN` (a byte) or `\u{…}`. */
export function safeText(text: string): string {
  return text.replaceAll(unsafe, (character) => {
    const code = character.codePointAt(0) ?? 0;
    const byte = code >= undecodable ? code - undecodable : code;
    return escapes[character] ?? (byte < 0x100 ? String.raw`\x${byte.toString(16).padStart(2, '0')}` : String.raw`\u{${byte.toString(16)}}`);
  });
}
