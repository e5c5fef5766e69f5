import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { closeSync, constants, fstatSync, fsyncSync, linkSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fsPath } from '../../path-text';

const secretBytes = 32;
const sealDigits = 64;

/**
 * Says that the guard itself wrote a sidecar: an HMAC (RFC 2104, SHA-256) with a secret that never leaves dataDir. A directory of root's may have been brought from
 * elsewhere; who can read the secret could write to the vault itself.
 */
export class SpoolSeal {
  private constructor(private readonly secret: Buffer) {}

  /** The secret is made at first use. @throws Error when the file is not ours, or a file error */
  static of(dataDir: string): SpoolSeal {
    const file = path.join(dataDir, 'guard-spool.key');
    try {
      return new SpoolSeal(read(file));
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    }
    make(file);
    return new SpoolSeal(read(file));
  }

  /** One line with the seal, then the text. */
  seal(text: string): string {
    return `${this.digest(text).toString('hex')}\n${text}`;
  }

  /** The text; undefined: it was not sealed here, or was changed. */
  open(sealed: string): string | undefined {
    const text = sealed.slice(sealDigits + 1);
    const seal = Buffer.from(sealed.slice(0, sealDigits), 'hex');
    const expected = this.digest(text);
    return seal.length === expected.length && timingSafeEqual(seal, expected) ? text : undefined;
  }

  private digest(text: string): Buffer {
    return createHmac('sha256', this.secret).update(text).digest();
  }
}

function read(file: string): Buffer {
  const fd = openSync(fsPath(file), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile() || stat.uid !== process.getuid?.() || (stat.mode & 0o077) !== 0 || stat.size !== secretBytes)
      throw new Error(
        `${file} is not the guard's secret (a file of ${secretBytes} bytes, readable by Kuramori alone): move it away; copies that wait in the guard's spool are not taken over then`,
      );
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Complete or absent, and the first one stays: guard and vault may come at once. On the disk before anything relies on it. */
function make(file: string): void {
  const temporary = `${file}.${randomBytes(6).toString('hex')}`;
  const fd = openSync(fsPath(temporary), 'wx', 0o600);
  try {
    writeFileSync(fd, randomBytes(secretBytes));
    fsyncSync(fd);
    linkSync(fsPath(temporary), fsPath(file));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  } finally {
    closeSync(fd);
    rmSync(fsPath(temporary), { force: true });
  }
}
