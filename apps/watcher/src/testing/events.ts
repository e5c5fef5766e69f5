import type { Actor } from '@kuramori/contracts';
import type { RawEvent } from '@kuramori/platform';

export const alice: Actor = { key: 'process:b:10:1', kind: 'process', pid: 10, exe: '/usr/bin/vim', user: 'alice' };
export const bob: Actor = { key: 'process:b:20:1', kind: 'process', pid: 20, exe: '/usr/bin/cp', user: 'bob' };
/** The vault, as `up` registered it. */
export const kuramori: Actor = { key: 'process:b:5:1', kind: 'process', pid: 5, exe: '/usr/bin/node', own: true };

/** One thing the system said; nothing but what is named happened. */
export function rawEvent(path: string, what: Partial<RawEvent>, actor: Actor = alice): RawEvent {
  return {
    atMs: performance.timeOrigin + performance.now(),
    kind: 'file',
    path,
    created: false,
    modified: false,
    closedAfterWrite: false,
    deleted: false,
    renamed: false,
    metadata: false,
    actor,
    ...what,
  };
}

/** What the kernel says when a file was written and closed, in one event. */
export const written = { modified: true, closedAfterWrite: true } as const;
export const createdAndWritten = { created: true, ...written } as const;
