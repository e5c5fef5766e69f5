/** Layout of fanotify events with file handles (include/uapi/linux/fanotify.h). Pure. */
export const masks = {
  modify: 0x2n,
  attrib: 0x4n,
  closeWrite: 0x8n,
  create: 0x100n,
  delete: 0x200n,
  openToExecute: 0x1000n,
  queueOverflow: 0x4000n,
  rename: 0x1000_0000n,
  onDirectory: 0x4000_0000n,
  onChild: 0x0800_0000n,
} as const;

/** A file or directory by its filesystem's own number: it keeps it when it is renamed, and no later one gets it. */
export interface FileHandle {
  /** Filesystem id, 8 bytes hex. */
  readonly filesystem: string;
  /** struct file_handle: u32 bytes, s32 type, data. */
  readonly handle: Buffer;
}

/** A name in a directory. */
export interface NamedEntry {
  readonly directory: FileHandle;
  readonly name: Buffer;
}

export interface FanotifyEvent {
  readonly mask: bigint;
  readonly pid: number;
  /** Where it happened; for a rename the new place. */
  readonly entry: NamedEntry | undefined;
  /** A rename's old place. */
  readonly oldEntry: NamedEntry | undefined;
  /** To what it happened. */
  readonly object: FileHandle | undefined;
}

/** No event is longer: two names of 255 bytes and three handles of 128. */
export const longestEventBytes = 1024;

const metadataBytes = 24;
// enum of info records
const fid = 1;
const dfidName = 2;
const oldDfidName = 10;
const newDfidName = 12;
/** Type, length, filesystem id, and the head of the handle. */
const leastRecordBytes = 20;

function fileHandle(record: Buffer): FileHandle {
  const end = leastRecordBytes + record.readUInt32LE(12);
  // Copies: the buffer is read into again.
  return { filesystem: record.toString('hex', 4, 12), handle: Buffer.from(record.subarray(12, end)) };
}

function namedEntry(record: Buffer): NamedEntry {
  const directory = fileHandle(record);
  const rest = record.subarray(12 + directory.handle.length);
  const zero = rest.indexOf(0);
  return { directory, name: Buffer.from(zero < 0 ? rest : rest.subarray(0, zero)) };
}

function parseEvent(event: Buffer): FanotifyEvent {
  let entry: NamedEntry | undefined;
  let oldEntry: NamedEntry | undefined;
  let object: FileHandle | undefined;
  for (let at = event.readUInt16LE(6); at + 4 <= event.length;) {
    const type = event.readUInt8(at);
    const size = event.readUInt16LE(at + 2);
    if (size < 4 || at + size > event.length) break;
    if (size >= leastRecordBytes) {
      const record = event.subarray(at, at + size);
      if (type === dfidName || type === newDfidName) entry = namedEntry(record);
      else if (type === oldDfidName) oldEntry = namedEntry(record);
      else if (type === fid) object = fileHandle(record);
    }
    at += size;
  }
  return { mask: event.readBigUInt64LE(8), pid: event.readInt32LE(20), entry, oldEntry, object };
}

/** Every event of one read; one that is cut off at the end is left out. */
export function parseFanotifyEvents(buffer: Buffer, length: number): FanotifyEvent[] {
  const events: FanotifyEvent[] = [];
  const end = Math.min(length, buffer.length);
  for (let at = 0; at + metadataBytes <= end;) {
    const size = buffer.readUInt32LE(at);
    if (size < metadataBytes || at + size > end) break;
    events.push(parseEvent(buffer.subarray(at, at + size)));
    at += size;
  }
  return events;
}

/** For maps. */
export function handleKey({ filesystem, handle }: FileHandle): string {
  return filesystem + handle.toString('latin1');
}
