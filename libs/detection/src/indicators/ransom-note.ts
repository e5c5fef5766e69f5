import type { ContentFeatures } from '@kuramori/contracts';
import { baseName, type Finding } from '../observation';

/** What every note claims, in the languages notes are written in: that the reader's files were taken from him. */
const claims: readonly RegExp[] = [
  /\b(?:your|all)\b[^.!?]{0,60}\b(?:files?|data|documents?|network|servers?|systems?|computers?|photos?|databases?|backups?)\b[^.!?]{0,80}(?:encrypt|\blocked|stolen|exfiltrat|\bciphered|crypted|hacked)/iu,
  /(?:encrypt|locked|stolen|hacked)[^.!?]{0,40}\b(?:all|your)\b[^.!?]{0,40}\b(?:files?|data|documents?|network|servers?|systems?|computers?)\b/iu,
  /(?:ファイル|データ|文書|システム)[^。]{0,40}(?:暗号化|ロック|盗)/u,
  /(?:文件|数据|資料|数据库|系统)[^。]{0,40}(?:加密|锁定|鎖定)/u,
  /(?:файл|данны|документ|сервер)[^.!?]{0,60}(?:зашифрован|заблокирован|украден)/iu,
  /(?:dateien|daten|dokumente|netzwerk)[^.!?]{0,60}(?:verschlüsselt|gesperrt|gestohlen)/iu,
  /(?:fichiers|données|documents|réseau)[^.!?]{0,60}(?:chiffré|crypté|verrouillé|volé)/iu,
  /(?:archivos|datos|documentos|red)\b[^.!?]{0,60}(?:cifrad|encriptad|bloquead|robad)/iu,
  /(?:file|dati|documenti)\b[^.!?]{0,60}(?:crittografat|cifrati|bloccat|rubat)/iu,
  /(?:arquivos|dados|documentos)\b[^.!?]{0,60}(?:criptografad|cifrad|bloquead|roubad)/iu,
  /(?:파일|데이터)[^.!?]{0,40}(?:암호화|잠겼|잠금)/u,
];

/** … and what they ask for: how to get them back, for what, and where. */
const demands: readonly RegExp[] = [
  /decrypt|\brestore|\brecover|\bunlock|復号|復元|解密|恢复|расшифр|восстанов|entschlüssel|wiederherstell|déchiffr|récupér|descifr|recuper|decritt|복호화|복구/iu,
  /bitcoin|\bbtc\b|monero|\bxmr\b|ransom|\bpay(?:ment)?\b|wallet|身代金|支払|赎金|比特币|выкуп|оплат|lösegeld|bezahl|rançon|paiement|rescate|pago|riscatto|resgate|몸값|비트코인/iu,
  /\.onion|\btor browser|\bcontact\b|\btelegram\b|\btox id|session id|連絡|联系|свяжитесь|kontaktier|contacter|contact[ao]|연락/iu,
];
const largestNoteBytes = 64 * 1024;
/** Names that notes bear, for those whose wording can't be read (pictures, HTA, other languages). */
const noteName =
  /(?:decrypt|restore|recover|unlock|ransom|how[ _-]*to|help[ _-]*(?:me|your|files)|read[ _-]*me.*(?:lock|crypt|files|now|first|!)|(?:^|[_!#-])readme[_!#-]|your[ _-]*files|!!+|復号|復元)/iu;
const weights = { one: 10, several: 20, nameOnly: 6 };

function readsLikeRansomNote(text: string): boolean {
  return claims.some((claim) => claim.test(text)) && demands.some((demand) => demand.test(text));
}

/** A new small text that speaks like a note; the same one in several folders speaks louder. `folders`: in how many the same file stands. */
export function ransomNote(path: string, content: ContentFeatures, folders: number): Finding | undefined {
  if (content.sizeBytes > largestNoteBytes) return undefined;
  const name = baseName(path);
  const spread = folders > 1 ? ` and stands in ${folders} folders` : '';
  if (content.textHead !== undefined && readsLikeRansomNote(content.textHead))
    return note(folders > 2 ? weights.several : weights.one, `${name} reads like a ransom note${spread}`);
  if (folders < 4 || !noteName.test(name)) return undefined;
  return note(weights.nameOnly, `${name} is named like a ransom note${spread}`);
}

function note(weight: number, summary: string): Finding {
  return { indicator: 'ransom-note', kind: 'note', weight, technique: 'T1486', summary };
}
