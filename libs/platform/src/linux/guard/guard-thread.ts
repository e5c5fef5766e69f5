/** The guard's own thread: answers permission events; nothing here waits for another thread, the bus or the network. */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
  type BigIntStats,
} from 'node:fs';
import { toFileStat } from '../../file-stat';
import { OwnProcesses } from '../../own-processes';
import { fsPath, pathFromBytes, pathToBytes } from '../../path-text';
import { close, SystemCallError } from '../libc';
import { cloneFile, copyInKernel, type OpenRequest, PermissionGroup } from './permission-group';
import { dataSuffix, isOnSystemFilesystem, spoolDirectoryFor, writeSidecar } from './spool';
import { dataOf, SpoolDirectory } from './spool-directory';
import { SpoolSeal } from './spool-seal';

export interface GuardOptions {
  readonly roots: readonly string[];
  readonly dataDir: string;
  /** An open waits at most this long for its copy. */
  readonly deadlineMs: number;
  readonly onDeadline: 'allow' | 'deny';
  /** Copies not yet adopted may take this much. */
  readonly spoolLimitBytes: number;
}

/** Index of each figure in the shared counters; written by the guard's thread alone. */
export const guardCounters = ['heartbeat', 'asked', 'copied', 'copyFailed', 'deadlineMissed', 'spoolFull', 'denied', 'stop'] as const;
export type GuardCounter = (typeof guardCounters)[number];
const counterIndex = Object.fromEntries(guardCounters.map((name, index) => [name, index])) as Readonly<Record<GuardCounter, number>>;

/** The counters as the guard's thread and its watcher share them. */
export class GuardFigures {
  readonly cells: Int32Array;
  constructor(readonly buffer = new SharedArrayBuffer(guardCounters.length * Int32Array.BYTES_PER_ELEMENT)) {
    this.cells = new Int32Array(buffer);
  }
  get(name: GuardCounter): number {
    return Atomics.load(this.cells, counterIndex[name]);
  }
  add(name: GuardCounter): void {
    Atomics.add(this.cells, counterIndex[name], 1);
  }
  requestStop(): void {
    Atomics.store(this.cells, counterIndex.stop, 1);
  }
}

const copyChunkBytes = 8 * 1024 * 1024;
/** Threads seen lately and the process each belongs to: one small read saved per open. */
const rememberedThreads = 4096;
/** Saved states remembered; a forgotten one is copied again, which costs time but loses nothing. */
const newbornMs = 5000;
const rememberedStates = 500_000;

/** Keeps content from before it is changed: answers each open once what stands there is copied. */
export class GuardThread {
  private readonly group = new PermissionGroup();
  private readonly own: OwnProcesses;
  private readonly saved = new Set<string>();
  private readonly processOfThread = new Map<number, number>();
  private readonly spoolByDevice = new Map<string, SpoolDirectory>();
  private readonly seal: SpoolSeal;
  private readonly buffer = Buffer.alloc(1024 * 1024);
  private spooledBytes = 0;
  private spooledCountedAtMs = 0;

  constructor(
    private readonly options: GuardOptions,
    private readonly figures: GuardFigures,
  ) {
    this.own = new OwnProcesses(options.dataDir);
    // All of it before any other mark: from then on an open of these would wait for this very thread.
    this.seal = SpoolSeal.of(options.dataDir);
    for (const root of options.roots) {
      const device = String(statSync(fsPath(root), { bigint: true }).dev);
      if (!this.spoolByDevice.has(device)) this.openSpool(device, spoolDirectoryFor(root, options.dataDir));
    }
    for (const root of options.roots) {
      if (isOnSystemFilesystem(root)) this.markTree(root);
      else this.group.markFilesystem(pathToBytes(root));
    }
  }

  /** Descriptor of the group: closing it from anywhere lets every waiting open go. */
  get fd(): number {
    return this.group.fd;
  }

  /** Serves until a stop is requested; returns with the group closed. */
  run(): void {
    while (this.figures.get('stop') === 0) {
      this.figures.add('heartbeat');
      // Finite, so that the thread stays stoppable.
      this.group.serve(100, (request) => this.answer(request));
    }
    close(this.group.fd);
    for (const spool of this.spoolByDevice.values()) spool.close();
  }

  /** On the system's own filesystem only the directories below the root are marked, never the filesystem. */
  private markTree(directory: string): void {
    this.group.markDirectory(pathToBytes(directory));
    for (const entry of readdirSync(pathToBytes(directory), { withFileTypes: true, encoding: 'buffer' })) {
      if (!entry.isDirectory()) continue;
      const child = `${directory}/${pathFromBytes(entry.name)}`;
      try {
        this.markTree(child);
      } catch (error) {
        // Gone since it was listed: nothing to guard. Anything else must be heard.
        if (!isMissing(error)) throw error;
      }
    }
  }

  private openSpool(device: string, directory: string): SpoolDirectory {
    const spool = SpoolDirectory.make(directory);
    this.group.ignoreDirectory(Buffer.from(spool.handle));
    this.spoolByDevice.set(device, spool);
    return spool;
  }

  private answer({ fd, threadId }: OpenRequest): boolean {
    this.figures.add('asked');
    this.figures.add('heartbeat');
    try {
      return this.isOwn(threadId) || this.save(fd);
    } catch {
      // A fault of ours never stands between a user and a file: what was not saved is counted.
      this.figures.add('copyFailed');
      return true;
    } finally {
      close(fd);
    }
  }

  private isOwn(threadId: number): boolean {
    let pid = this.processOfThread.get(threadId);
    if (pid === undefined) {
      const status = readFileSync(`/proc/${threadId}/status`, 'latin1');
      pid = Number(/^Tgid:\s*(\d+)/mu.exec(status)?.[1] ?? threadId);
      this.processOfThread.set(threadId, pid);
      if (this.processOfThread.size > rememberedThreads) {
        const oldest = this.processOfThread.keys().next();
        if (oldest.done !== true) this.processOfThread.delete(oldest.value);
      }
    }
    if (pid === process.pid) return true;
    const candidate = this.own.list().find((known) => known.pid === pid);
    // Pids are reused: the registered start time decides.
    return candidate?.startTime === startTimeOf(pid);
  }

  private save(fd: number): boolean {
    const stat = fstatSync(fd, { bigint: true });
    if (!stat.isFile()) return true;
    // Just born and still empty: there is nothing in it to lose. Attackers make one such file for each that they encrypt.
    if (stat.size === 0n && Date.now() - Number(stat.birthtimeMs) < newbornMs) return true;
    const state = `${stat.dev}:${stat.ino}:${stat.size}:${stat.ctimeNs}`;
    if (this.saved.has(state)) return true;
    const device = String(stat.dev);
    let spool = this.spoolByDevice.get(device);
    if (spool === undefined) return true;
    const file = pathFromBytes(readlinkSync(`/proc/self/fd/${fd}`, { encoding: 'buffer' }));
    if (!this.options.roots.some((root) => file.startsWith(`${root}/`)) || file.startsWith(`${spool.path}/`)) return true;
    if (!spool.isInPlace()) {
      // Moved away by somebody who may write beside it: the vault would look for the copies in vain, so they are made again.
      const lost = spool;
      spool = this.openSpool(device, lost.path);
      lost.close();
      this.saved.clear();
    }
    if (this.spoolUse(spool) + Number(stat.size) > this.options.spoolLimitBytes) {
      this.figures.add('spoolFull');
      return true;
    }
    const outcome = this.copy(fd, stat, file, spool);
    if (outcome === 'late') {
      this.figures.add('deadlineMissed');
      if (this.options.onDeadline === 'deny') {
        this.figures.add('denied');
        return false;
      }
      return true;
    }
    this.figures.add('copied');
    this.spooledBytes += Number(stat.size);
    this.saved.add(state);
    if (this.saved.size > rememberedStates) this.saved.clear();
    return true;
  }

  /** Bytes waiting in the spool; counted again each second, since the vault takes copies away. */
  private spoolUse(spool: SpoolDirectory): number {
    const nowMs = performance.now();
    if (nowMs - this.spooledCountedAtMs > 1000) {
      this.spooledCountedAtMs = nowMs;
      this.spooledBytes = 0;
      for (const name of spool.names()) {
        // Without a result it was adopted between the listing and the look, and takes no room any more.
        this.spooledBytes += statSync(spool.at(name), { throwIfNoEntry: false })?.size ?? 0;
      }
    }
    return this.spooledBytes;
  }

  private copy(fd: number, stat: BigIntStats, file: string, spool: SpoolDirectory): 'done' | 'late' {
    const id = randomBytes(12).toString('hex');
    const data = spool.at(`${id}${dataSuffix}`);
    const target = openSync(data, 'wx', 0o600);
    const endMs = performance.now() + this.options.deadlineMs;
    try {
      if (!cloneFile(fd, target) && !this.copyBytes(fd, target, Number(stat.size), endMs)) {
        rmSync(data);
        return 'late';
      }
      const copied = dataOf(fstatSync(target, { bigint: true }));
      writeSidecar(spool, this.seal, id, { path: file, stat: toFileStat(stat), copiedAtMs: Date.now(), data: copied });
      return 'done';
    } catch (error) {
      rmSync(data, { force: true });
      throw error;
    } finally {
      closeSync(target);
    }
  }

  /** False when the deadline passed. */
  private copyBytes(from: number, to: number, size: number, endMs: number): boolean {
    let left = size;
    let inKernel = true;
    let position = 0;
    while (left > 0) {
      if (performance.now() > endMs) return false;
      let copied = inKernel ? copyInKernel(from, to, Math.min(left, copyChunkBytes)) : -1;
      if (copied < 0) {
        inKernel = false;
        copied = readSync(from, this.buffer, 0, Math.min(left, this.buffer.length), position);
        if (copied > 0) writeSync(to, this.buffer, 0, copied, position);
      }
      // The file became shorter meanwhile: what is there is what can be kept.
      if (copied === 0) break;
      position += copied;
      left -= copied;
      this.figures.add('heartbeat');
    }
    return true;
  }
}

function isMissing(error: unknown): boolean {
  const noEntry = 2;
  return (error instanceof SystemCallError && error.errno === noEntry) || (error instanceof Error && 'code' in error && error.code === 'ENOENT');
}

function startTimeOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // The command's name may hold spaces and parentheses: fields count from behind the last one.
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? 0);
}
