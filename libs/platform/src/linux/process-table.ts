/** Who is who, also after the end: fed by the process connector so that a process that lives 5 ms is still named (rules.md 1). */
import { readFileSync } from 'node:fs';
import type { Actor, ProcessRef } from '@kuramori/contracts';
import type { OwnProcesses } from '../own-processes';
import type { ProcessEvent } from './process-events';
import { readAllProcesses, readProcess } from './process-table-reader';

interface Entry {
  readonly pid: number;
  startTime: number;
  parentPid: number;
  exe: string;
  comm: string;
  commandLine: string;
  uid: number;
  sessionId: number;
  /** Milliseconds (performance clock) of the end; 0 while it lives. */
  endedAtMs: number;
  /** /proc was read since the last fork or exec. */
  known: boolean;
  actor?: Actor;
}

const commandLineLimit = 4096;
const ancestorLimit = 32;
/** Ended processes are kept this long: facts about them may still be on their way. */
const keepEndedMs = 60_000;
/** At the bound the oldest ended ones go first. 200,000 entries are about 100 MB. */
const entryLimit = 200_000;

export class ProcessTable {
  private readonly entries = new Map<number, Entry>();
  private readonly userNames = new Map<number, string>();
  private readonly bootId8 = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').slice(0, 8);
  private sweptAtMs = 0;
  unresolved = 0;

  constructor(private readonly own: OwnProcesses) {
    for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
      const [name, , uid] = line.split(':');
      if (name !== undefined && uid !== undefined) this.userNames.set(Number(uid), name);
    }
    for (const process of readAllProcesses()) this.fill({ ...blank(process.pid), known: true }, process);
  }

  apply(event: ProcessEvent): void {
    if (event.kind === 'fork') {
      const parent = this.entries.get(event.parentPid) ?? this.look(event.parentPid);
      const entry: Entry = { ...(parent ?? blank(event.pid)), pid: event.pid, parentPid: event.parentPid, startTime: 0, endedAtMs: 0, known: false };
      delete entry.actor;
      this.entries.set(event.pid, entry);
      this.sweep();
    } else if (event.kind === 'exit') {
      const entry = this.entries.get(event.pid);
      if (entry !== undefined) entry.endedAtMs = performance.now();
    } else {
      const entry = this.entries.get(event.pid);
      if (entry !== undefined) {
        entry.known = false;
        delete entry.actor;
      }
      // At once: in a few milliseconds it may be gone.
      if (event.kind === 'exec') this.look(event.pid);
    }
  }

  /** The actor behind a pid as of now; an actor `unknown` when nobody knows it. */
  actorOf(pid: number): Actor {
    let entry = this.entries.get(pid);
    if (entry?.known !== true && (entry === undefined || entry.endedAtMs === 0)) entry = this.look(pid) ?? entry;
    if (entry === undefined || (entry.exe === '' && entry.startTime === 0)) {
      this.unresolved += 1;
      return { key: `process:${this.bootId8}:${pid}:0`, kind: 'process', pid, startTime: 0 };
    }
    entry.actor ??= this.makeActor(entry);
    return entry.actor;
  }

  private makeActor(entry: Entry): Actor {
    const ancestors: ProcessRef[] = [];
    const seen = new Set([entry.pid]);
    for (let pid = entry.parentPid; pid > 0 && ancestors.length < ancestorLimit && !seen.has(pid);) {
      seen.add(pid);
      let parent = this.entries.get(pid);
      // Forked without exec (a shell's subshell): its start time is in /proc alone.
      if (parent?.known !== true && (parent === undefined || parent.endedAtMs === 0)) parent = this.look(pid) ?? parent;
      if (parent === undefined) break;
      ancestors.push({ pid, startTime: parent.startTime, exe: parent.exe, comm: parent.comm });
      pid = parent.parentPid;
    }
    const isOwn = this.own.has(entry.pid, entry.startTime);
    return {
      key: `process:${this.bootId8}:${entry.pid}:${entry.startTime}`,
      kind: 'process',
      pid: entry.pid,
      startTime: entry.startTime,
      exe: entry.exe,
      commandLine: entry.commandLine,
      uid: entry.uid,
      user: this.userNames.get(entry.uid) ?? String(entry.uid),
      sessionId: entry.sessionId,
      ancestors,
      ...(isOwn ? { own: true } : {}),
    };
  }

  private look(pid: number): Entry | undefined {
    const live = readProcess(pid);
    if (live === undefined) return undefined;
    const known = this.entries.get(pid);
    // The same pid with another start time is another process.
    const entry = known === undefined || (known.startTime !== 0 && known.startTime !== live.startTime) ? blank(pid) : known;
    this.fill(entry, live);
    return entry;
  }

  private fill(entry: Entry, live: NonNullable<ReturnType<typeof readProcess>>): void {
    entry.startTime = live.startTime;
    entry.parentPid = live.parentPid;
    if (live.exe !== '') entry.exe = live.exe;
    entry.comm = live.comm;
    if (live.commandLine.length > 0) entry.commandLine = live.commandLine.join(' ').slice(0, commandLineLimit).toWellFormed();
    entry.uid = live.uid;
    entry.sessionId = live.sessionId;
    entry.endedAtMs = 0;
    entry.known = true;
    delete entry.actor;
    this.entries.set(entry.pid, entry);
  }

  private sweep(): void {
    const nowMs = performance.now();
    if (this.entries.size < entryLimit && nowMs - this.sweptAtMs < 10_000) return;
    this.sweptAtMs = nowMs;
    const oldest = this.entries.size < entryLimit ? nowMs - keepEndedMs : nowMs - 1000;
    for (const [pid, { endedAtMs }] of this.entries) if (endedAtMs !== 0 && endedAtMs < oldest) this.entries.delete(pid);
  }
}

function blank(pid: number): Entry {
  return { pid, startTime: 0, parentPid: 0, exe: '', comm: '', commandLine: '', uid: 0, sessionId: 0, endedAtMs: 0, known: false };
}
