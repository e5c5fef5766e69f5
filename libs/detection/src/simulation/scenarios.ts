/** Attacks and innocent work as sequences of operations on a simulated share. Which files: all originals, in order of their paths. */
import { createCipheriv, createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { Actor } from '@kuramori/contracts';
import type { ShareSimulator } from './share-simulator';

export type Scenario = (share: ShareSimulator, files: readonly string[]) => void;

let counter = 0;
/** AES-CTR under a fresh, reproducible key: as random as it gets, and the same in every run. */
export function encrypt(bytes: Uint8Array): Uint8Array {
  counter += 1;
  const seed = createHash('sha256').update(`${counter}:${bytes.length}`).digest();
  return createCipheriv('aes-256-ctr', seed, seed.subarray(0, 16)).update(bytes);
}
export const noise = (length: number): Uint8Array => encrypt(new Uint8Array(length));
const concat = (...parts: readonly (Uint8Array | string)[]): Uint8Array =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)));
const salted = (bytes: Uint8Array): Uint8Array => concat('Salted__', noise(8), encrypt(bytes));
/** What `gpg -c` writes: a passphrase packet and an encrypted data packet (RFC 9580). */
export const openPgp = (bytes: Uint8Array): Uint8Array => concat('\x8c\x0d\x04\x09\x03\x02', noise(8), '\xff', '\xd2\xea', encrypt(bytes));
const directoryOf = (path: string): string => path.slice(0, path.lastIndexOf('/'));
const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
export const note = 'ALL YOUR FILES HAVE BEEN ENCRYPTED! To decrypt them contact nobody@example.invalid and pay in bitcoin.\n';

function script(share: ShareSimulator): Actor {
  return share.process('/usr/bin/bash', share.process('/usr/bin/bash'));
}
function inPlace(change: (bytes: Uint8Array) => Uint8Array): Scenario {
  return (share, files) => {
    const python = share.process('/usr/bin/python3', share.process('/usr/bin/bash'));
    for (const file of files) share.write(python, file, change(share.read(file)));
  };
}

export const attacks: Readonly<Record<string, Scenario>> = {
  'openssl enc and rm, a process each': (share, files) => {
    const bash = script(share);
    for (const file of files) {
      share.write(share.process('/usr/bin/openssl', bash), `${file}.enc`, salted(share.read(file)));
      share.delete(share.process('/usr/bin/rm', bash), file);
    }
  },
  'xargs -P4': (share, files) => {
    const xargs = share.process('/usr/bin/xargs', script(share));
    for (let from = 0; from < files.length; from += 4) {
      const four = files.slice(from, from + 4).map((file) => ({ file, shell: share.process('/usr/bin/dash', xargs) }));
      for (const { file, shell } of four) share.write(share.process('/usr/bin/openssl', shell), `${file}.lock`, salted(share.read(file)));
      for (const { file, shell } of four) share.delete(share.process('/usr/bin/rm', shell), file);
    }
  },
  'gpg -c and rm': (share, files) => {
    const bash = script(share);
    for (const file of files) {
      share.write(share.process('/usr/bin/gpg', bash), `${file}.gpg`, openPgp(share.read(file)));
      share.delete(share.process('/usr/bin/rm', bash), file);
    }
  },
  'overwriting in place': inPlace(encrypt),
  'in place, then renamed, with notes': (share, files) => {
    const python = share.process('/usr/bin/python3', share.process('/usr/bin/bash'));
    for (const file of files) {
      share.write(python, file, encrypt(share.read(file)));
      share.rename(python, file, `${file}.locked`);
      const path = `${directoryOf(file)}/HOW_TO_RESTORE.txt`;
      if (!share.files.has(path)) share.write(python, path, Buffer.from(note));
    }
  },
  'renamed first, then in place': (share, files) => {
    const python = share.process('/usr/bin/python3');
    for (const file of files) {
      share.rename(python, file, `${file}.crypted`);
      share.write(python, `${file}.crypted`, encrypt(share.read(`${file}.crypted`)));
    }
  },
  'in place with mv as a process of its own': (share, files) => {
    const bash = script(share);
    for (const file of files) {
      share.write(share.process('/usr/bin/dd', bash), file, encrypt(share.read(file)));
      share.rename(share.process('/usr/bin/mv', bash), file, `${file}.locked`);
    }
  },
  'write new, rename over': (share, files) => {
    const python = share.process('/usr/bin/python3');
    for (const file of files) {
      share.write(python, `${file}.tmp`, encrypt(share.read(file)));
      share.rename(python, `${file}.tmp`, file);
    }
  },
  'write new with an id, delete old': (share, files) => {
    const python = share.process('/usr/bin/python3');
    for (const file of files) {
      share.write(python, `${file}.id-7F3A.lock`, encrypt(share.read(file)));
      share.delete(python, file);
    }
  },
  'write under a random name, delete old': (share, files) => {
    const python = share.process('/usr/bin/python3');
    for (const [index, file] of files.entries()) {
      share.write(python, `${directoryOf(file)}/${createHash('md5').update(String(index)).digest('hex')}`, encrypt(share.read(file)));
      share.delete(python, file);
    }
  },
  'everything encrypted first, deleted at the end': (share, files) => {
    const python = share.process('/usr/bin/python3');
    for (const file of files) share.write(python, `${file}.enc`, encrypt(share.read(file)));
    share.wait(600_000);
    for (const file of files) share.delete(python, file);
  },
  'backup name first, ciphertext in its place, backup deleted': (share, files) => {
    const python = share.process('/usr/bin/python3');
    for (const file of files) {
      share.rename(python, file, `${file}.bak`);
      share.write(python, file, encrypt(share.read(`${file}.bak`)));
      share.delete(python, `${file}.bak`);
    }
  },
  'four workers of one parent': (share, files) => {
    const parent = share.process('/usr/bin/python3');
    const workers = [0, 1, 2, 3].map(() => share.process('/usr/bin/python3', parent));
    for (const [index, file] of files.entries()) {
      const worker = workers[index % 4] ?? parent;
      share.write(worker, file, concat(encrypt(share.read(file).subarray(0, 4096)), share.read(file).subarray(4096)));
      share.rename(worker, file, `${file}.lockbit`);
    }
  },
  'eighteen processes without a common parent': (share, files) => {
    const workers = Array.from({ length: 18 }, () => share.process('/usr/bin/python3'));
    for (const [index, file] of files.entries()) {
      const worker = workers[index % 18];
      if (worker !== undefined) share.write(worker, file, encrypt(share.read(file)));
    }
  },
  'base64 of the ciphertext': (share, files) => {
    const python = share.process('/usr/bin/python3');
    for (const file of files) {
      share.write(python, file, Buffer.from(Buffer.from(encrypt(share.read(file))).toString('base64')));
      share.rename(python, file, `${file}.locked`);
    }
  },
  'only the first 4 KiB': inPlace((bytes) => concat(encrypt(bytes.subarray(0, 4096)), bytes.subarray(4096))),
  'all but the first 4 KiB': inPlace((bytes) => concat(bytes.subarray(0, 4096), encrypt(bytes.subarray(4096)))),
  'every other 16 bytes': inPlace((bytes) => {
    const cipher = encrypt(bytes);
    return bytes.map((value, index) => (Math.floor(index / 16) % 2 === 0 ? (cipher[index] ?? 0) : value));
  }),
  'xor with one byte': inPlace((bytes) => bytes.map((value) => value ^ 0xa5)),
  'a PDF header before the ciphertext': inPlace((bytes) => concat('%PDF-1.7\n', encrypt(bytes))),
  zeros: inPlace((bytes) => new Uint8Array(bytes.length)),
  'truncated, fifty files a process': (share, files) => {
    const xargs = share.process('/usr/bin/xargs', script(share));
    for (let from = 0; from < files.length; from += 50) {
      const truncate = share.process('/usr/bin/truncate', xargs);
      for (const file of files.slice(from, from + 50)) share.write(truncate, file, new Uint8Array());
    }
  },
  'one file in five minutes': (share, files) => {
    const python = share.process('/usr/bin/python3');
    for (const file of files.slice(0, 30)) {
      share.write(python, file, encrypt(share.read(file)));
      share.heartbeat(300_000);
    }
  },
  'one encrypted container, then delete': (share, files) => {
    const bash = script(share);
    share.write(share.process('/usr/bin/gpg', bash), '/srv/share/all.gpg', openPgp(concat(...files.map((file) => share.read(file)))));
    const rm = share.process('/usr/bin/rm', bash);
    for (const file of files) share.delete(rm, file);
  },
  'overwritten twice, then deleted': (share, files) => {
    const shred = share.process('/usr/bin/shred', share.process('/usr/bin/bash'));
    for (const file of files) {
      share.write(shred, file, noise(share.read(file).length));
      share.write(shred, file, noise(share.read(file).length));
      share.delete(shred, file);
    }
  },
};

const readableOf = (share: ShareSimulator, files: readonly string[], extension: string): string[] =>
  files.filter((file) => file.endsWith(extension) && share.read(file).length > 0);
const other = (share: ShareSimulator, same: readonly string[], index: number): Uint8Array => share.read(same[(index + 1) % same.length] ?? '');

export const innocentWork: Readonly<Record<string, Scenario>> = {
  unzip: (share, files) => {
    const unzip = share.process('/usr/bin/unzip', script(share));
    for (const file of files) share.write(unzip, file.replace('/srv/share/', '/srv/share/unpacked/'), share.read(file));
  },
  'rsync into a new tree': (share, files) => {
    const rsync = share.process('/usr/bin/rsync', script(share));
    for (const file of files) {
      const target = file.replace('/srv/share/', '/srv/share/copy/');
      const temporary = `${directoryOf(target)}/.${nameOf(target)}.Xa81kQ`;
      share.write(rsync, temporary, share.read(file));
      share.rename(rsync, temporary, target);
    }
  },
  'slow copies over existing files, seen half way': (share, files) => {
    const cp = share.process('/usr/bin/cp', script(share));
    const documents = readableOf(share, files, '.docx');
    for (const [index, file] of documents.entries()) {
      const next = other(share, documents, index);
      share.write(cp, file, next.subarray(0, Math.floor(next.length / 2)));
      share.write(cp, file, next);
    }
  },
  'safe-save with a backup name': (share, files) => {
    const office = share.process('/usr/lib/libreoffice/soffice.bin');
    const documents = [...readableOf(share, files, '.docx'), ...readableOf(share, files, '.xlsx')];
    for (const [index, file] of documents.entries()) {
      const temporary = `${directoryOf(file)}/lu${index}.tmp`;
      share.write(office, `${directoryOf(file)}/.~lock.${nameOf(file)}#`, Buffer.from(',alice,fs01,;'));
      share.write(office, temporary, other(share, documents, index));
      share.rename(office, file, `${file}.bak`);
      share.rename(office, temporary, file);
      share.delete(office, `${file}.bak`);
      share.delete(office, `${directoryOf(file)}/.~lock.${nameOf(file)}#`);
    }
  },
  'sed -i': (share, files) => {
    const sed = share.process('/usr/bin/sed', script(share));
    for (const [index, file] of files.filter((path) => /\.(?:md|csv|txt|json|html|ts|js)$/u.test(path)).entries()) {
      share.write(
        sed,
        `${directoryOf(file)}/sed${index}aB`,
        Buffer.from(Buffer.from(share.read(file)).toString('latin1').replaceAll('the', 'THE'), 'latin1'),
      );
      share.rename(sed, `${directoryOf(file)}/sed${index}aB`, file);
    }
  },
  'gzip -r': (share, files) => {
    const gzip = share.process('/usr/bin/gzip', script(share));
    for (const file of files.filter((path) => !path.endsWith('.gz'))) {
      share.write(gzip, `${file}.gz`, gzipSync(share.read(file)));
      share.delete(gzip, file);
    }
  },
  'zip -m': (share, files) => {
    const zip = share.process('/usr/bin/zip', script(share));
    const [archive] = readableOf(share, files, '.docx');
    share.write(zip, '/srv/share/ziA81kQ', share.read(archive ?? '').subarray(0, 3000));
    share.write(zip, '/srv/share/ziA81kQ', share.read(archive ?? ''));
    share.rename(zip, '/srv/share/ziA81kQ', '/srv/share/all.zip');
    for (const file of files) share.delete(zip, file);
  },
  'mogrify in place': (share, files) => {
    const pictures = readableOf(share, files, '.png');
    const mogrify = share.process('/usr/bin/mogrify', script(share));
    for (const [index, file] of pictures.entries()) {
      share.write(mogrify, `${file}~`, other(share, pictures, index));
      share.rename(mogrify, `${file}~`, file);
    }
  },
  'exiftool by way of a temporary name': (share, files) => {
    const pictures = readableOf(share, files, '.png');
    const perl = share.process('/usr/bin/perl', script(share));
    for (const [index, file] of pictures.entries()) {
      share.write(perl, `${file}_exiftool_tmp`, other(share, pictures, index));
      share.rename(perl, `${file}_exiftool_tmp`, file);
    }
  },
  'compile and clean': (share) => {
    const make = share.process('/usr/bin/make', script(share));
    for (let round = 0; round < 2; round += 1) {
      for (let index = 0; index < 60; index += 1) {
        const compiler = share.process('/usr/libexec/gcc/cc1', make);
        share.write(compiler, `/srv/share/src/unit${index}.o`, concat('\x7fELF\x02\x01\x01\0', Buffer.from(`section ${round} `.repeat(400))));
      }
      if (round > 0) continue;
      const rm = share.process('/usr/bin/rm', make);
      for (let index = 0; index < 60; index += 1) share.delete(rm, `/srv/share/src/unit${index}.o`);
    }
  },
  'git objects, repack and gc': (share) => {
    const git = share.process('/usr/bin/git', script(share));
    const objects = Array.from(
      { length: 80 },
      (_, index) => `/srv/share/repo/.git/objects/${index % 10}f/${createHash('sha1').update(String(index)).digest('hex')}`,
    );
    for (const object of objects) {
      share.write(git, `${directoryOf(object)}/tmp_obj_1`, noise(900));
      share.rename(git, `${directoryOf(object)}/tmp_obj_1`, object);
    }
    share.write(git, '/srv/share/repo/.git/objects/pack/tmp_pack_x', concat('PACK\0\0\0\x02', noise(60_000)));
    share.rename(git, '/srv/share/repo/.git/objects/pack/tmp_pack_x', '/srv/share/repo/.git/objects/pack/pack-1.pack');
    const gc = share.process('/usr/bin/git', script(share));
    for (const object of objects) share.delete(gc, object);
  },
  'npm ci twice': (share, files) => {
    for (let round = 0; round < 2; round += 1) {
      const npm = share.process('/usr/bin/node', script(share));
      const modules = files.map((file) => file.replace('/srv/share/', '/srv/share/site/node_modules/'));
      if (round > 0) for (const path of modules) share.delete(npm, path);
      for (const [index, path] of modules.entries()) share.write(npm, path, share.read(files[index] ?? ''));
      for (let index = 0; index < 20; index += 1)
        share.write(
          npm,
          `/srv/share/site/node_modules/p${index}${round}/README.md`,
          Buffer.from(`# p${index}\nEncrypt and decrypt your data. Contact: me@example.invalid\n`),
        );
    }
  },
  'restic into the share, then prune': (share, files) => {
    const bash = script(share);
    const restic = share.process('/usr/bin/restic', bash);
    const packs = files.map((_, index) => `/srv/share/Backups/repo/data/${index % 16}/${createHash('sha256').update(String(index)).digest('hex')}`);
    for (const [index, pack] of packs.entries()) share.write(restic, pack, noise(share.read(files[index] ?? '').length));
    const prune = share.process('/usr/bin/restic', bash);
    for (const pack of packs.slice(0, 40)) share.delete(prune, pack);
    share.write(prune, '/srv/share/Backups/repo/data/0/new', noise(50_000));
    share.write(share.process('/usr/bin/bash', bash), files[0] ?? '', share.read(files[0] ?? ''));
  },
  'mass rename: date prefixes, underscores, .jpeg to .jpg': (share, files) => {
    const rename = share.process('/usr/bin/perl', script(share));
    for (const file of files)
      share.rename(
        rename,
        file,
        `${directoryOf(file)}/2025-06_${nameOf(file)
          .replaceAll(' ', '_')
          .replace(/\.jpeg$/u, '.jpg')}`,
      );
  },
  'trees moved by copy and delete': (share, files) => {
    const mv = share.process('/usr/bin/mv', script(share));
    for (const file of files) share.write(mv, file.replace('/srv/share/', '/srv/share/2025/'), share.read(file));
    for (const file of files) share.delete(mv, file);
  },
  'rm -r': (share, files) => {
    const rm = share.process('/usr/bin/rm', script(share));
    for (const file of files) share.delete(rm, file);
  },
  'logrotate with compress, and copytruncate': (share) => {
    const logrotate = share.process('/usr/sbin/logrotate');
    const log = Buffer.from('2025-11-24T16:00:00 GET /index.html 200\n'.repeat(300));
    for (let index = 0; index < 40; index += 1) share.write(share.process('/usr/sbin/service'), `/srv/share/IT/Logs/s${index}.log`, log);
    for (let index = 0; index < 40; index += 1) {
      const path = `/srv/share/IT/Logs/s${index}.log`;
      if (index % 2 === 0) {
        share.rename(logrotate, path, `${path}.1`);
        const gzip = share.process('/usr/bin/gzip', logrotate);
        share.write(gzip, `${path}.1.gz`, gzipSync(log));
        share.delete(gzip, `${path}.1`);
      } else {
        share.write(logrotate, `${path}.1`, log);
        share.write(logrotate, path, new Uint8Array());
      }
    }
  },
  'one document encrypted with openssl, the original kept': (share, files) => {
    const [file = ''] = readableOf(share, files, '.docx');
    share.write(share.process('/usr/bin/openssl', script(share)), `${file}.enc`, salted(share.read(file)));
  },
  'downloads of random-looking files': (share) => {
    const firefox = share.process('/usr/lib/firefox/firefox');
    for (let index = 0; index < 60; index += 1) {
      share.write(firefox, `/srv/share/Users/tanaka/video${index}.mp4.part`, noise(20_000));
      share.write(firefox, `/srv/share/Users/tanaka/video${index}.mp4.part`, noise(60_000));
      share.rename(firefox, `/srv/share/Users/tanaka/video${index}.mp4.part`, `/srv/share/Users/tanaka/video${index}.bin`);
    }
  },
  'a renaming to an own extension, one type': (share, files) => {
    const mv = share.process('/usr/bin/mv', script(share));
    for (const file of readableOf(share, files, '.md')) share.rename(mv, file, file.replace(/\.md$/u, '.notizen'));
  },
};
