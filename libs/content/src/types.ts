/** Types by their first bytes and by their extension. Signatures: the formats' own specifications and file(1)'s public documentation. */
import { latin1, WindowReader } from './reader';
import { textEncodingOf } from './text';

/** Extension → type. Extensions with the same container share a type only where users see them as one. */
const extensionTypes: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries({
    docx: 'docx docm dotx',
    xlsx: 'xlsx xlsm xltx',
    pptx: 'pptx pptm potx ppsx',
    odt: 'odt ott',
    ods: 'ods ots',
    odp: 'odp otp',
    odg: 'odg',
    epub: 'epub',
    ole: 'doc xls ppt msg pub vsd dot xlt pps msi mpp',
    pdf: 'pdf',
    jpeg: 'jpg jpeg jpe',
    png: 'png',
    gif: 'gif',
    tiff: 'tif tiff',
    bmp: 'bmp',
    webp: 'webp',
    psd: 'psd',
    ico: 'ico',
    mp4: 'mp4 mov m4a m4v',
    riff: 'avi wav',
    matroska: 'webm mkv mka',
    mp3: 'mp3',
    ogg: 'ogg oga ogv opus',
    flac: 'flac',
    zip: 'zip jar apk xpi pages numbers key xps 3mf',
    gzip: 'gz tgz svgz',
    '7z': '7z',
    rar: 'rar',
    xz: 'xz txz',
    zstd: 'zst',
    bzip2: 'bz2 tbz2',
    tar: 'tar',
    sqlite: 'sqlite sqlite3',
    elf: 'so o',
    pe: 'exe dll sys',
    font: 'ttf otf ttc',
    woff: 'woff woff2',
    rtf: 'rtf',
    postscript: 'ps eps',
    pst: 'pst ost',
    pgp: 'gpg pgp',
    age: 'age',
    text: 'txt md csv tsv log json xml html htm svg js ts jsx tsx mjs cjs css c h cpp hpp cc hs java py sh pl rb go rs sql eml mbox ini conf cfg yaml yml toml tex dxf mht bat ps1 vbs php rst map',
  }).flatMap(([type, extensions]) => extensions.split(' ').map((extension) => [extension, type])),
);

/** The extension's type, empty where it is unknown or missing. */
export function typeOfExtension(name: string): string {
  const dot = name.lastIndexOf('.');
  return dot <= 0 ? '' : (extensionTypes[name.slice(dot + 1).toLowerCase()] ?? '');
}

interface Signature {
  readonly type: string;
  readonly offset: number;
  readonly bytes: readonly number[];
}
const signature = (type: string, text: string, offset = 0): Signature => ({
  type,
  offset,
  bytes: [...text].map((character) => character.charCodeAt(0)),
});

const signatures: readonly Signature[] = [
  signature('pdf', '%PDF-'),
  signature('png', '\x89PNG\r\n\x1a\n'),
  signature('jpeg', '\xff\xd8\xff'),
  signature('gif', 'GIF87a'),
  signature('gif', 'GIF89a'),
  signature('tiff', 'II*\0'),
  signature('tiff', 'MM\0*'),
  signature('psd', '8BPS'),
  signature('ole', '\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1'),
  signature('zip', 'PK\x03\x04'),
  signature('zip', 'PK\x05\x06'),
  signature('gzip', '\x1f\x8b\x08'),
  signature('7z', "7z\xbc\xaf'\x1c"),
  signature('rar', 'Rar!\x1a\x07'),
  signature('xz', '\xfd7zXZ\0'),
  signature('zstd', '\x28\xb5\x2f\xfd'),
  signature('bzip2', 'BZh'),
  signature('tar', 'ustar', 257),
  signature('sqlite', 'SQLite format 3\0'),
  signature('elf', '\x7fELF'),
  signature('pe', 'MZ'),
  signature('class', '\xca\xfe\xba\xbe'),
  signature('font', 'OTTO'),
  signature('font', '\0\x01\0\0\0'),
  signature('font', 'true\0'),
  signature('font', 'ttcf'),
  signature('woff', 'wOFF'),
  signature('woff', 'wOF2'),
  signature('rtf', '{\\rtf'),
  signature('postscript', '%!PS'),
  signature('postscript', '\xc5\xd0\xd3\xc6'),
  signature('pst', '!BDN'),
  signature('matroska', '\x1aE\xdf\xa3'),
  signature('ogg', 'OggS'),
  signature('flac', 'fLaC'),
  signature('mp3', 'ID3'),
  signature('ico', '\0\0\x01\0'),
  signature('wasm', '\0asm'),
  signature('pack', 'PACK'),
  signature('gitindex', 'DIRC'),
  signature('openssl-salted', 'Salted__'),
  signature('age', 'age-encryption.org/'),
  signature('age', '-----BEGIN AGE ENCRYPTED FILE-----'),
  signature('luks', 'LUKS\xba\xbe'),
  signature('kdbx', '\x03\xd9\xa2\x9a'),
  signature('pgp', '-----BEGIN PGP MESSAGE-----'),
  signature('pcap', '\xd4\xc3\xb2\xa1'),
  signature('qcow', 'QFI\xfb'),
  signature('vhdx', 'vhdxfile'),
];

/** Types whose content is encrypted by their own word. */
export const encryptedTypes: ReadonlySet<string> = new Set(['openssl-salted', 'age', 'luks', 'kdbx', 'pgp']);

function zipType(reader: WindowReader): string {
  const head = reader.text(0, 4096);
  const declared = /mimetypeapplication\/(?:vnd\.oasis\.opendocument\.(text|spreadsheet|presentation|graphics)|(epub)\+zip)/u.exec(head);
  if (declared !== null) return declared[2] ?? { text: 'odt', spreadsheet: 'ods', presentation: 'odp', graphics: 'odg' }[declared[1] ?? ''] ?? 'zip';
  const names = `${reader.text(0, 64 * 1024)}${latin1(reader.tail(64 * 1024).bytes)}`;
  if (/\[Content_Types\]\.xml|_rels\/\.rels/u.test(names)) {
    if (names.includes('word/')) return 'docx';
    if (names.includes('xl/')) return 'xlsx';
    if (names.includes('ppt/')) return 'pptx';
  }
  return 'zip';
}

/** RFC 9580, 9.1: those that encrypt. */
const publicKeyAlgorithms = new Set([1, 2, 16, 18, 25, 26]);

/** RFC 9580: an OpenPGP message encrypted to a key (tag 1) or with a passphrase (tag 3), followed by the encrypted data. Checked as far as the first packet goes. */
function isOpenPgp(reader: WindowReader): boolean {
  const first = reader.uint8(0) ?? 0;
  if ((first & 0x80) === 0) return false;
  const newFormat = (first & 0x40) !== 0;
  const tag = newFormat ? first & 0x3f : (first & 0x3c) >> 2;
  const length = reader.uint8(1) ?? 0;
  const oldOneByteLength = !newFormat && (first & 3) === 0;
  if (!newFormat && !oldOneByteLength && (first & 3) !== 1) return false;
  const body = newFormat || oldOneByteLength ? 2 : 3;
  const version = reader.uint8(body) ?? 0;
  if (tag === 3) {
    const cipher = reader.uint8(body + 1) ?? 0;
    const specifier = reader.uint8(body + 2) ?? 255;
    if (version !== 4 || cipher < 1 || cipher > 13 || ![0, 1, 3].includes(specifier) || length < 4 || length > 64) return false;
  } else if (tag === 1) {
    if (version !== 3 || !publicKeyAlgorithms.has(reader.uint8(body + 9) ?? 0)) return false;
  } else return false;
  if (tag === 1 && !oldOneByteLength && !newFormat) return true;
  const next = reader.uint8(body + length) ?? 0;
  const nextTag = (next & 0x40) !== 0 ? next & 0x3f : (next & 0x3c) >> 2;
  return (next & 0x80) !== 0 && [1, 3, 9, 18, 20].includes(nextTag);
}

/** The type that the bytes show, `data` where nothing fits, `empty` for none. */
export function typeOfBytes(reader: WindowReader): string {
  if (reader.sizeBytes === 0) return 'empty';
  const { head } = reader;
  for (const { type, offset, bytes } of signatures) {
    if (!bytes.every((value, index) => head[offset + index] === value)) continue;
    if (type === 'zip') return zipType(reader);
    if (type === 'pe' && !isPortableExecutable(reader)) continue;
    if (type === 'bzip2' && !/^BZh[1-9]1AY&SY/u.test(reader.text(0, 10))) continue;
    if (type === 'ico' && (reader.uint16(4) ?? 0) > 64) continue;
    return type;
  }
  const riff = reader.text(0, 12);
  if (riff.startsWith('RIFF')) return riff.endsWith('WEBP') ? 'webp' : 'riff';
  if (riff.startsWith('BM') && (reader.uint32(14) ?? 0) >= 12 && (reader.uint32(14) ?? 1000) <= 124) return 'bmp';
  if (['ftyp', 'moov', 'mdat', 'wide', 'free', 'skip'].includes(riff.slice(4, 8))) return 'mp4';
  if (isMpegAudio(reader)) return 'mp3';
  if (isOpenPgp(reader)) return 'pgp';
  if (reader.text(0, 1024).includes('%PDF-')) return 'pdf';
  return textEncodingOf(head.subarray(0, 8192)) === undefined ? 'data' : 'text';
}

function isPortableExecutable(reader: WindowReader): boolean {
  const offset = reader.uint32(60);
  return (
    offset !== undefined && (reader.text(offset, 2) === 'PE' || (offset > 60 && offset < reader.sizeBytes && reader.text(0, 1024).includes('DOS')))
  );
}

/** Two MPEG audio frame headers in a row: one alone is eleven bits, which chance brings. */
function isMpegAudio(reader: WindowReader): boolean {
  const length = mpegFrameBytes(reader, 0);
  return length !== undefined && mpegFrameBytes(reader, length) !== undefined;
}

const bitratesV1Layer3 = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const bitratesV2Layer3 = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
const sampleRates = [44_100, 48_000, 32_000];

/** Length of the MPEG audio layer III frame at an offset (ISO 11172-3), undefined where there is none. */
export function mpegFrameBytes(reader: WindowReader, offset: number): number | undefined {
  const header = reader.uint32(offset, false);
  if (header === undefined || header >>> 21 !== 0x7ff) return undefined;
  const version = (header >>> 19) & 3;
  const layer = (header >>> 17) & 3;
  const rate = sampleRates[(header >>> 10) & 3];
  const bitrate = (version === 3 ? bitratesV1Layer3 : bitratesV2Layer3)[(header >>> 12) & 15];
  if (version === 1 || layer !== 1 || rate === undefined || bitrate === undefined || bitrate === 0) return undefined;
  const actualRate = version === 3 ? rate : version === 2 ? rate / 2 : rate / 4;
  return Math.floor(((version === 3 ? 144_000 : 72_000) * bitrate) / actualRate) + ((header >>> 9) & 1);
}
