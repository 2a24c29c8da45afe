// `--since` and `--until`: an instant, or how long ago. Pure; the clock is passed in.
import { FlowtollError } from '../model/errors.ts';

const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
};

const AGO = /^(\d{1,9})([smhdw])$/;
// A date, or a date with a time; without a zone it is UTC, as everything here.
const INSTANT = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?$/;

/** Milliseconds since the Unix epoch; throws CONFIG_INVALID, naming the option. */
export function parseTimeBound(text: string, option: string, nowMs: number): number {
  const ago = AGO.exec(text);
  if (ago !== null) {
    return nowMs - Number(ago[1]) * UNIT_MS[ago[2]!]!;
  }
  const match = INSTANT.exec(text);
  if (match !== null) {
    const hasTime = text.length > 10;
    const time = Date.parse(hasTime && match[1] === undefined ? `${text.replace(' ', 'T')}Z` : text.replace(' ', 'T'));
    if (!Number.isNaN(time)) {
      return time;
    }
  }
  throw new FlowtollError(
    'CONFIG_INVALID',
    `${option} is ${JSON.stringify(text)}: give an instant such as 2026-01-31 or 2026-01-31T12:00Z (UTC without a zone), ` +
      'or how long ago, such as 90m, 24h, 7d or 2w',
  );
}
