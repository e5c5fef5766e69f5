/** The kernel's process connector (netlink, CN_PROC): every fork, exec and exit of the machine. Layouts: include/uapi/linux/{netlink,connector,cn_proc}.h */
import { pathFromBytes } from '../path-text';
import { bind, checked, close, errno, recv, send, setsockopt, socket, SystemCallError } from './libc';

export type ProcessEvent =
  | {
      readonly kind: 'fork';
      readonly parentPid: number;
      readonly pid: number;
      /** Nanoseconds of the kernel's monotonic clock. */
      readonly atNs: number;
    }
  | { readonly kind: 'exec' | 'exit' | 'session'; readonly pid: number }
  /** The real user id changed. */
  | { readonly kind: 'user'; readonly pid: number; readonly uid: number }
  /** It gave itself another name. */
  | { readonly kind: 'name'; readonly pid: number; readonly comm: string };

const netlinkFamily = 16;
const datagramNonBlockingCloseOnExec = 2 | 0o4000 | 0o2000000;
const connectorProtocol = 11;
const processGroup = 1;
const listen = 1;
const socketLevel = 1;
const receiveBufferForce = 33;
/** Room for some 100,000 events while the thread is busy. */
const receiveBufferBytes = 16 * 1024 * 1024;
/** Datagrams taken at once: file events must not wait for ever behind a machine that does nothing but fork. */
const drainLimit = 10_000;
const errnoInterrupted = 4;
const errnoAgain = 11;
const errnoNoBufferSpace = 105;

// enum proc_cn_event
const forked = 0x1;
const executed = 0x2;
const userChanged = 0x4;
const sessionChanged = 0x80;
const nameChanged = 0x200;
const exited = 0x8000_0000;

const messageBytes = 36; // struct nlmsghdr, struct cn_msg
const headerBytes = 16; // what, cpu, timestamp_ns
/** The process and its leader, which every kind of event has. */
const leastBytes = messageBytes + headerBytes + 8;

/** Parses one datagram; events of other kinds, of threads that don't lead a process, and those cut off at the end are left out. */
export function parseProcessEvents(buffer: Buffer, length: number): ProcessEvent[] {
  const events: ProcessEvent[] = [];
  const end = Math.min(length, buffer.length);
  for (let at = 0; at + messageBytes <= end;) {
    const size = buffer.readUInt32LE(at);
    if (size < messageBytes || at + size > end) break;
    const event = size < leastBytes ? undefined : parseEvent(buffer.subarray(at + messageBytes, at + size));
    if (event !== undefined) events.push(event);
    at += (size + 3) & ~3;
  }
  return events;
}

/** One struct proc_event. */
function parseEvent(event: Buffer): ProcessEvent | undefined {
  const what = event.readUInt32LE(0);
  const body = event.subarray(headerBytes);
  if (what === forked) {
    if (body.length < 16) return undefined;
    const pid = body.readInt32LE(8);
    // A new thread has its process for leader.
    if (pid !== body.readInt32LE(12)) return undefined;
    return { kind: 'fork', parentPid: body.readInt32LE(4), pid, atNs: Number(event.readBigUInt64LE(8)) };
  }
  const pid = body.readInt32LE(0);
  if (pid !== body.readInt32LE(4)) return undefined;
  if (what === executed) return { kind: 'exec', pid };
  if (what === exited) return { kind: 'exit', pid };
  if (what === sessionChanged) return { kind: 'session', pid };
  if (what === userChanged && body.length >= 12) return { kind: 'user', pid, uid: body.readUInt32LE(8) };
  if (what === nameChanged && body.length >= 24) {
    const name = body.subarray(8, 24);
    const zero = name.indexOf(0);
    return { kind: 'name', pid, comm: pathFromBytes(zero < 0 ? name : name.subarray(0, zero)) };
  }
  return undefined;
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

  /**
   * What waits, in order. `lost` is called when the kernel had to drop events.
   * @throws SystemCallError when the connector is broken
   */
  drain(handle: (event: ProcessEvent) => void, lost: () => void): void {
    for (let taken = 0; taken < drainLimit; taken += 1) {
      const length = Number(recv(this.fd, this.buffer, this.buffer.length, 0));
      if (length > 0) {
        for (const event of parseProcessEvents(this.buffer, length)) handle(event);
        continue;
      }
      const reason = length === 0 ? errnoAgain : errno();
      if (reason === errnoAgain) return;
      if (reason === errnoNoBufferSpace) lost();
      else if (reason !== errnoInterrupted) throw new SystemCallError('recv(process connector)', reason);
    }
  }

  close(): void {
    close(this.fd);
  }
}
