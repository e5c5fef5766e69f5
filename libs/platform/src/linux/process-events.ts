/** The kernel's process connector (netlink, CN_PROC): every fork, exec and exit of the machine. Layouts: include/uapi/linux/{netlink,connector,cn_proc}.h */
import { bind, checked, close, recv, send, setsockopt, socket } from './libc';

export type ProcessEvent =
  { readonly kind: 'fork'; readonly parentPid: number; readonly pid: number } | { readonly kind: 'exec' | 'changed' | 'exit'; readonly pid: number };

const netlinkFamily = 16;
const datagramNonBlockingCloseOnExec = 2 | 0o4000 | 0o2000000;
const connectorProtocol = 11;
const processGroup = 1;
const listen = 1;
const socketLevel = 1;
const receiveBufferForce = 33;
/** Room for some 100,000 events while the thread is busy. */
const receiveBufferBytes = 16 * 1024 * 1024;

/** Parses one datagram; events of other kinds, and of threads that don't lead a process, are left out. */
export function parseProcessEvents(buffer: Buffer, length: number): ProcessEvent[] {
  const events: ProcessEvent[] = [];
  for (let at = 0; at + 52 <= length;) {
    const size = buffer.readUInt32LE(at);
    if (size < 52) break;
    const event = at + 36;
    const what = buffer.readUInt32LE(event);
    const body = event + 16;
    if (what === 0x1 && size >= 68) {
      const parentPid = buffer.readInt32LE(body + 4);
      const pid = buffer.readInt32LE(body + 8);
      if (pid === buffer.readInt32LE(body + 12)) events.push({ kind: 'fork', parentPid, pid });
    } else {
      const pid = buffer.readInt32LE(body);
      const leader = pid === buffer.readInt32LE(body + 4);
      if (leader && what === 0x2) events.push({ kind: 'exec', pid });
      else if (leader && what === 0x8000_0000) events.push({ kind: 'exit', pid });
      // uid, gid, session, name
      else if (leader && (what === 0x4 || what === 0x80 || what === 0x200)) events.push({ kind: 'changed', pid });
    }
    at += (size + 3) & ~3;
  }
  return events;
}

export class ProcessConnector {
  private readonly buffer = Buffer.alloc(64 * 1024);

  private constructor(readonly fd: number) {}

  /** @throws SystemCallError where the kernel or the privileges don't have it */
  static open(): ProcessConnector {
    const fd = checked('socket(netlink)', socket(netlinkFamily, datagramNonBlockingCloseOnExec, connectorProtocol));
    try {
      const size = Buffer.alloc(4);
      size.writeInt32LE(receiveBufferBytes);
      setsockopt(fd, socketLevel, receiveBufferForce, size, 4);
      const address = Buffer.alloc(12);
      address.writeUInt16LE(netlinkFamily, 0);
      address.writeUInt32LE(processGroup, 8);
      checked('bind(process connector)', bind(fd, address, address.length));
      const request = Buffer.alloc(40);
      request.writeUInt32LE(40, 0);
      request.writeUInt16LE(3, 4); // NLMSG_DONE
      request.writeUInt32LE(1, 16); // CN_IDX_PROC
      request.writeUInt32LE(1, 20); // CN_VAL_PROC
      request.writeUInt16LE(4, 32);
      request.writeUInt32LE(listen, 36);
      checked('send(process connector)', send(fd, request, request.length, 0));
      return new ProcessConnector(fd);
    } catch (error) {
      close(fd);
      throw error;
    }
  }

  /** Everything that waits, in order. `lost` is called when the kernel had to drop events. */
  drain(handle: (event: ProcessEvent) => void, lost: () => void): void {
    for (;;) {
      const length = Number(recv(this.fd, this.buffer, this.buffer.length, 0));
      if (length === 0) return;
      if (length < 0) {
        // ENOBUFS can't be told from EAGAIN without errno here; a second read tells.
        if (Number(recv(this.fd, this.buffer, this.buffer.length, 0)) <= 0) return;
        lost();
        continue;
      }
      for (const event of parseProcessEvents(this.buffer, length)) handle(event);
    }
  }

  close(): void {
    close(this.fd);
  }
}
