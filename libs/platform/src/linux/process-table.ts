/** Who is who, also after the end: fed by the process connector so that a process that lives 5 ms is still named (rules.md 1). */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { type Actor, type ProcessRef, unknownActor } from '@kuramori/contracts';
import type { OwnProcesses } from '../own-processes';
import { sleptNs } from './libc';
import type { ProcessEvent } from './process-events';
import { glimpseProcess, type ProcessGlimpse } from './process-table-reader';

interface Entry {
  readonly pid: number;
  /** As /proc says it; 0 while that was not read. */
  startTime: number;
  /** The same from the time at which the kernel told of its birth, some microseconds later; 0 for who was there before. */
  bornAt: number;
  /** Who started it, also when that one has ended and another took the child over. */
  parentPid: number;
  /** Empty when it began a program and was gone before anyone could look which, and for kernel threads. */
  exe: string;
  /** What it opened last to execute; tells the program where /proc no longer can. */
  opened: string;
  comm: string;
  commandLine: string;
  uid: number;
  sessionId: number;
  kernelThread: boolean;
  /** Milliseconds (performance clock) of the end; 0 while it lives. */
  endedAtMs: number;
  /** /proc was read since the last fork or exec. */
  known: boolean;
  actor?: Actor;
}

/** /proc as the table needs it. */
export interface ProcessSource {
  pids(): readonly number[];
  glimpse(pid: number): ProcessGlimpse | undefined;
  /** Nanoseconds the machine has slept since boot. */
  sleptNs(): number;
}

const procfs: ProcessSource = {
  pids: () => readdirSync('/proc').flatMap((name) => (/^\d+$/u.test(name) ? [Number(name)] : [])),
  glimpse: glimpseProcess,
  sleptNs,
};

const commandLineLimit = 4096;
const commBytes = 15;
/** glibc and musl, all architectures. */
const dynamicLinker = /\/ld(?:64|-linux[^/]*|-musl-[^/]*)?\.so\.\d+$/u;
const ancestorLimit = 32;
/** Ended processes are kept this long: facts about them may still be on their way. */
const keepEndedMs = 60_000;
const sweepEveryMs = 10_000;
/** At the bound the oldest ended ones go first. 200,000 entries are about 100 MB. */
const entryLimit = 200_000;
/** Start times in /proc count hundredths of a second on every architecture (USER_HZ). */
const nsPerTick = 10_000_000;

export class ProcessTable {
  private readonly entries = new Map<number, Entry>();
  private readonly userNames = new Map<number, string>();
  private readonly bootId8 = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').slice(0, 8);
  private sweptAtMs = 0;
  /** Actors whose program nobody could tell. */
  unresolved = 0;

  constructor(
    private readonly own: Pick<OwnProcesses, 'has'>,
    private readonly source: ProcessSource = procfs,
    private readonly nowMs: () => number = () => performance.now(),
  ) {
    for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
      const [name, , uid] = line.split(':');
      if (name !== undefined && uid !== undefined) this.userNames.set(Number(uid), name);
    }
    this.readAnew();
  }

  apply(event: ProcessEvent): void {
    if (event.kind === 'fork') {
      this.fork(event.pid, event.parentPid, event.atNs);
      return;
    }
    const entry = this.entries.get(event.pid);
    if (event.kind === 'exec') {
      this.exec(entry ?? blank(event.pid));
      return;
    }
    if (entry === undefined) return;
    if (event.kind === 'exit') entry.endedAtMs = this.nowMs();
    else {
      if (event.kind === 'user') entry.uid = event.uid;
      else if (event.kind === 'name') entry.comm = event.comm;
      // Whoever begins a session leads it.
      else entry.sessionId = entry.pid;
      delete entry.actor;
    }
  }

  /** It opens this file to execute it. The dynamic linker, opened last of all, is nobody's program. */
  begins(pid: number, program: string): void {
    if (dynamicLinker.test(program)) return;
    const entry = this.entries.get(pid);
    if (entry === undefined) return;
    entry.opened = program;
    if (entry.exe === '') delete entry.actor;
  }

  /** Process events were lost: who lives is read anew, everyone else has ended. */
  readAnew(): void {
    const living = new Set(this.source.pids());
    for (const entry of this.entries.values()) if (entry.endedAtMs === 0 && !living.has(entry.pid)) entry.endedAtMs = this.nowMs();
    for (const pid of living) this.look(pid);
  }

  /** The actor behind a pid as of now; without a program when nobody could tell it, and `unknown` when there is no pid (another namespace). */
  actorOf(pid: number): Actor {
    if (pid <= 0) {
      this.unresolved += 1;
      return unknownActor;
    }
    const entry = this.livingOrKept(pid);
    if (entry === undefined) {
      this.unresolved += 1;
      return { key: this.keyOf(pid, 0), kind: 'process', pid, startTime: 0 };
    }
    if (entry.actor === undefined) {
      entry.actor = this.makeActor(entry);
      if (entry.actor.exe === undefined && !entry.kernelThread) this.unresolved += 1;
    }
    return entry.actor;
  }

  private fork(pid: number, parentPid: number, atNs: number): void {
    const parent = this.entries.get(parentPid) ?? this.look(parentPid) ?? blank(parentPid);
    const bornAt = Math.floor((atNs + this.source.sleptNs()) / nsPerTick);
    const entry: Entry = { ...parent, pid, parentPid, startTime: 0, bornAt, opened: '', endedAtMs: 0, known: false };
    delete entry.actor;
    this.entries.set(pid, entry);
    this.sweep();
  }

  private exec(entry: Entry): void {
    // What it was is no longer true, and what it is now must not be guessed.
    entry.exe = '';
    entry.commandLine = '';
    entry.comm = '';
    entry.kernelThread = false;
    entry.known = false;
    delete entry.actor;
    this.entries.set(entry.pid, entry);
    // At once: in a few milliseconds it may be gone.
    this.look(entry.pid);
  }

  private makeActor(entry: Entry): Actor {
    const startTime = startTimeOf(entry);
    const isOwn = this.own.has(entry.pid, startTime);
    const exe = exeOf(entry);
    const comm = commOf(entry);
    return {
      key: this.keyOf(entry.pid, startTime),
      kind: 'process',
      pid: entry.pid,
      startTime,
      ...(exe === '' ? {} : { exe }),
      // As ps shows who has no command line.
      commandLine: entry.commandLine === '' && comm !== '' ? `[${comm}]` : entry.commandLine,
      uid: entry.uid,
      user: this.userNames.get(entry.uid) ?? String(entry.uid),
      sessionId: entry.sessionId,
      ancestors: this.ancestorsOf(entry),
      ...(isOwn ? { own: true } : {}),
    };
  }

  private ancestorsOf(entry: Entry): ProcessRef[] {
    const ancestors: ProcessRef[] = [];
    const seen = new Set([entry.pid]);
    for (let child = entry; ancestors.length < ancestorLimit && child.parentPid > 0 && !seen.has(child.parentPid);) {
      seen.add(child.parentPid);
      const parent = this.livingOrKept(child.parentPid);
      // Younger than its child: the pid is another one's by now.
      if (parent === undefined || startTimeOf(parent) > startTimeOf(child)) break;
      ancestors.push({ pid: parent.pid, startTime: startTimeOf(parent), exe: exeOf(parent), comm: commOf(parent) });
      child = parent;
    }
    return ancestors;
  }

  private keyOf(pid: number, startTime: number): string {
    return `process:${this.bootId8}:${pid}:${startTime}`;
  }

  private livingOrKept(pid: number): Entry | undefined {
    const entry = this.entries.get(pid);
    // Of an ended one /proc could only tell who has its pid now.
    if (entry !== undefined && (entry.known || entry.endedAtMs !== 0)) return entry;
    return this.look(pid) ?? entry;
  }

  private look(pid: number): Entry | undefined {
    const glimpse = this.source.glimpse(pid);
    if (glimpse === undefined) return undefined;
    const known = this.entries.get(pid);
    const entry = known !== undefined && mayBe(known, glimpse) ? known : blank(pid);
    fill(entry, glimpse);
    entry.endedAtMs = hasEnded(glimpse) ? this.nowMs() : 0;
    this.entries.set(pid, entry);
    return entry;
  }

  private sweep(): void {
    const nowMs = this.nowMs();
    const isFull = this.entries.size >= entryLimit;
    if (nowMs - this.sweptAtMs < (isFull ? sweepEveryMs / 10 : sweepEveryMs)) return;
    this.sweptAtMs = nowMs;
    const oldest = nowMs - (isFull ? sweepEveryMs / 10 : keepEndedMs);
    const wanted = isFull ? new Set<Entry>() : this.endedAncestors();
    for (const [pid, entry] of this.entries) if (entry.endedAtMs !== 0 && entry.endedAtMs < oldest && !wanted.has(entry)) this.entries.delete(pid);
  }

  /** Who has ended, but started someone who lives: their descendants are still named after them. */
  private endedAncestors(): Set<Entry> {
    const found = new Set<Entry>();
    for (const entry of this.entries.values()) {
      if (entry.endedAtMs !== 0) continue;
      let parent = this.entries.get(entry.parentPid);
      for (let depth = 0; parent !== undefined && parent.endedAtMs !== 0 && !found.has(parent) && depth < ancestorLimit; depth += 1) {
        found.add(parent);
        parent = this.entries.get(parent.parentPid);
      }
    }
    return found;
  }
}

function fill(entry: Entry, { exe, stat, commandLine, uid }: ProcessGlimpse): void {
  if (exe !== '') entry.exe = exe;
  if (commandLine !== undefined && commandLine.length > 0) entry.commandLine = commandLine.join(' ').slice(0, commandLineLimit).toWellFormed();
  if (uid !== undefined) entry.uid = uid;
  if (stat !== undefined) {
    entry.startTime = stat.startTime;
    // A child whose parent has ended shows under another one: who started it counts.
    if (entry.parentPid === 0) entry.parentPid = stat.parentPid;
    entry.comm = stat.comm;
    entry.sessionId = stat.sessionId;
    entry.kernelThread = stat.kernelThread;
    entry.known = true;
  }
  delete entry.actor;
}

function exeOf({ exe, opened, kernelThread }: Entry): string {
  return exe === '' && !kernelThread ? opened : exe;
}

/** The kernel names a process after its program. */
function commOf(entry: Entry): string {
  return entry.comm === '' ? path.posix.basename(exeOf(entry)).slice(0, commBytes) : entry.comm;
}

/** Of the process itself, or of its birth where /proc was never read. */
function startTimeOf(entry: Entry): number {
  return entry.startTime === 0 ? entry.bornAt : entry.startTime;
}

/** The same pid with another start time is another process. */
function mayBe(entry: Entry, { stat }: ProcessGlimpse): boolean {
  if (stat === undefined || startTimeOf(entry) === 0) return true;
  // The clock may have ticked between the birth and the word of it.
  return entry.startTime === stat.startTime || (entry.startTime === 0 && Math.abs(entry.bornAt - stat.startTime) <= 1);
}

/** A zombie none of whose threads works on. */
function hasEnded({ stat }: ProcessGlimpse): boolean {
  return stat?.state === 'Z' && stat.threads <= 1;
}

function blank(pid: number): Entry {
  return {
    pid,
    startTime: 0,
    bornAt: 0,
    parentPid: 0,
    exe: '',
    opened: '',
    comm: '',
    commandLine: '',
    uid: 0,
    sessionId: 0,
    kernelThread: false,
    endedAtMs: 0,
    known: false,
  };
}
