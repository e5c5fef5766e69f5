import { closeSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import path from 'node:path';

/** Two files of this size per service: some days of ordinary work, an hour of a storm. */
const maxFileBytes = 10 * 1024 * 1024;

/** dataDir/log/<name>.log, moved to <name>.log.1 when full. A disk that is full must not end the supervisor: lines are dropped and counted then. */
export class ServiceLog {
  private descriptor: number | undefined;
  private sizeBytes = 0;
  private dropped = 0;
  private readonly file: string;

  constructor(
    directory: string,
    name: string,
    private readonly limitBytes = maxFileBytes,
  ) {
    this.file = path.join(directory, `${name}.log`);
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
    } catch {
      // Opening will fail too, and is tried again with every line.
    }
  }

  get droppedLines(): number {
    return this.dropped;
  }

  write(line: string): void {
    try {
      if (this.descriptor === undefined) this.open();
      if (this.sizeBytes >= this.limitBytes) this.rotate();
      if (this.descriptor !== undefined) this.sizeBytes += writeSync(this.descriptor, `${line}\n`);
    } catch {
      this.dropped += 1;
      this.close();
    }
  }

  close(): void {
    if (this.descriptor === undefined) return;
    const descriptor = this.descriptor;
    this.descriptor = undefined;
    try {
      closeSync(descriptor);
    } catch {
      // It is gone either way.
    }
  }

  private open(): void {
    this.descriptor = openSync(this.file, 'a', 0o600);
    this.sizeBytes = fstatSync(this.descriptor).size;
  }

  private rotate(): void {
    this.close();
    renameSync(this.file, `${this.file}.1`);
    this.open();
  }
}
