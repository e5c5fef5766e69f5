import { describe, expect, it } from 'vitest';
import type { ProcessEvent } from './process-events';
import { ProcessTable } from './process-table';
import type { ProcessGlimpse } from './process-table-reader';

const second = 1_000_000_000;

/** A /proc of the test's own, and the events that would tell of it. */
class Machine {
  readonly proc = new Map<number, ProcessGlimpse>();
  nowMs = 1000;
  sleptNs = 0;
  own = new Set<string>();
  table = new ProcessTable({ has: () => false });

  constructor() {
    this.live(1, { exe: '/sbin/init', startTime: 1, parentPid: 0 });
    this.live(50, { exe: '/bin/bash', commandLine: ['bash', 'attack.sh'], startTime: 500, uid: 0 });
    this.restart();
  }
  /** The table of a sensor that starts now. */
  restart(): void {
    this.table = new ProcessTable(
      { has: (pid, startTime) => this.own.has(`${pid}:${startTime}`) },
      { pids: () => [...this.proc.keys()], glimpse: (pid) => this.proc.get(pid), sleptNs: () => this.sleptNs },
      () => this.nowMs,
    );
  }
  live(
    pid: number,
    of: {
      exe?: string;
      commandLine?: string[];
      startTime: number;
      parentPid?: number;
      uid?: number;
      state?: string;
      kernelThread?: boolean;
      comm?: string;
    },
  ): void {
    const exe = of.exe ?? '';
    this.proc.set(pid, {
      exe,
      stat: {
        comm: of.comm ?? exe.slice(exe.lastIndexOf('/') + 1),
        state: of.state ?? 'S',
        parentPid: of.parentPid ?? 1,
        groupId: pid,
        sessionId: pid,
        terminal: 0,
        foregroundGroupId: -1,
        kernelThread: of.kernelThread ?? false,
        threads: 1,
        startTime: of.startTime,
      },
      commandLine: of.commandLine ?? (exe === '' ? [] : [exe]),
      uid: of.uid ?? 0,
    });
  }
  tell(...events: ProcessEvent[]): void {
    for (const event of events) this.table.apply(event);
  }
  fork(pid: number, parentPid: number, atTicks: number): void {
    this.tell({ kind: 'fork', pid, parentPid, atNs: atTicks * 10_000_000 });
  }
  end(pid: number): void {
    this.proc.delete(pid);
    this.tell({ kind: 'exit', pid });
  }
}

describe('the process table', () => {
  it('knows who was there before, with parents up to the first process', () => {
    const { table } = new Machine();
    expect(table.actorOf(50)).toMatchObject({
      kind: 'process',
      pid: 50,
      startTime: 500,
      exe: '/bin/bash',
      commandLine: 'bash attack.sh',
      uid: 0,
      user: 'root',
      sessionId: 50,
      ancestors: [{ pid: 1, startTime: 1, exe: '/sbin/init', comm: 'init' }],
    });
    expect(table.actorOf(50).key).toMatch(/^process:[0-9a-f]{8}:50:500$/u);
    expect(table.unresolved).toBe(0);
  });

  it('names a fork without exec by the program of its parent, also when it was gone before anyone looked', () => {
    const machine = new Machine();
    machine.fork(60, 50, 700);
    machine.end(60);
    expect(machine.table.actorOf(60)).toMatchObject({
      pid: 60,
      startTime: 700,
      exe: '/bin/bash',
      user: 'root',
      ancestors: [{ pid: 50 }, { pid: 1 }],
    });
    expect(machine.table.unresolved).toBe(0);
  });

  it('takes the start time that /proc says before the one of the birth', () => {
    const machine = new Machine();
    machine.live(60, { exe: '/bin/bash', startTime: 699, parentPid: 50 });
    machine.fork(60, 50, 700);
    expect(machine.table.actorOf(60).startTime).toBe(699);
  });

  it('counts the time the machine slept, as /proc does', () => {
    const machine = new Machine();
    machine.sleptNs = 100 * second;
    machine.fork(60, 50, 700);
    machine.end(60);
    expect(machine.table.actorOf(60).startTime).toBe(10_700);
  });

  it('changes the program with exec: the same process, another actor to tell', () => {
    const machine = new Machine();
    machine.live(60, { exe: '/bin/bash', startTime: 700, parentPid: 50 });
    machine.fork(60, 50, 700);
    const before = machine.table.actorOf(60);
    machine.live(60, { exe: '/usr/bin/openssl', commandLine: ['openssl', 'enc'], startTime: 700, parentPid: 50 });
    machine.tell({ kind: 'exec', pid: 60 });
    const after = machine.table.actorOf(60);
    expect(before).toMatchObject({ exe: '/bin/bash', key: after.key });
    expect(after).toMatchObject({ exe: '/usr/bin/openssl', commandLine: 'openssl enc' });
    expect(machine.table.actorOf(60)).toBe(after);
  });

  it('names ended processes, with the parents they had', () => {
    const machine = new Machine();
    machine.fork(60, 50, 700);
    machine.live(60, { exe: '/usr/bin/sh', startTime: 700, parentPid: 50 });
    machine.tell({ kind: 'exec', pid: 60 });
    machine.fork(61, 60, 701);
    machine.live(61, { exe: '/usr/bin/gpg', startTime: 701, parentPid: 60 });
    machine.tell({ kind: 'exec', pid: 61 });
    machine.end(60);
    machine.end(61);
    expect(machine.table.actorOf(61)).toMatchObject({ exe: '/usr/bin/gpg', ancestors: [{ exe: '/usr/bin/sh' }, { exe: '/bin/bash' }, { pid: 1 }] });
  });

  it('keeps the parent who started it when another one takes it over', () => {
    const machine = new Machine();
    machine.fork(60, 50, 700);
    machine.end(50);
    machine.live(60, { exe: '/usr/bin/gpg', startTime: 700, parentPid: 1 });
    machine.tell({ kind: 'exec', pid: 60 });
    expect(machine.table.actorOf(60).ancestors?.map(({ pid }) => pid)).toEqual([50, 1]);
  });

  it('never takes who has a pid now for who had it before', () => {
    const machine = new Machine();
    machine.live(60, { exe: '/usr/bin/gpg', startTime: 700, parentPid: 50 });
    machine.fork(60, 50, 700);
    const first = machine.table.actorOf(60);
    machine.end(60);
    machine.live(60, { exe: '/usr/bin/vim', startTime: 900, uid: 1000 });
    machine.fork(60, 1, 900);
    machine.tell({ kind: 'exec', pid: 60 });
    const second = machine.table.actorOf(60);
    expect(second).toMatchObject({ exe: '/usr/bin/vim', startTime: 900, uid: 1000, ancestors: [{ pid: 1 }] });
    expect(second.key).not.toBe(first.key);
  });

  it('takes nobody for a parent who is younger than the child', () => {
    const machine = new Machine();
    machine.fork(60, 50, 700);
    machine.end(50);
    machine.live(50, { exe: '/usr/bin/vim', startTime: 900 });
    machine.fork(50, 1, 900);
    machine.tell({ kind: 'exec', pid: 50 });
    expect(machine.table.actorOf(60).ancestors).toEqual([]);
  });

  it('says when nobody could tell the program, instead of the one before, and counts it once', () => {
    const machine = new Machine();
    machine.fork(60, 50, 700);
    machine.tell({ kind: 'exec', pid: 60 });
    machine.end(60);
    for (let times = 0; times < 3; times += 1) {
      const actor = machine.table.actorOf(60);
      expect(actor).toMatchObject({ startTime: 700, user: 'root', commandLine: '', ancestors: [{ pid: 50 }, { pid: 1 }] });
      expect(actor.exe).toBeUndefined();
    }
    expect(machine.table.unresolved).toBe(1);
  });

  it('knows the program of a process that was gone before anyone looked from what it opened to execute', () => {
    const machine = new Machine();
    machine.fork(60, 50, 700);
    machine.tell({ kind: 'exec', pid: 60 });
    machine.end(60);
    for (const file of ['/srv/attack.sh', '/usr/bin/a-program-with-a-long-name', '/usr/lib64/ld-linux-x86-64.so.2']) machine.table.begins(60, file);
    expect(machine.table.actorOf(60)).toMatchObject({ exe: '/usr/bin/a-program-with-a-long-name', commandLine: '[a-program-with-]' });
    expect(machine.table.unresolved).toBe(0);
  });

  it.each(['/lib/ld-linux.so.2', '/lib/ld-linux-aarch64.so.1', '/lib64/ld64.so.2', '/lib/ld-musl-x86_64.so.1', '/libexec/ld.so.1'])(
    'takes %s for nobody',
    (linker) => {
      const machine = new Machine();
      machine.fork(60, 50, 700);
      machine.tell({ kind: 'exec', pid: 60 });
      machine.end(60);
      machine.table.begins(60, linker);
      expect(machine.table.actorOf(60).exe).toBeUndefined();
    },
  );

  it('believes /proc before what was opened', () => {
    const machine = new Machine();
    machine.fork(60, 50, 700);
    machine.live(60, { exe: '/usr/bin/dash', startTime: 700, parentPid: 50 });
    machine.tell({ kind: 'exec', pid: 60 });
    machine.table.begins(60, '/usr/bin/sh-that-was-refused');
    expect(machine.table.actorOf(60).exe).toBe('/usr/bin/dash');
  });

  it('names what is left of one that has just ended', () => {
    const machine = new Machine();
    machine.fork(60, 50, 700);
    machine.live(60, { startTime: 700, state: 'Z', comm: 'cp' });
    machine.tell({ kind: 'exec', pid: 60 });
    machine.end(60);
    expect(machine.table.actorOf(60)).toMatchObject({ startTime: 700, commandLine: '[cp]', ancestors: [{ pid: 50 }, { pid: 1 }] });
  });

  it('follows the user, the name and the session', () => {
    const machine = new Machine();
    machine.fork(60, 50, 700);
    machine.end(60);
    machine.tell({ kind: 'user', pid: 60, uid: 54_321 }, { kind: 'session', pid: 60 });
    expect(machine.table.actorOf(60)).toMatchObject({ uid: 54_321, user: '54321', sessionId: 60 });
    machine.tell({ kind: 'name', pid: 50, comm: 'renamed' });
    machine.fork(61, 50, 701);
    expect(machine.table.actorOf(61).ancestors?.[0]).toMatchObject({ pid: 50, comm: 'renamed' });
  });

  it('has an actor for a pid that nobody knows, and none for a process in another namespace, and counts both', () => {
    const { table } = new Machine();
    expect(table.actorOf(4711)).toMatchObject({ kind: 'process', pid: 4711, startTime: 0 });
    expect(table.actorOf(0)).toEqual({ key: 'unknown', kind: 'unknown' });
    expect(table.unresolved).toBe(2);
  });

  it('names kernel threads as ps does: an NFS server writes in one', () => {
    const machine = new Machine();
    machine.live(70, { startTime: 3, comm: 'nfsd', kernelThread: true, parentPid: 0 });
    machine.restart();
    const actor = machine.table.actorOf(70);
    expect(actor).toMatchObject({ startTime: 3, commandLine: '[nfsd]' });
    expect(actor.exe).toBeUndefined();
    expect(machine.table.unresolved).toBe(0);
  });

  it('marks its own processes by pid and start time', () => {
    const machine = new Machine();
    machine.own.add('50:500');
    expect(machine.table.actorOf(50).own).toBe(true);
    machine.own.add('1:9');
    expect(machine.table.actorOf(1).own).toBeUndefined();
  });

  it('reads everything anew when events were lost: programs, ends, and pids that others have now', () => {
    const machine = new Machine();
    machine.live(60, { exe: '/bin/bash', startTime: 700, parentPid: 50 });
    machine.fork(60, 50, 700);
    machine.live(61, { exe: '/bin/bash', startTime: 701, parentPid: 50 });
    machine.fork(61, 50, 701);
    machine.fork(62, 50, 702);
    for (const pid of [60, 61, 62]) machine.table.actorOf(pid);
    // Unheard: 60 executes, 61 ends and its pid goes to another, 62 ends, 63 is born.
    machine.live(60, { exe: '/usr/bin/openssl', startTime: 700, parentPid: 50 });
    machine.live(61, { exe: '/usr/bin/vim', startTime: 950, parentPid: 1 });
    machine.live(63, { exe: '/usr/bin/gpg', startTime: 951, parentPid: 60 });
    machine.table.readAnew();
    expect(machine.table.actorOf(60)).toMatchObject({ exe: '/usr/bin/openssl', startTime: 700 });
    expect(machine.table.actorOf(61)).toMatchObject({ exe: '/usr/bin/vim', startTime: 950, ancestors: [{ pid: 1 }] });
    expect(machine.table.actorOf(62)).toMatchObject({ exe: '/bin/bash', startTime: 702 });
    expect(machine.table.actorOf(63)).toMatchObject({ exe: '/usr/bin/gpg', ancestors: [{ exe: '/usr/bin/openssl' }, { pid: 50 }, { pid: 1 }] });
  });

  it('forgets ended ones after a minute, but not those who started somebody who lives', () => {
    const machine = new Machine();
    machine.fork(60, 50, 700);
    machine.fork(61, 60, 701);
    machine.live(61, { exe: '/usr/bin/gpg', startTime: 701, parentPid: 1 });
    machine.fork(62, 50, 702);
    machine.end(60);
    machine.end(62);
    machine.nowMs += 59_000;
    machine.fork(63, 1, 710);
    expect(machine.table.actorOf(62).exe).toBe('/bin/bash');
    machine.nowMs += 12_000;
    machine.fork(64, 1, 711);
    expect(machine.table.actorOf(62).exe).toBeUndefined();
    expect(machine.table.actorOf(61).ancestors?.map(({ pid }) => pid)).toEqual([60, 50, 1]);
  });
});
