/** Verdicts as the detector would give them, for tests. */
import { createHash } from 'node:crypto';
import { type Actor, parseMessage, Verdict } from '@kuramori/contracts';
import type { LiveProcess, ProcessControl } from '@kuramori/platform';

export const testBootId8 = '00000000';

/** The actor that a live process is, with its live parents. */
export function actorOf(process: LiveProcess, table: readonly LiveProcess[], bootId8 = testBootId8): Actor {
  const ancestors: Actor['ancestors'] = [];
  for (let parent = table.find(({ pid }) => pid === process.parentPid); parent !== undefined && ancestors.length < 32;) {
    const { pid, startTime, exe, comm, parentPid } = parent;
    ancestors.push({ pid, startTime, exe, comm });
    parent = parentPid === pid ? undefined : table.find((candidate) => candidate.pid === parentPid);
  }
  return {
    key: `process:${bootId8}:${process.pid}:${process.startTime}`,
    kind: 'process',
    pid: process.pid,
    startTime: process.startTime,
    exe: process.exe,
    commandLine: process.commandLine.join(' '),
    uid: process.uid,
    user: process.uid === 0 ? 'root' : `user${process.uid}`,
    sessionId: process.sessionId,
    ancestors,
  };
}

export interface VerdictSketch extends Partial<Omit<Verdict, 'members'>> {
  readonly actors?: readonly (Actor & { actionable?: boolean })[];
  readonly attack?: string;
}

let verdicts = 0;

/** A verdict that passes the contract; each call makes another one, of the same attack unless `attack` says otherwise. */
export function verdictOf({ actors = [], attack = 'one', ...fields }: VerdictSketch): Verdict {
  verdicts += 1;
  const hash = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 32);
  const at = fields.atMs ?? Date.now();
  return parseMessage(Verdict, {
    id: hash(`verdict ${verdicts}`),
    attackId: hash(attack),
    host: 'fs01',
    atMs: at,
    level: 'attack',
    score: 120,
    severity: 'high',
    confidence: 95,
    title: 'Files are being encrypted',
    groupKind: 'actor',
    groupKey: actors[0]?.key ?? 'unknown',
    techniques: [{ id: 'T1486', name: 'Data Encrypted for Impact' }],
    firstActivityAtMs: at - 500,
    watcherId: '0123abcd',
    sequence: 7,
    ...fields,
    members: actors.map(({ actionable = true, ...actor }) => ({
      actor,
      score: actionable ? 100 : 5,
      actionable,
      firstActivityAtMs: at - 500,
      files: 2,
      evidence: [
        {
          indicator: 'content-replaced',
          summary: 'a document turned into random bytes',
          weight: 40,
          path: `/srv/share/${actor.key}.docx`,
          at: new Date(at).toISOString(),
        },
      ],
    })),
  });
}

export async function actorsOf(control: ProcessControl, ...pids: readonly number[]): Promise<Actor[]> {
  const table = await control.list();
  return pids.map((pid) => {
    const process = table.find((candidate) => candidate.pid === pid);
    if (process === undefined) throw new Error(`no process ${pid}`);
    return actorOf(process, table, control.bootId8);
  });
}
