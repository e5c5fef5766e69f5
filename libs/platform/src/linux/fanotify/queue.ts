/** The kernel's queue of notifications: marks, reads, closes. */
import { pathToBytes } from '../../path-text';
import { atCurrentDirectory, checked, close, errno, fanotifyInit, fanotifyMark, read, SystemCallError, zeroTerminated } from '../libc';
import { type FanotifyEvent, longestEventBytes, parseFanotifyEvents } from './events';

const classNotification = 0;
const reportNames = 0x1e00; // FAN_REPORT_DFID_NAME_TARGET
const initFlags = classNotification | reportNames | 0x20 | 0x10 | 0x2 | 0x1; // unlimited marks, unlimited queue, non-blocking, close on exec
const markAddFilesystem = 0x1 | 0x100;
const readBytes = 256 * 1024;
const errnoInterrupted = 4;
const errnoAgain = 11;

export class FanotifyQueue {
  readonly fd: number;
  private readonly buffer = Buffer.alloc(readBytes);
  /** The last read found no more than it brought. */
  isEmpty = false;

  /** @throws SystemCallError where fanotify with names is not to be had */
  constructor() {
    this.fd = checked('fanotify_init', fanotifyInit(initFlags, 0));
  }

  /** From now on tells of what the mask names on the whole filesystem that holds the directory. @throws SystemCallError */
  watchFilesystem(directory: string, mask: bigint): void {
    checked(
      `fanotify_mark(${directory})`,
      fanotifyMark(this.fd, markAddFilesystem, mask, atCurrentDirectory, zeroTerminated(pathToBytes(directory))),
    );
  }

  /**
   * What waits, in order, at most one buffer full. Never blocks.
   * @throws SystemCallError when the kernel doesn't let it be read any more
   */
  read(): FanotifyEvent[] {
    const length = Number(read(this.fd, this.buffer, this.buffer.length));
    const reason = length < 0 ? errno() : 0;
    if (reason === errnoAgain) this.isEmpty = true;
    else if (reason === errnoInterrupted) this.isEmpty = false;
    else if (reason !== 0) throw new SystemCallError('read(fanotify)', reason);
    // The kernel stops where the next event doesn't fit; with room left there was none.
    else this.isEmpty = length < this.buffer.length - longestEventBytes;
    return length <= 0 ? [] : parseFanotifyEvents(this.buffer, length);
  }

  close(): void {
    close(this.fd);
  }
}
