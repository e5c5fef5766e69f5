import { describe, expect, it } from 'vitest';
import { FakeNeighbours } from '../testing/fake-neighbours';
import { Services } from './services';

describe('what is in quarantine', () => {
  it.each([0, 1, 2, 5])('is read page after page: %i entries', async (count) => {
    const neighbours = new FakeNeighbours();
    for (let index = 0; index < count; index += 1)
      neighbours.entries.push({
        id: `q${index}`,
        path: '/srv/a',
        storedAt: '/v/a',
        incidentId: 'i',
        at: '2026-11-24T10:00:00.000Z',
        sizeBytes: 1,
        reason: 'leftover',
      });
    const found = await new Services(neighbours, 'fs01').quarantined('i');
    expect(found).toEqual(neighbours.entries);
    expect(neighbours.requests.every(({ payload }) => (payload as { incidentId?: string }).incidentId === 'i')).toBe(true);
  });
});
