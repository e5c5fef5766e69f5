import { createCipheriv, createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { constants, crc32, gzipSync, zstdCompressSync } from 'node:zlib';
import { makeShare } from '@kuramori/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeContent } from './describe';
import { planSample } from './plan';

let keys = 0;
/** Each time with another key, and in each run with the same ones. */
const encrypt = (bytes: Uint8Array): Buffer => {
  keys += 1;
  return createCipheriv('aes-256-ctr', createHash('sha256').update(String(keys)).digest(), Buffer.alloc(16)).update(bytes);
};
const noise = (length: number): Buffer => encrypt(Buffer.alloc(length));
const latin = (text: string): Buffer => Buffer.from(text, 'latin1');

function look(name: string, bytes: Uint8Array) {
  const windows = planSample(bytes.length).map(({ offset, length }) => ({ offset, bytes: bytes.subarray(offset, offset + length) }));
  return describeContent({ name, sizeBytes: bytes.length, windows, wantTextHead: true });
}
const seen = (name: string, bytes: Uint8Array) => {
  const { type, structure } = look(name, bytes);
  return `${type} ${structure}`;
};

/** Numbers in little-endian (`u`) or big-endian (`U`) order. */
const u16 = (value: number) => Buffer.from([value & 255, value >>> 8]);
const u32 = (...values: number[]) =>
  Buffer.concat(
    values.map((value) => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32LE(value);
      return bytes;
    }),
  );
const U16 = (value: number) => u16(value).reverse();
const U32 = (value: number) => u32(value).reverse();

/** Documents as other programs write them: office files, PDF, PNG, gzip, CSV. */
const documents = ((): Record<'docx' | 'xlsx' | 'pdf' | 'png' | 'csv' | 'gz', Buffer> => {
  const directory = mkdtempSync(path.join(tmpdir(), 'kuramori-content-'));
  try {
    const made = makeShare(directory, { files: 20, sources: fileURLToPath(new URL('../../../node_modules', import.meta.url)) });
    const one = (extension: string): Buffer => {
      const file = made.find((name) => name.endsWith(`.${extension}`));
      if (file === undefined) throw new Error(`no ${extension} was made`);
      return readFileSync(path.join(directory, file));
    };
    return { docx: one('docx'), xlsx: one('xlsx'), pdf: one('pdf'), png: one('png'), csv: one('csv'), gz: one('gz') };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
})();

const sqlite = ((): Buffer => {
  const directory = mkdtempSync(path.join(tmpdir(), 'kuramori-content-'));
  try {
    const file = path.join(directory, 'a.sqlite');
    const database = new DatabaseSync(file);
    database.exec('CREATE TABLE t(a, b)');
    const insert = database.prepare('INSERT INTO t VALUES (?, ?)');
    for (let row = 0; row < 2000; row += 1) insert.run(row, 'x'.repeat(row % 90 === 0 ? 9000 : 40)); // some rows need overflow pages
    database.exec('DELETE FROM t WHERE a > 1500');
    database.close();
    return readFileSync(file);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
})();

/** Compressed data of a picture: every 0xff is followed by 0x00. */
const scan = Buffer.from(noise(20_000).toString('latin1').replaceAll('\xff', '\xff\0'), 'latin1');
const segment = (marker: number, body: Buffer) => Buffer.concat([Buffer.from([0xff, marker]), U16(body.length + 2), body]);
const jpeg = Buffer.concat([
  latin('\xff\xd8'),
  segment(0xe0, latin('JFIF\0\x01\x01\0\0\x01\0\x01\0\0')),
  segment(0xdb, Buffer.alloc(65, 16)),
  segment(0xc0, latin('\x08\0\x64\0\x64\x01\x01\x11\0')),
  segment(0xda, latin('\x01\x01\0\0\x3f\0')),
  scan,
  latin('\xff\xd9'),
]);
const gif = Buffer.concat([
  latin('GIF89a\x10\0\x10\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\0\0\0\0\0,\0\0\0\0\x10\0\x10\0\0\x02'),
  ...Array.from({ length: 20 }, () => Buffer.concat([Buffer.from([200]), noise(200)])),
  latin('\0;'),
]);
const tiff = Buffer.concat([latin('II*\0'), u32(8), u16(2), u16(256), u16(3), u32(1, 64), u16(257), u16(3), u32(1, 64), u32(0), noise(4096)]);

/** A compound file of 512-byte sectors: header, file allocation table, directory, content. */
function ole(stream: string): Buffer {
  const header = Buffer.alloc(512, 0);
  latin('\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1').copy(header);
  Buffer.concat([u16(0x3e), u16(3), u16(0xfffe), u16(9), u16(6)]).copy(header, 24);
  u32(1, 1, 0, 4096, 0xffff_fffe, 0, 0xffff_fffe, 0, 0).copy(header, 44);
  header.fill(0xff, 80);
  u32(1, 0).copy(header, 44);
  u32(0).copy(header, 76);
  const table = Buffer.alloc(512, 0xff);
  u32(0xffff_fffd, 0xffff_fffe, 3, 4, 0xffff_fffe).copy(table);
  const directory = Buffer.alloc(512);
  for (const [at, [name, kind]] of (
    [
      ['Root Entry', 5],
      [stream, 2],
    ] as const
  ).entries()) {
    Buffer.from(name, 'utf16le').copy(directory, at * 128);
    u16(name.length * 2 + 2).copy(directory, at * 128 + 64);
    directory[at * 128 + 66] = kind;
  }
  // The directory stands in sector 1.
  u32(1).copy(header, 48);
  return Buffer.concat([header, table, directory, noise(1536)]);
}

const box = (type: string, body: Buffer) => Buffer.concat([U32(body.length + 8), latin(type), body]);
const mp4 = Buffer.concat([box('ftyp', latin('isom\0\0\x02\0isomavc1')), box('moov', Buffer.alloc(200)), box('mdat', noise(20_000))]);
const wav = Buffer.concat([
  latin('RIFF'),
  u32(20_036),
  latin('WAVEfmt '),
  u32(16, 0x0001_0001, 8000, 8000, 0x0008_0001),
  latin('data'),
  u32(20_000),
  noise(20_000),
]);
const page = (flags: number) =>
  Buffer.concat([latin('OggS\0'), Buffer.from([flags]), Buffer.alloc(20), Buffer.from([10, ...Array.from({ length: 10 }, () => 200)]), noise(2000)]);
const ogg = Buffer.concat([page(2), page(0), page(0), page(4)]);
const flac = Buffer.concat([latin('fLaC\x80\0\0\x22'), noise(34), latin('\xff\xf8'), noise(8000)]);
const frame = () => Buffer.concat([latin('\xff\xfb\x90\x64'), noise(413)]);
const mp3 = Buffer.concat([latin('ID3\x04\0\0\0\0\0\x10'), Buffer.alloc(16), ...Array.from({ length: 20 }, frame)]);

function sevenZip(coder: string): Buffer {
  const packed = noise(5000);
  const header = latin(`\x17\x06\x80\x01\x07\x0b\x01\0\x01${coder}\x0c\0\0`);
  return Buffer.concat([latin("7z\xbc\xaf'\x1c\0\x04"), u32(0), u32(packed.length, 0, header.length, 0), u32(crc32(header)), packed, header]);
}
const lzma = sevenZip('\x03\x03\x01\x01');
const sevenZipAes = sevenZip('\x04\x06\xf1\x07\x01');

function rar5(type: number): Buffer {
  const header = Buffer.from([6, type, 0, 0, 0, 0, 0]);
  return Buffer.concat([latin('Rar!\x1a\x07\x01\0'), u32(crc32(header)), header, noise(5000)]);
}
function rar4(mainFlags: number, fileFlags: number): Buffer {
  const header = Buffer.concat([latin('\x73'), u16(mainFlags), u16(13), Buffer.alloc(6)]);
  const file = Buffer.concat([u16(0), latin('\x74'), u16(fileFlags), u16(40), Buffer.alloc(33)]);
  return Buffer.concat([latin('Rar!\x1a\x07\0'), u16(crc32(header) & 0xffff), header, file, noise(5000)]);
}

/** The same archive with the flag of every entry set that says it is encrypted. */
function withPassword(zip: Buffer): Buffer {
  const result = Buffer.from(zip);
  for (const [magic, flags] of [
    ['PK\x03\x04', 6],
    ['PK\x01\x02', 8],
  ] as const)
    for (let at = result.indexOf(magic, 0, 'latin1'); at >= 0; at = result.indexOf(magic, at + 4, 'latin1'))
      result[at + flags] = (result[at + flags] ?? 0) | 1;
  return result;
}
const gz = gzipSync(documents.csv);

/** Name, type and bytes of what opens in its program. */
const intact: readonly (readonly [name: string, type: string, bytes: Buffer])[] = [
  ['a.docx', 'docx', documents.docx],
  ['a.xlsx', 'xlsx', documents.xlsx],
  ['a.pdf', 'pdf', documents.pdf],
  ['a.png', 'png', documents.png],
  ['a.jpg', 'jpeg', jpeg],
  ['a.gif', 'gif', gif],
  ['a.tif', 'tiff', tiff],
  ['a.doc', 'ole', ole('WordDocument')],
  ['a.sqlite', 'sqlite', sqlite],
  ['a.mp4', 'mp4', mp4],
  ['a.wav', 'riff', wav],
  ['a.ogg', 'ogg', ogg],
  ['a.flac', 'flac', flac],
  ['a.mp3', 'mp3', mp3],
  ['a.csv.gz', 'gzip', gz],
  ['a.7z', '7z', lzma],
  ['a.rar', 'rar', rar5(1)],
  ['b.rar', 'rar', rar4(0, 0)],
  ['a.csv', 'text', documents.csv],
  ['日本語.txt', 'text', Buffer.from('これは計画です。\n'.repeat(100))],
  ['utf16.txt', 'text', Buffer.from('\ufeffplan of the year\r\n'.repeat(100), 'utf16le')],
];

describe('a file that is what it says', () => {
  it.each(intact)('%s is an intact %s', (name, type, bytes) => {
    expect(seen(name, bytes)).toBe(`${type} intact`);
    // What the name promises is known apart from that.
    expect(look(name, bytes).extensionType).toBe(look(`other.${name}`, bytes).extensionType);
  });
  it('of a type whose inside is not known is known by its beginning', () => {
    expect(seen('a.zst', zstdCompressSync(documents.csv))).toBe('zstd unknown');
    expect(seen('a.dat', Buffer.alloc(100_000))).toBe('data unknown');
    expect(seen('a', Buffer.alloc(0))).toBe('empty unknown');
    expect(seen('a.txt', latin('x'))).toBe('text intact');
    expect(seen('a.bin', latin('\0'))).toBe('data unknown');
  });
  it('larger than the sample is judged by what is at hand', () => {
    const long = gzipSync(Buffer.concat([documents.csv, Buffer.from(noise(600_000).toString('base64'))]));
    expect(look('a.gz', long)).toMatchObject({ type: 'gzip', structure: 'intact', sampledBytes: 448 * 1024 });
    const film = Buffer.concat([box('ftyp', latin('isom')), box('mdat', noise(3_000_000)), box('moov', Buffer.alloc(9000))]);
    expect(seen('a.mp4', film)).toMatch(/^mp4 (?:intact|unknown)$/u);
  });
  it('gives the beginning of a text, of whatever encoding', () => {
    expect(look('a.txt', Buffer.from('\ufeffpay in Bitcoin', 'utf16le')).textHead).toContain('pay in Bitcoin');
    expect(look('a.txt', latin('\x83e\x83X\x83g\n')).textHead).toBe('テスト\n');
  });
});

describe('a file that its owner encrypted says so by itself', () => {
  it.each([
    ['a zip with a password', 'a.docx', withPassword(documents.docx)],
    ['an office file with a password', 'a.docx', ole('EncryptedPackage')],
    ['7z', 'a.7z', sevenZipAes],
    ['RAR 5 with encrypted headers', 'a.rar', rar5(4)],
    ['RAR 4', 'a.rar', rar4(0, 4)],
    ['openssl enc', 'a.enc', Buffer.concat([latin('Salted__'), noise(5000)])],
    ['age', 'a.age', Buffer.concat([latin('age-encryption.org/v1\n-> X25519 x\n'), noise(5000)])],
    ['gpg -c', 'a.gpg', Buffer.concat([latin('\x8c\x0d\x04\x09\x03\x02'), noise(8), latin('\xff\xd2\xff'), noise(5000)])],
    ['gpg -r', 'a.gpg', Buffer.concat([latin('\x85\x01\x0c\x03'), noise(8), latin('\x01'), noise(5000)])],
  ])('%s', (_what, name, bytes) => {
    expect(look(name, bytes).structure).toBe('encrypted');
  });
});

const checked = intact.filter(([, type]) => type !== 'text');
/** Formats without a checksum or an end of their own, in which data behind an intact beginning may be anything. */
const withoutEnd = new Set(['wav', 'flac', 'mp3', 'tif', 'doc', 'mp4', 'rar']);

describe('a file that was encrypted', () => {
  it.each(intact)('%s as a whole is no %s any more', (name, type, bytes) => {
    const changed = look(name, encrypt(bytes));
    expect(changed.type).not.toBe(type);
    expect(changed.structure).toBe(name.endsWith('.csv') || name.endsWith('.txt') ? look(name, encrypt(bytes)).structure : 'broken');
    if (bytes.length >= 4096) expect(changed.randomShare).toBeGreaterThan(0.5);
  });
  it.each(checked.filter(([name]) => !withoutEnd.has(name.slice(name.lastIndexOf('.') + 1)) && !name.endsWith('.7z')))(
    '%s of which only a beginning was left is not intact',
    (name, _type, bytes) => {
      const kept = name.endsWith('.sqlite') ? 4096 : Math.min(512, Math.floor(bytes.length / 4));
      expect(look(name, Buffer.concat([bytes.subarray(0, kept), encrypt(bytes.subarray(kept))])).structure).not.toBe('intact');
    },
  );
  it('and written as base64 is a text without an end of its own type', () => {
    const { type, entropy, randomShare } = look('a.docx', Buffer.from(encrypt(documents.docx).toString('base64')));
    expect([type, randomShare]).toEqual(['text', 0]);
    expect(entropy).toBeGreaterThan(5.9);
  });
});

describe('whatever the bytes are', () => {
  const magic = fc.constantFrom(
    ...checked.map(([, , bytes]) => bytes.subarray(0, 8)),
    latin('RIFF\0\x10\0\0WAVE'),
    latin('PK\x05\x06'),
    latin('\xfd7zXZ\0'),
  );
  it('random ones are never called intact, with or without the beginning of a type', () => {
    const random = fc
      .tuple(fc.option(magic), fc.integer({ min: 1024, max: 40_000 }))
      .map(([head, length]) => Buffer.concat([head ?? latin(''), noise(length)]));
    fc.assert(
      fc.property(random, fc.constantFrom(...intact.map(([name]) => name)), (bytes, name) => {
        expect(look(name, bytes).structure).not.toBe('intact');
      }),
      // Chance may build a page of Ogg or a chunk that ends where the file does, once in some 30,000: the same bytes in each run.
      { numRuns: 2000, seed: 20_251_125 },
    );
  });
  it('what was cut or overwritten from some place on is not called encrypted by its owner', () => {
    const at = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.constantFrom(...intact), at, fc.constantFrom('cut', 'zeros', 'random'), ([name, , bytes], share, how) => {
        // With the first bytes gone it may be anything.
        const from = 16 + Math.floor((bytes.length - 16) * share);
        const rest = { cut: 0, zeros: bytes.length - from, random: bytes.length - from }[how];
        const changed = Buffer.concat([bytes.subarray(0, from), how === 'random' ? noise(rest) : Buffer.alloc(rest)]);
        expect(look(name, changed).structure).not.toBe('encrypted');
      }),
      { numRuns: 1000 },
    );
  });
  it('they never make it throw, also where windows are missing', () => {
    const bytes = fc.tuple(fc.option(magic), fc.uint8Array({ maxLength: 3000 })).map(([head, rest]) => Buffer.concat([head ?? latin(''), rest]));
    fc.assert(
      fc.property(bytes, fc.nat({ max: 4000 }), fc.nat({ max: 5000 }), (content, from, more) => {
        const window = { offset: from, bytes: content };
        describeContent({ name: 'a.pdf', sizeBytes: from + content.length + more, windows: [window], wantTextHead: true });
        describeContent({
          name: 'a',
          sizeBytes: 5_000_000,
          windows: [
            { offset: 0, bytes: content },
            { offset: 4_000_000, bytes: content },
          ],
        });
        expect(look('a.zip', content).sampledBytes).toBe(content.length);
      }),
      { numRuns: 2000 },
    );
  });
  it('one changed byte in an intact file never makes it throw', () => {
    fc.assert(
      fc.property(fc.constantFrom(...intact), fc.nat(), fc.nat({ max: 255 }), ([name, , bytes], at, value) => {
        const changed = Buffer.from(bytes);
        changed[at % Math.min(bytes.length, 600)] = value;
        expect(look(name, changed).sizeBytes).toBe(bytes.length);
      }),
      { numRuns: 2000 },
    );
  });
  it('a text made to be matched for ever ends at once ', () => {
    for (const text of ['<<'.repeat(30_000), '<</Filter/FlateDecode'.repeat(3000), `<</Filter${' '.repeat(60_000)}`, 'stream\n>>'.repeat(7000)])
      expect(look('a.pdf', latin(`%PDF-1.4\n${text}startxref 9 %%EOF`)).type).toBe('pdf');
  });
  it('a gzip header that never ends is nothing intact', () => {
    expect(seen('a.gz', Buffer.concat([latin('\x1f\x8b\x08\x08\0\0\0\0\0\x03'), Buffer.alloc(5000, 0x41)]))).toBe('gzip unknown');
    expect(gzipSync('', { finishFlush: constants.Z_FINISH }).length).toBeLessThan(64);
  });
});
