const unitsMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/**
 * `--at` and `--since`: ISO 8601 (`2026-11-24T12:00:00Z`; without a zone: local time; a date alone: its beginning, local time) or back from now (`-2h`, `-30min`,
 * `-1.5d`). Milliseconds since the epoch, or undefined for anything else and for a time in the future.
 */
export function parseTime(text: string, nowMs: number): number | undefined {
  const back = /^-(\d+(?:\.\d+)?)\s?(s|m|min|h|d|w)$/u.exec(text.trim());
  if (back !== null) {
    const ms = nowMs - Number(back[1]) * (unitsMs[back[2] ?? ''] ?? Number.NaN);
    return ms >= 0 ? Math.round(ms) : undefined;
  }
  const iso = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)(Z|[+-]\d\d(?::?\d\d)?)?)?$/u.exec(text.trim());
  if (iso === null) return undefined;
  const zone = (iso[3] ?? '').replace(
    /^([+-]\d\d):?(\d\d)?$/u,
    (_whole, hours: string, minutes: string | undefined) => `${hours}:${minutes ?? '00'}`,
  );
  const ms = Date.parse(`${iso[1] ?? ''}T${iso[2] ?? '00:00'}${zone}`);
  return Number.isNaN(ms) || ms > nowMs ? undefined : ms;
}
