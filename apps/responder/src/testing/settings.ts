import type { Settings } from '@kuramori/config';

/** Settings as the responder reads them; tests change what they are about. */
export function testSettings(dataDir: string, change: { mode?: Settings['mode']; response?: Partial<Settings['response']> } = {}): Settings {
  return {
    host: 'fs01',
    dataDir,
    mode: change.mode ?? 'enforce',
    protect: {
      roots: ['/srv/share'],
      extensions: 'all',
      exclude: [],
      sensor: 'auto',
      guard: { enabled: false, deadlineMs: 2000, onDeadline: 'allow' },
      rescanEveryS: 3600,
    },
    vault: { versions: 4, reserveFree: { percent: 10 } },
    detection: { sensitivity: 'normal' },
    response: { suspend: true, kill: true, quarantine: true, restore: true, whitelist: [], ...change.response },
    notify: { mail: null },
    bus: { url: null, credentials: `${dataDir}/bus/credentials`, port: 4222 },
    http: { bind: '127.0.0.1', port: 0 },
    language: 'en',
  };
}
