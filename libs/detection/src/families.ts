/** Extensions that public reports name for a family (No More Ransom, ID Ransomware, vendors' reports). They name an attack; they never decide. */
import { extensionOf } from './observation';

const families: Readonly<Record<string, string>> = {
  lockbit: 'LockBit', abcd: 'LockBit', wncry: 'WannaCry', wcry: 'WannaCry', wncryt: 'WannaCry', locky: 'Locky', zepto: 'Locky', odin: 'Locky', osiris: 'Locky', cerber: 'Cerber', cerber3: 'Cerber',
  crypt: 'CryptXXX', cryptolocker: 'CryptoLocker', ryk: 'Ryuk', ryuk: 'Ryuk', conti: 'Conti', maze: 'Maze', phobos: 'Phobos', eking: 'Phobos', dharma: 'Dharma', wallet: 'Dharma', djvu: 'STOP/Djvu',
  stop: 'STOP/Djvu', gandcrab: 'GandCrab', krab: 'GandCrab', gdcb: 'GandCrab', sodinokibi: 'REvil', clop: 'Clop', ciop: 'Clop', basta: 'Black Basta', play: 'Play', akira: 'Akira', royal: 'Royal',
  blackcat: 'BlackCat', hive: 'Hive', avos: 'AvosLocker', avoslinux: 'AvosLocker', medusa: 'Medusa', babyk: 'Babuk', babuk: 'Babuk', petya: 'Petya', teslacrypt: 'TeslaCrypt', ecc: 'TeslaCrypt',
  ezz: 'TeslaCrypt', vvv: 'TeslaCrypt', micro: 'TeslaCrypt', jigsaw: 'Jigsaw', fun: 'Jigsaw', badrabbit: 'Bad Rabbit', globe: 'Globe', purge: 'Globe', nemucod: 'Nemucod', crysis: 'Crysis', xtbl: 'Crysis',
  makop: 'Makop', mkp: 'Makop', '8base': '8Base', rhysida: 'Rhysida', qlocker: 'Qlocker', deadbolt: 'DeadBolt', ech0raix: 'eCh0raix', psr: 'PSRansom', lockfile: 'LockFile', snatch: 'Snatch',
};

/** The family whose files bear this extension, if one is known. */
export function familyOf(path: string): string | undefined {
  return families[extensionOf(path)];
}
