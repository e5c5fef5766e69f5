import { type LiveProcess, sketchProcess, type ProcessSketch } from '@kuramori/platform';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { actorOf, testBootId8, verdictOf } from '../testing/verdicts';
import { containmentTargets, identityKey } from './containment';
import { isInteractiveShell, protectedProgram } from './protected-programs';

const own = [{ name: 'up', pid: 400, startTime: 4000 }];

/** A server as it was recorded: services, a login with an editor beside the attack, and Kuramori started from another login. */
const base: readonly ProcessSketch[] = [
  { pid: 1, parentPid: 0, exe: '/usr/lib/systemd/systemd' },
  { pid: 100, exe: '/usr/sbin/sshd' },
  { pid: 101, parentPid: 100, sessionId: 101, exe: '/usr/lib/openssh/sshd-session' },
  { pid: 102, parentPid: 101, exe: '/usr/bin/bash', commandLine: ['-bash'], interactiveShell: true },
  { pid: 103, parentPid: 102, sessionId: 102, exe: '/usr/bin/vim', commandLine: ['vim', 'plan.txt'] },
  { pid: 200, exe: '/usr/sbin/smbd' },
  { pid: 201, parentPid: 200, sessionId: 200, exe: '/usr/sbin/smbd' },
  { pid: 300, exe: '/usr/sbin/cron' },
  { pid: 390, parentPid: 100, sessionId: 390, exe: '/usr/lib/openssh/sshd-session' },
  { pid: 391, parentPid: 390, exe: '/usr/bin/bash', commandLine: ['-bash'], interactiveShell: true },
  { pid: 400, parentPid: 391, sessionId: 391, exe: '/usr/bin/node', commandLine: ['node', 'up.js'] },
  { pid: 401, parentPid: 400, sessionId: 391, exe: '/usr/bin/node', commandLine: ['node', 'vault.js'] },
];

function tableOf(...more: readonly ProcessSketch[]): LiveProcess[] {
  return [...base, ...more].map(sketchProcess);
}

function plan(
  table: readonly LiveProcess[],
  memberPids: readonly number[],
  options: Parameters<typeof verdictOf>[0] = {},
  gone: readonly number[] = [],
) {
  const actors = memberPids.map((pid) => {
    const process = table.find((candidate) => candidate.pid === pid);
    if (process === undefined) throw new Error(`no ${pid}`);
    return actorOf(process, table);
  });
  const live = table.filter(({ pid }) => !gone.includes(pid));
  const result = containmentTargets(verdictOf({ actors, ...options }), live, own, { bootId8: testBootId8 });
  return { ...result, pids: result.suspend.map(({ pid }) => pid) };
}

describe('whom a verdict stops', () => {
  it('stops a member with evidence, and neither its login nor the editor beside it', () => {
    const table = tableOf({ pid: 110, parentPid: 102, sessionId: 102, exe: '/usr/bin/python3.11', commandLine: ['python3', 'evil.py'] });
    expect(plan(table, [110]).pids).toEqual([110]);
  });

  it('breaks a loop typed into a login shell, which stays, with whatever it runs in the foreground', () => {
    const table = tableOf(
      { pid: 111, parentPid: 102, sessionId: 102, groupId: 111, exe: '/usr/bin/openssl' },
      { pid: 112, parentPid: 102, sessionId: 102, groupId: 112, exe: '/usr/bin/openssl' },
      { pid: 113, parentPid: 102, sessionId: 102, groupId: 113, exe: '/usr/bin/openssl' },
    ).map((process) => (process.pid === 102 ? { ...process, foregroundGroupId: 113 } : process));
    const { typedLoops, pids } = plan(table, [111, 112], {}, [111, 112]);
    expect(typedLoops.map(({ shell, foreground }) => [shell.pid, foreground.map(({ pid }) => pid)])).toEqual([[102, [113]]]);
    expect(pids).toEqual([]);
    // One command alone is no loop: what is typed next is another matter.
    expect(plan(table, [111], {}, [111]).typedLoops).toEqual([]);
  });

  it('climbs to the script whose short-lived children are the members, also when they have ended', () => {
    const table = tableOf(
      { pid: 110, parentPid: 102, sessionId: 102, exe: '/usr/bin/bash', commandLine: ['bash', 'attack.sh'] },
      { pid: 111, parentPid: 110, sessionId: 102, exe: '/usr/bin/openssl' },
      { pid: 112, parentPid: 110, sessionId: 102, exe: '/usr/bin/rm' },
      { pid: 113, parentPid: 110, sessionId: 102, exe: '/usr/bin/openssl' },
    );
    const { pids, ended, roots } = plan(table, [111, 112, 113], {}, [111, 112]);
    expect(pids).toEqual([110, 113]);
    expect(ended.map(({ pid }) => pid)).toEqual([111, 112]);
    expect(roots.map(({ pid }) => pid)).toEqual([110]);
  });

  it('climbs from a sub-shell to the script that it is a part of, and not to the script that called that one', () => {
    const table = tableOf(
      { pid: 109, parentPid: 102, sessionId: 102, exe: '/usr/bin/bash', commandLine: ['bash', 'night.sh'] },
      { pid: 110, parentPid: 109, sessionId: 102, exe: '/usr/bin/bash', commandLine: ['bash', 'attack.sh'] },
      { pid: 111, parentPid: 110, sessionId: 102, exe: '/usr/bin/bash', commandLine: ['bash', 'attack.sh'] },
      { pid: 112, parentPid: 111, sessionId: 102, exe: '/usr/bin/openssl' },
      { pid: 113, parentPid: 111, sessionId: 102, exe: '/usr/bin/rm' },
    );
    expect(plan(table, [112, 113], {}, [112]).pids).toEqual([110, 111, 113]);
  });

  it('climbs to the root that the process tree of the verdict names, even with one branch', () => {
    const table = tableOf(
      { pid: 110, parentPid: 102, sessionId: 102, exe: '/usr/bin/bash', commandLine: ['bash', 'attack.sh'] },
      { pid: 111, parentPid: 110, sessionId: 102, exe: '/usr/bin/openssl' },
    );
    expect(plan(table, [111], { groupKind: 'process-tree', groupKey: `process:${testBootId8}:110:1100` }).pids).toEqual([110, 111]);
    expect(plan(table, [111]).pids).toEqual([111]);
  });

  it('takes everything that runs below an attacker', () => {
    const table = tableOf(
      { pid: 110, parentPid: 102, sessionId: 102, exe: '/usr/bin/python3.11', commandLine: ['python3', 'pool.py'] },
      { pid: 111, parentPid: 110, sessionId: 102, exe: '/usr/bin/python3.11' },
      { pid: 112, parentPid: 110, sessionId: 102, exe: '/usr/bin/python3.11' },
      { pid: 113, parentPid: 112, sessionId: 113, exe: '/tmp/helper' },
    );
    expect(plan(table, [111, 112]).pids).toEqual([110, 111, 112, 113]);
  });

  it('stops at the interactive shell into which the loop was typed, lists it, and has its command interrupted', () => {
    const table = tableOf(
      { pid: 110, parentPid: 102, sessionId: 102, exe: '/usr/bin/openssl' },
      { pid: 111, parentPid: 102, sessionId: 102, exe: '/usr/bin/openssl' },
    );
    const result = plan(table, [110, 111]);
    expect(result.pids).toEqual([110, 111]);
    expect(result.interrupt.map(({ pid }) => pid)).toEqual([110, 111]);
    expect(result.spare).toEqual([
      { process: expect.objectContaining({ pid: 102 }) as unknown, why: expect.stringContaining('interactive shell') as unknown },
    ]);
  });

  it('includes the leader of a session that is a script of the attack, and never what started it', () => {
    const table = tableOf(
      { pid: 301, parentPid: 300, sessionId: 300, exe: '/usr/sbin/cron' },
      { pid: 302, parentPid: 301, sessionId: 302, exe: '/usr/bin/dash', commandLine: ['/bin/sh', '-c', 'run-attack'] },
      { pid: 303, parentPid: 302, sessionId: 302, exe: '/usr/bin/openssl' },
      { pid: 304, parentPid: 302, sessionId: 302, exe: '/usr/bin/rm' },
    );
    expect(plan(table, [303, 304]).pids).toEqual([302, 303, 304]);
  });

  it('spares a service that leads its session, though its children attack', () => {
    const table = tableOf(
      { pid: 500, sessionId: 500, exe: '/usr/sbin/customd', commandLine: ['/usr/sbin/customd'] },
      { pid: 501, parentPid: 500, sessionId: 500, exe: '/usr/bin/openssl' },
      { pid: 502, parentPid: 500, sessionId: 500, exe: '/usr/bin/openssl' },
    );
    const { pids, spare } = plan(table, [501, 502]);
    expect(pids).toEqual([501, 502]);
    expect(spare.map(({ process }) => process.pid)).toEqual([500]);
  });

  it('finds the script behind members that each made a session of their own', () => {
    const table = tableOf(
      { pid: 110, parentPid: 102, sessionId: 102, exe: '/usr/bin/bash', commandLine: ['bash', 'attack.sh'] },
      { pid: 111, parentPid: 110, sessionId: 111, exe: '/usr/bin/openssl' },
      { pid: 112, parentPid: 110, sessionId: 112, exe: '/usr/bin/openssl' },
    );
    expect(plan(table, [111, 112]).pids).toEqual([110, 111, 112]);
  });

  it('never stops a file-serving daemon, and says that the attack is not contained', () => {
    const { pids, uncontained } = plan(tableOf(), [201]);
    expect(pids).toEqual([]);
    expect(uncontained).toEqual([
      { process: expect.objectContaining({ pid: 201 }) as unknown, why: expect.stringContaining('file-serving') as unknown },
    ]);
  });

  it('takes a program that only bears the name of a daemon for what it is', () => {
    const table = tableOf({ pid: 110, parentPid: 102, sessionId: 102, exe: '/tmp/smbd' });
    expect(plan(table, [110]).pids).toEqual([110]);
  });

  it.each([
    ['a file-serving daemon', { exe: '/usr/sbin/smbd' }],
    ['the remote login service', { exe: '/usr/sbin/sshd' }],
    ['a job scheduler', { exe: '/usr/sbin/cron' }],
    ['a shell with a person before it', { exe: '/usr/bin/bash', commandLine: ['bash'], interactiveShell: true }],
  ])("takes a program for %s only when the very file that runs is the system's", (_what, sketch) => {
    const member = { pid: 110, parentPid: 102, sessionId: 102, ...sketch };
    expect(protectedProgram(sketchProcess(member))).toBeDefined();
    // A directory mounted over /usr/sbin, or a file that its owner may change.
    for (const exeFile of ['unproven', 'in-place'] as const) expect(plan(tableOf({ ...member, exeFile }), [110]).pids).toEqual([110]);
    expect(plan(tableOf({ ...member, exe: `/tmp/${sketch.exe.slice(sketch.exe.lastIndexOf('/') + 1)}` }), [110]).pids).toEqual([110]);
  });

  it('stops a program that calls itself bash with what it started, and does not take it for a shell', () => {
    const table = tableOf(
      { pid: 110, parentPid: 102, sessionId: 110, exe: '/srv/bash', exeFile: 'in-place', commandLine: ['bash'], interactiveShell: true },
      { pid: 111, parentPid: 110, sessionId: 110, exe: '/usr/bin/openssl' },
      { pid: 112, parentPid: 110, sessionId: 110, exe: '/usr/bin/openssl' },
    );
    const { pids, typedLoops, interrupt } = plan(table, [111, 112]);
    expect([pids, typedLoops, interrupt.map(({ pid }) => pid)]).toEqual([[110, 111, 112], [], [110]]);
  });

  it('breaks off what writes files by itself in a shell at which a person logged in, also over sudo, and says that it is not contained', () => {
    const table = tableOf(
      { pid: 120, parentPid: 102, sessionId: 102, exe: '/usr/bin/sudo', commandLine: ['sudo', '-s'] },
      { pid: 121, parentPid: 120, sessionId: 121, exe: '/usr/bin/bash', commandLine: ['/bin/bash'], interactiveShell: true },
    );
    for (const shell of [102, 121]) {
      const { pids, typedLoops, uncontained } = plan(table, [shell]);
      expect([pids, typedLoops.map((loop) => loop.shell.pid), uncontained.map(({ process }) => process.pid)]).toEqual([[], [shell], [shell]]);
    }
  });

  it('stops a shell that writes files by itself where nobody logged in', () => {
    const shell = { exe: '/usr/bin/bash', commandLine: ['bash'], interactiveShell: true };
    const table = tableOf(
      { pid: 110, parentPid: 102, sessionId: 110, exe: '/usr/bin/python3.11', commandLine: ['python3', 'pty.py'] },
      { pid: 111, parentPid: 110, sessionId: 111, ...shell },
      { pid: 112, parentPid: 111, sessionId: 111, exe: '/usr/bin/openssl' },
      { pid: 113, parentPid: 111, sessionId: 111, exe: '/usr/bin/openssl' },
      // Below a program that is only called so.
      { pid: 114, exe: '/usr/sbin/sshd', exeFile: 'unproven' },
      { pid: 115, parentPid: 114, sessionId: 115, ...shell },
    );
    const { pids, typedLoops, spare } = plan(table, [111, 112, 113]);
    expect([pids, typedLoops, spare]).toEqual([[111, 112, 113], [], []]);
    expect(plan(table, [115]).pids).toEqual([115]);
  });

  it('leaves a process alone that has the pid but not the start time of a member', () => {
    const table = tableOf({ pid: 110, parentPid: 102, sessionId: 102, exe: '/usr/bin/vim' });
    const actor = { key: `process:${testBootId8}:110:999`, kind: 'process' as const, pid: 110, startTime: 999, ancestors: [] };
    const result = containmentTargets(verdictOf({ actors: [actor] }), table, own, { bootId8: testBootId8 });
    expect(result.suspend).toEqual([]);
    expect(result.ended).toHaveLength(1);
  });

  it('leaves everybody alone when the verdict is from before the last boot', () => {
    const table = tableOf({ pid: 110, parentPid: 102, sessionId: 102, exe: '/usr/bin/openssl' });
    const process = table.at(-1);
    const actor = process === undefined ? [] : [actorOf(process, table, 'deadbeef')];
    expect(containmentTargets(verdictOf({ actors: actor }), table, own, { bootId8: testBootId8 }).suspend).toEqual([]);
  });

  it('stops nobody without evidence of their own', () => {
    const table = tableOf({ pid: 110, parentPid: 102, sessionId: 102, exe: '/usr/bin/openssl' });
    const process = table.find(({ pid }) => pid === 110);
    const actors = process === undefined ? [] : [{ ...actorOf(process, table), actionable: false }];
    expect(containmentTargets(verdictOf({ actors }), table, own).suspend).toEqual([]);
  });

  it('never includes a protected process, whatever the table and the verdict', () => {
    const exes = [
      '/usr/bin/openssl',
      '/usr/bin/bash',
      '/usr/sbin/sshd',
      '/usr/sbin/smbd',
      '/usr/lib/systemd/systemd',
      '/usr/sbin/cron',
      '/usr/bin/tmux',
      '/usr/lib/postgresql/16/bin/postgres',
      '/usr/bin/containerd-shim-runc-v2',
      '/tmp/evil',
      '/usr/bin/python3.11',
    ];
    const processes = fc.array(
      fc.record({
        parent: fc.nat({ max: 60 }),
        exe: fc.constantFrom(...exes),
        leads: fc.boolean(),
        interactive: fc.boolean(),
        argument: fc.boolean(),
      }),
      { minLength: 1, maxLength: 40 },
    );
    fc.assert(
      fc.property(
        processes,
        fc.array(fc.nat({ max: 60 }), { minLength: 1, maxLength: 12 }),
        fc.nat({ max: 60 }),
        fc.nat({ max: 60 }),
        (sketches, memberAt, ownAt, rootAt) => {
          const table: LiveProcess[] = [sketchProcess({ pid: 1, parentPid: 0, exe: '/usr/lib/systemd/systemd' })];
          for (const [at, { parent, exe, leads, interactive, argument }] of sketches.entries()) {
            const above = table[parent % table.length] ?? table[0];
            table.push(
              sketchProcess({
                pid: at + 2,
                parentPid: above?.pid ?? 1,
                sessionId: leads ? at + 2 : (above?.sessionId ?? 1),
                exe,
                commandLine: argument ? [exe, 'script'] : [exe],
                interactiveShell: interactive && exe === '/usr/bin/bash',
              }),
            );
          }
          const pick = (at: number) => table[at % table.length] ?? sketchProcess({ pid: 1 });
          const up = pick(ownAt);
          const root = pick(rootAt);
          const actors = memberAt.map((at) => actorOf(pick(at), table));
          const verdict = verdictOf({ actors, groupKind: 'process-tree', groupKey: actorOf(root, table).key });
          const result = containmentTargets(verdict, table, [{ name: 'up', pid: up.pid, startTime: up.startTime }], { bootId8: testBootId8 });
          const above = new Set<number>([up.pid]);
          const parentOf = (child: LiveProcess) => table.find(({ pid }) => pid === child.parentPid);
          for (let process: LiveProcess | undefined = up; process !== undefined; process = parentOf(process)) above.add(process.pid);
          for (const target of [...result.suspend, ...result.kill]) {
            expect(target.pid).not.toBe(1);
            expect(above.has(target.pid)).toBe(false);
            // A shell with evidence of its own is stopped where nobody logged in.
            const isGuiltyShell = isInteractiveShell(target) && actors.some(({ pid }) => pid === target.pid);
            if (!isGuiltyShell) expect(protectedProgram(target)).toBeUndefined();
          }
          // And no member is lost: each is stopped, spared with a reason, or not running.
          const named = new Set([...result.suspend.map(identityKey), ...result.spare.map(({ process }) => identityKey(process))]);
          for (const { pid, startTime } of actors) expect(named.has(`${pid ?? 0}:${startTime ?? 0}`)).toBe(true);
        },
      ),
      { numRuns: 500 },
    );
  });
});
