// Which rows of `endpoints` are one holding. A pod or node holds an address once, as a rule, and every replica writes rows of it. One
// that gets back an address that it had before holds it twice: whoever first heard of a holding after another one of the same address
// and object had ended speaks of a new one. Pure.
import type { EndpointRow } from './endpoint-row.ts';

/** Clocks of who tells an end and of who hears of a begin are apart by so much at most, µs. */
const SLACK_US = 5_000_000;

/** Whether a row that was first heard of then speaks of a holding that began after one with this end; µs. */
export function isAfterEnd(heardUs: number, toUs: number): boolean {
  return heardUs > toUs + SLACK_US;
}

/** SQL of the same, for two timestamps. */
export function isAfterEndSql(heard: string, to: string): string {
  return `${heard} > ${to} + INTERVAL ${SLACK_US / 1e6} SECOND`;
}

/**
 * The holdings that these rows of one address and one object speak of, in order of time, one row each: named as the last of its rows
 * names it, over at the earliest end that was heard.
 */
export function holdingsOf(rows: readonly EndpointRow[]): EndpointRow[] {
  const holdings: EndpointRow[] = [];
  for (const row of rows.toSorted((a, b) => a.heardUs - b.heardUs || a.recordedUs - b.recordedUs)) {
    const last = holdings.at(-1);
    if (last === undefined) holdings.push(row);
    else if (last.toUs !== null && isAfterEnd(row.heardUs, last.toUs)) holdings.push(beginningAfter(row, last.toUs));
    else holdings[holdings.length - 1] = joined(last, row);
  }
  return holdings;
}

/** A replica that started since does not know that it was away in between. */
export function beginningAfter(row: EndpointRow, endUs: number): EndpointRow {
  return row.fromUs >= endUs ? row : { ...row, fromUs: endUs };
}

function joined(a: EndpointRow, b: EndpointRow): EndpointRow {
  const [older, newer] = a.recordedUs <= b.recordedUs ? [a, b] : [b, a];
  const toUs = least(a.toUs, b.toUs);
  const sureUntilUs =
    a.sureUntilUs === null || b.sureUntilUs === null
      ? (a.sureUntilUs ?? b.sureUntilUs)
      : Math.max(a.sureUntilUs, b.sureUntilUs);
  return {
    ...newer,
    fromUs: Math.min(older.fromUs, newer.fromUs),
    toUs,
    // A replica that had not heard of the end was sure for longer.
    sureUntilUs: toUs === null || sureUntilUs === null ? sureUntilUs : Math.min(sureUntilUs, toUs),
    heardUs: Math.min(older.heardUs, newer.heardUs),
  };
}

function least(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}
