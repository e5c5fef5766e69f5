/** Extensions that public reports name for a family (No More Ransom, ID Ransomware, vendors' reports). */
import { extensionOf } from './observation';

const families: Readonly<Record<string, string>> = {
  LockBit: 'lockbit abcd',
  WannaCry: 'wncry wcry wncryt',
  Locky: 'locky zepto osiris',
  Cerber: 'cerber cerber2 cerber3',
  CryptXXX: 'cryp1 crypz',
  CryptoLocker: 'cryptolocker',
  Ryuk: 'ryk ryuk',
  Conti: 'conti',
  Maze: 'maze',
  Phobos: 'phobos eking eight faust',
  Dharma: 'dharma wallet',
  'STOP/Djvu': 'djvus stopped',
  GandCrab: 'gandcrab krab gdcb crab',
  REvil: 'sodinokibi',
  Clop: 'clop ciop cllp',
  'Black Basta': 'basta',
  Play: 'play',
  Akira: 'akira',
  Royal: 'royal royal_w',
  BlackCat: 'blackcat sykffle',
  Hive: 'hive',
  AvosLocker: 'avos avos2 avoslinux',
  Medusa: 'medusa',
  Babuk: 'babyk babuk babuk2',
  TeslaCrypt: 'teslacrypt ecc ezz exx vvv micro',
  Jigsaw: 'jigsaw fun',
  'Bad Rabbit': 'badrabbit',
  Globe: 'globe purge',
  Crysis: 'crysis xtbl',
  Makop: 'makop mkp',
  '8Base': '8base',
  Rhysida: 'rhysida',
  Qlocker: 'qlocker',
  DeadBolt: 'deadbolt',
  eCh0raix: 'ech0raix muhstik',
  PSRansom: 'psr',
  LockFile: 'lockfile',
  Snatch: 'snatch',
  Cactus: 'cts0 cts1',
  Mallox: 'mallox malox',
  Trigona: '_locked',
  Cuba: 'cuba',
  BianLian: 'bianlian',
  NoEscape: 'noescape',
  INC: 'inc',
  Qilin: 'qilin',
  RansomEXX: 'ransomexx',
  HelloKitty: 'kitty crypted_by_hellokitty',
  Erebus: 'ecrypt erebus',
};
const familyByExtension = new Map(
  Object.entries(families).flatMap(([family, extensions]) => extensions.split(' ').map((extension) => [extension, family] as const)),
);

/** Words and abbreviations that others use as well: they name a family beside other evidence, and weigh nothing by themselves. */
const ambiguous = new Set(
  (
    'abcd maze eight faust wallet stopped crab play akira royal hive medusa ecc ezz exx vvv micro fun globe purge mkp psr lockfile snatch ' +
    '_locked cuba inc kitty'
  ).split(' '),
);

/** The family whose files bear this extension, if one is known. */
export function familyOf(path: string): string | undefined {
  return familyByExtension.get(extensionOf(path));
}

/** No program but this family's uses the extension. */
export function isUnmistakable(extension: string): boolean {
  return familyByExtension.has(extension) && !ambiguous.has(extension);
}
