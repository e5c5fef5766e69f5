import { type Incident, incidentStates, severities } from '@kuramori/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { noticeChanges, type NoticeKind, type NoticeState } from './notice';
import { incidentOf, stages } from './testing/incidents';

describe('which notices an incident makes', () => {
  it('one when it opens, none for updates, one when it is over', () => {
    expect(noticeChanges(stages.opened(), {})).toEqual([{ change: 'add', kind: 'opened' }]);
    expect(noticeChanges(stages.contained(), { opened: 'sent' })).toEqual([]);
    expect(noticeChanges(stages.restored(), { opened: 'sent' })).toEqual([{ change: 'add', kind: 'over' }]);
    expect(noticeChanges(stages.closed(), { opened: 'sent', over: 'sent' })).toEqual([]);
  });
  it('none for warnings, and one from the moment on that a warning turns out to be an attack', () => {
    expect(noticeChanges(incidentOf({ severity: 'low' }), {})).toEqual([]);
    expect(noticeChanges(incidentOf({ severity: 'low', state: 'closed' }), {})).toEqual([]);
    expect(noticeChanges(incidentOf({ severity: 'medium' }), {})).toEqual([{ change: 'add', kind: 'opened' }]);
  });
  it('takes an end back that was none, before it was told', () => {
    expect(noticeChanges(stages.contained(), { opened: 'sent', over: 'waiting' })).toEqual([{ change: 'withdraw', kind: 'over' }]);
  });
  it('never more than one of each, whatever the order of events and deliveries', () => {
    const incident = fc.record({ state: fc.constantFrom(...incidentStates), severity: fc.constantFrom(...severities) });
    fc.assert(
      fc.property(fc.array(fc.tuple(incident, fc.boolean(), fc.constantFrom<NoticeState>('sent', 'refused'))), (steps) => {
        const states = new Map<NoticeKind, NoticeState>();
        const told: NoticeKind[] = [];
        for (const [change, delivered, result] of steps) {
          for (const step of noticeChanges(incidentOf(change satisfies Partial<Incident>), Object.fromEntries(states))) {
            if (step.change === 'add') {
              expect(states.has(step.kind)).toBe(false);
              states.set(step.kind, 'waiting');
            } else if (step.change === 'withdraw') {
              expect(states.get(step.kind)).toBe('waiting');
              states.delete(step.kind);
            } else expect(states.get(step.kind)).toBe('waiting');
          }
          if (delivered) {
            for (const kind of ['opened', 'over'] as const) {
              if (states.get(kind) === 'waiting') {
                states.set(kind, result);
                told.push(kind);
              }
            }
          }
        }
        expect(new Set(told).size).toBe(told.length);
        if (told.includes('over')) expect(told[0]).toBe('opened');
      }),
    );
  });
});
