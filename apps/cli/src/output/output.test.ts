import { describe, expect, it } from 'vitest';
import { parseTime } from '../time-argument';
import { Backoff } from '../up/backoff';
import { renderLine } from '../up/render-line';
import { formatBytes, formatSeconds } from './format';
import { table } from './table';

describe('tables', () => {
  it('fit the width given, with nothing cut away', () => {
    const text = table(
      ['id', 'title'],
      [
        ['1', 'x'.repeat(100)],
        ['2', '蔵'.repeat(40)],
      ],
      1,
      60,
    );
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(60);
    expect(text.match(/x/gu)).toHaveLength(100);
    expect(text.match(/蔵/gu)).toHaveLength(40);
  });
});

describe('times', () => {
  const nowMs = Date.parse('2026-11-24T12:00:00Z');
  it.each([
    ['-2h', nowMs - 7_200_000],
    ['-30min', nowMs - 1_800_000],
    ['-1.5d', nowMs - 129_600_000],
    ['2026-11-24T10:00:00Z', nowMs - 7_200_000],
    ['2026-11-24T19:00+09:00', nowMs - 7_200_000],
    ['2026-11-24 10:00:00.5Z', nowMs - 7_199_500],
    ['2026-11-20', new Date(2026, 10, 20).getTime()],
    ['2026-11-20T08:30', new Date(2026, 10, 20, 8, 30).getTime()],
  ])('%s is understood', (text, expected) => {
    expect(parseTime(text, nowMs)).toBe(expected);
  });
  it.each(['', '2h', '-2', '-2y', 'yesterday', '2026-13-01', '2026-11-25T00:00:00Z', '24.11.2026', '1764000000'])('%s is refused', (text) => {
    expect(parseTime(text, nowMs)).toBeUndefined();
  });
});

describe('restarts', () => {
  it('wait longer each time, at most 30 s, and begin anew after a minute of health', () => {
    const backoff = new Backoff();
    expect(Array.from({ length: 10 }, () => backoff.next(0))).toEqual([200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
    for (let round = 0; round < 2000; round += 1) expect(backoff.next(59_000)).toBe(30_000);
    expect(backoff.next(60_000)).toBe(200);
  });
});

describe('what services print', () => {
  it('is shown with time, name and level, and can not forge lines', () => {
    const line = JSON.stringify({ level: 'warn', time: '2026-11-24T10:00:00.000Z', msg: 'bad\nname\u001b[2J' });
    expect(renderLine('vault', line)).toMatch(/^\d\d:\d\d:\d\d vault {7}WARN bad\\nname\\x1b\[2J$/u);
    expect(renderLine('vault', '{broken')).toContain('{broken');
    expect(renderLine('nats-server', '[7] 2026/11/24 10:00:00.000000 [INF] Server is ready')).toBeUndefined();
    expect(renderLine('nats-server', '[7] 2026/11/24 10:00:00.000000 [ERR] no space')).toContain('[ERR] no space');
  });
});

describe('quantities', () => {
  it('are readable', () => {
    expect([formatBytes(0), formatBytes(1023), formatBytes(2048), formatBytes(5.5 * 1024 ** 3)]).toEqual(['0 B', '1023 B', '2.0 KiB', '5.5 GiB']);
    expect([formatSeconds(5), formatSeconds(300), formatSeconds(7500), formatSeconds(864_000)]).toEqual(['5 s', '5 min', '2 h 5 min', '10 d']);
  });
});
