/** Incidents and their events, for tests of the notifier. */
import type { Incident, IncidentEvent } from '@kuramori/contracts';

export const incidentId = '3f0e8c52-93b1-8d11-a7aa-0123456789ab';

export function incidentOf(change: Partial<Incident> = {}): Incident {
  return {
    id: incidentId,
    host: 'fs01',
    state: 'opened',
    severity: 'high',
    confidence: 97,
    title: 'Files are being encrypted by openssl (user alice)',
    openedAt: '2026-11-24T02:00:03.120Z',
    firstActivityAt: '2026-11-24T02:00:02.500Z',
    actor: {
      kind: 'process',
      pid: 4711,
      exe: '/usr/bin/bash',
      commandLine: 'bash /tmp/attack.sh /srv/share',
      user: 'alice',
      processTree: [{ pid: 4711, startTime: 100, exe: '/usr/bin/bash', comm: 'bash' }],
    },
    techniques: [{ id: 'T1486', name: 'Data Encrypted for Impact' }],
    evidence: [
      {
        indicator: 'content-replaced',
        summary: 'A document turned into random-looking bytes',
        weight: 40,
        path: '/srv/share/Finance/plan.xlsx',
        at: '2026-11-24T02:00:02.600Z',
      },
      {
        indicator: 'ransom-note',
        summary: 'A note that asks for payment was written',
        weight: 60,
        path: '/srv/share/README_DECRYPT.txt',
        at: '2026-11-24T02:00:02.900Z',
      },
      { indicator: 'rate', summary: '214 files changed in one second', weight: 10, at: '2026-11-24T02:00:03.000Z' },
    ],
    actions: [],
    files: { touched: 14, restored: 0, alreadyIntact: 0, quarantined: 0, unrecoverable: 0 },
    ...change,
  };
}

const contained = {
  containedAt: '2026-11-24T02:00:03.300Z',
  actions: [
    {
      name: 'suspend',
      status: 'done',
      at: '2026-11-24T02:00:03.200Z',
      detail: 'stopped 2 processes: bash (pid 4711), openssl (pid 4799), 12 ms after the verdict arrived',
    },
    { name: 'kill', status: 'done', at: '2026-11-24T02:00:03.250Z', detail: 'ended 2 processes: bash (pid 4711), openssl (pid 4799)' },
    { name: 'contain', status: 'done', at: '2026-11-24T02:00:03.300Z', detail: 'nothing of it is running any more' },
  ],
} satisfies Partial<Incident>;

export const stages = {
  opened: () => incidentOf(),
  contained: () => incidentOf({ state: 'contained', ...contained }),
  restored: () =>
    incidentOf({
      state: 'restored',
      ...contained,
      restoredAt: '2026-11-24T02:00:05.000Z',
      actions: [
        ...contained.actions,
        {
          name: 'restore',
          status: 'done',
          at: '2026-11-24T02:00:04.900Z',
          detail: '14 restored, 0 already intact, 3 moved to quarantine, 0 could not be recovered, 0 changed by others too',
        },
        {
          name: 'quarantine-program',
          status: 'skipped',
          at: '2026-11-24T02:00:04.950Z',
          detail: '/usr/bin/bash left in place: it belongs to the package bash',
        },
      ],
      files: { touched: 14, restored: 14, alreadyIntact: 0, quarantined: 3, unrecoverable: 0 },
    }),
  closed: () => ({ ...stages.restored(), state: 'closed' as const, closedAt: '2026-11-24T02:00:35.000Z' }),
};

let events = 0;

/** The event as it travels. */
export function eventOf(incident: Incident, event: IncidentEvent = incident.state): object {
  events += 1;
  return {
    specversion: '1.0',
    id: `${incident.id}-${events}`,
    source: `/kuramori/${incident.host}/responder`,
    type: `jp.kuramori.incident.${event}.v1`,
    subject: incident.id,
    time: '2026-11-24T02:00:03.000Z',
    datacontenttype: 'application/json',
    data: incident,
  };
}
