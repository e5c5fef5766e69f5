import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Notice } from '../../notice';
import { incidentOf, stages } from '../../testing/incidents';
import { renderMail } from './render-mail';
import { oneLine } from './mail-text';

const notices: Readonly<Record<string, Notice>> = {
  'opened-contained': { kind: 'opened', incident: stages.contained() },
  'opened-not-contained': {
    kind: 'opened',
    incident: incidentOf({
      actor: { kind: 'unknown', processTree: [] },
      actions: [
        {
          name: 'contain',
          status: 'failed',
          at: '2026-11-24T02:00:03.200Z',
          detail: 'containment was not possible: the sensor does not know which process did it',
        },
      ],
    }),
  },
  'opened-observed': {
    kind: 'opened',
    incident: incidentOf({
      actions: [{ name: 'suspend', status: 'would-do', at: '2026-11-24T02:00:03.200Z', detail: 'would stop 1 process: openssl (pid 4799)' }],
    }),
  },
  'over-restored': { kind: 'over', incident: stages.closed() },
  'over-unrecoverable': {
    kind: 'over',
    incident: { ...stages.restored(), files: { touched: 14, restored: 12, alreadyIntact: 0, quarantined: 3, unrecoverable: 2 } },
  },
  'over-false-alarm': { kind: 'over', incident: { ...stages.restored(), state: 'false_alarm' } },
};

describe.each(['en', 'ja'] as const)('a mail in %s', (language) => {
  it.each(Object.keys(notices))('says what happened and what to do: %s', async (name) => {
    const notice = notices[name];
    if (notice === undefined) throw new Error(name);
    const { subject, text, html } = renderMail(notice, language);
    await expect(`Subject: ${subject}\n\n${text}`).toMatchFileSnapshot(`golden/${name}.${language}.golden.txt`);
    await expect(html).toMatchFileSnapshot(`golden/${name}.${language}.golden.html`);
  });
});

describe('what comes from outside', () => {
  const hostile = 'plan.xlsx\r\nBcc: eve@example.org\r\n\r\n<script>alert(1)</script>\u202Efdp.exe\u0000';

  it('stays in its line and its cell', () => {
    const incident = incidentOf({
      state: 'restored',
      family: hostile,
      title: hostile,
      actor: { kind: 'process', exe: `/tmp/${hostile}`, commandLine: hostile, user: hostile, processTree: [] },
      evidence: [{ indicator: 'x', summary: hostile, weight: 1, path: hostile, at: '2026-11-24T02:00:02.600Z' }],
      actions: [{ name: hostile.slice(0, 60), status: 'failed', at: '2026-11-24T02:00:02.600Z', detail: hostile }],
    });
    for (const kind of ['opened', 'over'] as const) {
      const { subject, text, html } = renderMail({ kind, incident }, 'en');
      expect(subject).not.toMatch(/[\u0000-\u001f\u007f\u202e]/u);
      expect(text).not.toMatch(/^\s*(?:Bcc|<script)/mu);
      expect(text).not.toContain('\u202E');
      expect(html).not.toContain('<script');
    }
  });
  it('is one line of bounded length, whatever it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 500 }), fc.integer({ min: 1, max: 200 }), (text, maxLength) => {
        const shown = oneLine(text, maxLength);
        expect([...shown].length).toBeLessThanOrEqual(maxLength);
        expect(shown).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/u);
      }),
    );
  });
  it('is cut where there is much of it', () => {
    const evidence = Array.from({ length: 400 }, (_, at) => ({
      indicator: 'content-replaced',
      summary: 'gone',
      weight: at,
      path: `/srv/share/${at}.docx`,
      at: '2026-11-24T02:00:02.600Z',
    }));
    const { text, subject } = renderMail({ kind: 'opened', incident: incidentOf({ evidence, host: 'h'.repeat(253) }) }, 'en');
    expect(text).toContain('… and 390 more');
    expect(text.match(/\/srv\/share\/\d+\.docx/gu)).toHaveLength(10);
    expect(subject.length).toBeLessThanOrEqual(160);
  });
});
