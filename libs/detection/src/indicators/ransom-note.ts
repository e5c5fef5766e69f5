import type { ContentFeatures } from '@kuramori/contracts';
import { baseName, type Finding } from '../observation';

/** What every note says, in the languages notes are written in: what happened, that it can be undone, and how to pay or to whom to write. */
const wording: readonly RegExp[] = [
  /encrypt|locked|cipher|暗号化|ロックされ|加密|зашифрован|verschlüssel|chiffr|cifrad|criptat|암호화/iu,
  /decrypt|restore|recover|unlock|復号|復元|解密|расшифр|entschlüssel|déchiffr|descifr|복호화/iu,
  /bitcoin|\bbtc\b|monero|\bxmr\b|ransom|pay(?:ment)?\b|wallet|身代金|支払|赎金|выкуп|lösegeld|rançon|rescate|riscatto/iu,
  /\.onion|tor browser|contact (?:us|me|\S+@)|e-?mail|@\S+\.\S+|telegram|\btox\b|session id|連絡|联系/iu,
  /your (?:files|data|documents|network)|all (?:of )?your|あなたの|全てのファイル|你的文件|ваши файлы|ihre dateien|vos fichiers|sus archivos/iu,
];
/** Three of the five: an article about encryption has one or two. */
const neededTopics = 3;
const largestNoteBytes = 64 * 1024;

export function readsLikeRansomNote(text: string): boolean {
  return wording.filter((topic) => topic.test(text)).length >= neededTopics;
}

/** A new small text that speaks like a note; the same one in several folders speaks louder. `copies`: folders in which it stands. */
export function ransomNote(path: string, content: ContentFeatures | undefined, copies: number): Finding | undefined {
  if (content?.textHead === undefined || content.sizeBytes > largestNoteBytes || !readsLikeRansomNote(content.textHead)) return undefined;
  const spread = copies > 1 ? `, the same in ${copies} folders` : '';
  return {
    indicator: 'ransom-note',
    path,
    weight: copies > 2 ? 20 : 15,
    technique: 'T1486',
    summary: `${baseName(path)} reads like a ransom note${spread}`,
  };
}

/** Notes alone are no damage: the more of them, the sooner the line is near, but they don't cross it. */
export const ransomNotesAloneLimit = 70;
