/** Layout of fanotify events with file handles (include/uapi/linux/fanotify.h). Pure. */
export const masks = {
  modify: 0x2n,
  attrib: 0x4n,
  closeWrite: 0x8n,
  create: 0x100n,
  delete: 0x200n,
  queueOverflow: 0x4000n,
  rename: 0x1000_0000n,
  onDirectory: 0x4000_0000n,
  onChild: 0x0800_0000n,
} as const;

/** A directory by handle, and a name in it. */
export interface NamedEntry {
  /** Filesystem id, 8 bytes hex. */
  readonly filesystem: string;
  /** struct file_handle: u32 bytes, s32 type, data. */
  readonly directory: Buffer;
  readonly name: Buffer;
}

export interface FanotifyEvent {
  readonly mask: bigint;
  readonly pid: number;
  /** Where it happened; for a rename the new place. */
  readonly entry: NamedEntry | undefined;
  /** A rename's old place. */
  readonly oldEntry: NamedEntry | undefined;
}

const dfidName = 2;
const oldDfidName = 10;
const newDfidName = 12;

function namedEntry(buffer: Buffer, at: number, length: number): NamedEntry {
  const handleBytes = buffer.readUInt32LE(at + 12);
  const nameAt = at + 20 + handleBytes;
  const end = buffer.indexOf(0, nameAt);
  return {
    filesystem: buffer.toString('hex', at + 4, at + 12),
    // Copies: the buffer is read into again.
    directory: Buffer.from(buffer.subarray(at + 12, nameAt)),
    name: Buffer.from(buffer.subarray(nameAt, end < 0 || end > at + length ? at + length : end)),
  };
}

/** Every event of one read. */
export function parseFanotifyEvents(buffer: Buffer, length: number): FanotifyEvent[] {
  const events: FanotifyEvent[] = [];
  for (let at = 0; at + 24 <= length;) {
    const eventBytes = buffer.readUInt32LE(at);
    if (eventBytes < 24) break;
    const mask = buffer.readBigUInt64LE(at + 8);
    const pid = buffer.readInt32LE(at + 20);
    let entry: NamedEntry | undefined;
    let oldEntry: NamedEntry | undefined;
    for (let info = at + buffer.readUInt16LE(at + 6); info + 4 <= at + eventBytes;) {
      const type = buffer.readUInt8(info);
      const infoBytes = buffer.readUInt16LE(info + 2);
      if (infoBytes < 4) break;
      if (type === dfidName || type === newDfidName) entry = namedEntry(buffer, info, infoBytes);
      else if (type === oldDfidName) oldEntry = namedEntry(buffer, info, infoBytes);
      info += infoBytes;
    }
    events.push({ mask, pid, entry, oldEntry });
    at += eventBytes;
  }
  return events;
}
