import { incidentDecisions, type IncidentState, incidentStates, type RestoreReport } from '@kuramori/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { verdictOf } from '../testing/verdicts';
import {
  addAction,
  addActors,
  addReport,
  addVerdict,
  decide,
  goTo,
  IllegalTransitionError,
  incidentIdOf,
  mayFollow,
  openCase,
  verdictHandled,
  wantUndo,
} from './case-changes';
import type { IncidentCase } from './incident-case';
import { defaultStepTimes, nextStep } from './next-step';
import { leftByUndo } from './undo-of-case';

const unknown = { key: 'unknown', kind: 'unknown' as const };
const fresh = (): IncidentCase => {
  const verdict = verdictOf({ actors: [unknown] });
  return goTo(addVerdict(openCase(verdict, 1000), verdict, 1000), 'opened', 1000).next;
};
const report = (change: Partial<RestoreReport>): RestoreReport => ({
  touched: 0,
  restored: 0,
  alreadyIntact: 0,
  quarantined: 0,
  unrecoverable: 0,
  conflicts: 0,
  dryRun: false,
  items: [],
  ...change,
});
const settings = { restore: true, quarantine: true };

describe('the states of an incident', () => {
  it('follow the contract and nothing else', () => {
    const allowed: Record<IncidentState, IncidentState[]> = {
      opened: ['opened', 'contained', 'restored', 'closed', 'false_alarm'],
      contained: ['opened', 'contained', 'restored', 'closed', 'false_alarm'],
      restored: ['opened', 'contained', 'restored', 'closed', 'false_alarm'],
      closed: ['opened', 'contained', 'closed', 'false_alarm'],
      false_alarm: ['opened', 'false_alarm'],
    };
    for (const from of incidentStates) expect(incidentStates.filter((to) => mayFollow(from, to))).toEqual(allowed[from]);
    const closed = goTo(fresh(), 'closed', 2000).next;
    expect(() => goTo(closed, 'restored', 3000)).toThrow(IllegalTransitionError);
  });
  it('carry the time of each, and lose the end when it begins again', () => {
    const closed = goTo(goTo(goTo(fresh(), 'contained', 2000).next, 'restored', 3000).next, 'closed', 4000).next;
    expect(closed.incident).toMatchObject({
      containedAt: new Date(2000).toISOString(),
      restoredAt: new Date(3000).toISOString(),
      closedAt: new Date(4000).toISOString(),
    });
    const again = goTo(closed, 'opened', 5000);
    expect(again.event).toBe('opened');
    expect(again.next.incident).not.toHaveProperty('closedAt');
  });
  it('announce a step back while work goes on as an update, not as a second opening', () => {
    expect(goTo(goTo(fresh(), 'restored', 2000).next, 'opened', 3000).event).toBe('updated');
  });
  it('are always one of the five, whatever operators do', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...incidentDecisions)), (decisions) => {
        let current = fresh();
        for (const decision of decisions) {
          const before = current.incident.state;
          const outcome = decide(current, decision, 9000);
          if (outcome.ok) {
            expect(mayFollow(before, outcome.changed.next.incident.state)).toBe(true);
            current = outcome.changed.next;
          } else expect(outcome.error).not.toBe('');
        }
      }),
    );
  });
});

describe('what a case remembers', () => {
  it('has an id that only depends on the attack', () => {
    expect(incidentIdOf('a'.repeat(32))).toBe(incidentIdOf('a'.repeat(32)));
    expect(incidentIdOf('a'.repeat(32))).not.toBe(incidentIdOf('b'.repeat(32)));
    expect(incidentIdOf('a'.repeat(32))).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/u);
  });
  it('is never judged milder by a later verdict', () => {
    const first = addVerdict(fresh(), verdictOf({ actors: [unknown], severity: 'critical', confidence: 99 }), 2000);
    const second = addVerdict(first, verdictOf({ actors: [unknown], severity: 'medium', confidence: 50, level: 'warning' }), 3000);
    expect(second.incident).toMatchObject({ severity: 'critical', confidence: 99 });
    expect(second.attack).toBe(true);
  });
  it('keeps an action once, and its result in the place of its beginning', () => {
    const begun = addAction(addAction(fresh(), 'kill', 'planned', 'to end it', 1), 'pin', 'done', '', 2);
    const ended = addAction(begun, 'kill', 'done', 'ended', 3);
    expect(ended.incident.actions.map(({ name, status }) => [name, status])).toEqual([
      ['kill', 'done'],
      ['pin', 'done'],
    ]);
    expect(addAction(ended, 'kill', 'done', 'ended', 4)).toBe(ended);
    expect(addAction(addAction(ended, 'kill', 'running', 'x', 5), 'kill', 'done', 'ended', 6).incident.actions).toHaveLength(2);
  });
  it('is bounded, however many verdicts, members and steps there are', () => {
    let current = fresh();
    for (let at = 0; at < 1500; at += 1) {
      current = addAction(current, 'restore', 'done', `round ${at}`, at);
      current = verdictHandled(current, String(at));
    }
    const actors = Array.from({ length: 200 }, (_, at) => ({ key: `process:00000000:${at}:1`, kind: 'process' as const }));
    for (let round = 0; round < 4; round += 1) {
      const verdict = verdictOf({ actors, atMs: Date.now() + round * 1000 });
      current = addActors(addVerdict(current, verdict, 1), verdict.members, [], verdict);
    }
    expect(current.incident.actions.length).toBeLessThanOrEqual(1000);
    expect(current.incident.actions[0]?.detail).toBe('round 0');
    expect(current.incident.actions.at(-1)?.detail).toBe('round 1499');
    expect(current.incident.evidence.length).toBeLessThanOrEqual(500);
    expect(current.verdictIds.length).toBeLessThanOrEqual(500);
    expect(current.actors).toHaveLength(200);
  });
  it('counts the actors for which there is no room, in one line, and every undo says so', () => {
    const named = (from: number, count: number) => {
      const actors = Array.from({ length: count }, (_, at) => ({ key: `process:00000000:${from + at}:1`, kind: 'process' as const }));
      return verdictOf({ actors, atMs: Date.UTC(2026, 0, 1) });
    };
    let current = addVerdict(fresh(), named(0, 1), 1);
    const add = (from: number, count: number) => {
      const verdict = named(from, count);
      current = addActors(current, verdict.members, [], verdict);
    };
    for (let from = 0; from < 15_000; from += 250) add(from, 250);
    expect(leftByUndo(current)).toBeUndefined();
    add(0, 100); // named again
    expect(current.actorsNotListed).toBeUndefined();
    add(14_990, 40);
    add(20_000, 7);
    expect(current.actors).toHaveLength(15_000);
    const lines = current.incident.actions.filter(({ name }) => name === 'list-actors');
    expect(lines).toMatchObject([
      { status: 'failed', detail: expect.stringMatching(/^37 more processes were not listed .* --at 2025-12-31T/u) as unknown },
    ]);
    expect(leftByUndo(current)).toBe(lines[0]?.detail);
  });
  it('never counts a file twice over several rounds of undo', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            touched: fc.nat({ max: 50 }),
            restored: fc.nat({ max: 50 }),
            alreadyIntact: fc.nat({ max: 50 }),
            unrecoverable: fc.nat({ max: 50 }),
          }),
          { minLength: 1, maxLength: 6 },
        ),
        (rounds) => {
          let current = fresh();
          let touched = 0;
          for (const [round, counts] of rounds.entries()) {
            current = addReport(wantUndo(current), report(counts), round + 1);
            const { files } = current.incident;
            if (round > 0) expect(files.touched).toBeGreaterThanOrEqual(touched);
            touched = files.touched;
            expect(files.restored + files.alreadyIntact + files.unrecoverable).toBeLessThanOrEqual(files.touched);
          }
        },
      ),
    );
  });
});

describe('what is done next', () => {
  const attack = (change: Partial<IncidentCase> = {}): IncidentCase => ({
    ...fresh(),
    attack: true,
    actors: [{ key: 'unknown', firstActivityAtMs: 0 }],
    undo: { wanted: 1, done: 0, started: 0 },
    lastVerdictAtMs: 10_000,
    ...change,
  });
  const at = (current: IncidentCase, nowMs: number) => nextStep(current, settings, defaultStepTimes, nowMs);

  it('pin, undo, look at programs, be restored, and close when it has been quiet', () => {
    let current = attack({ containment: 'done', programs: { waiting: [{ path: '/x', role: 'executable', runBy: '' }], seen: ['/x'] } });
    expect(at(current, 10_001)).toEqual({ kind: 'pin' });
    current = { ...current, pinned: true };
    expect(at(current, 10_001)).toEqual({ kind: 'undo' });
    current = addReport(current, report({ touched: 1, restored: 1 }), 1);
    expect(at(current, 10_002)).toEqual({ kind: 'programs' });
    current = { ...current, programs: { ...current.programs, waiting: [] } };
    expect(at(current, 10_003)).toEqual({ kind: 'restored' });
    current = goTo(current, 'restored', 10_004).next;
    expect(at(current, 10_005)).toEqual({ kind: 'wait', untilMs: 40_000 });
    expect(at(current, 40_000)).toEqual({ kind: 'close' });
    expect(at(goTo(current, 'closed', 40_001).next, 99_999)).toEqual({ kind: 'none' });
  });
  it('waits for three seconds of quiet before it undoes what somebody did who could not be stopped', () => {
    const current = attack({ containment: 'impossible', pinned: true });
    expect(at(current, 12_999)).toEqual({ kind: 'wait', untilMs: 13_000 });
    expect(at(current, 13_000)).toEqual({ kind: 'undo' });
  });
  it('does nothing but close what was only watched', () => {
    expect(at(attack({ handsOff: 'observe' }), 11_000)).toEqual({ kind: 'wait', untilMs: 40_000 });
    expect(at(attack({ handsOff: 'whitelist' }), 11_000)).toEqual({ kind: 'close' });
  });
  it('leaves alone what the operator opened again', () => {
    expect(
      at(
        {
          ...attack({ pinned: true }),
          undo: { wanted: 1, done: 1, started: 1 },
          heldOpen: true,
          incident: { ...fresh().incident, state: 'restored' },
        },
        99_999,
      ),
    ).toEqual({ kind: 'none' });
  });
});
