// Which rows a report reads: those of `costs_hourly` wherever it has what is asked for, because it is a hundredth of `flows`; the
// rows of `flows` that are not in it yet; and those of hours of which the period has a part only. Each row of `flows` counts once.
// Pure text.
import type { RowFilter } from './filter/row-filter.ts';
import { identifier, literal } from './source-table.ts';

/** The table of hourly sums. */
export const HOURLY_ROWS = 'costs_hourly';
/** Rows of `flows` that the table of hourly sums does not have yet. */
export const REMAINING_ROWS = 'flows_not_rolled_up';

const HOUR_MS = 3_600_000;

/** A period of time; undefined is without a bound. ms since the Unix epoch. */
export interface Period {
  /** First instant, inclusive. */
  readonly sinceMs: number | undefined;
  /** Last instant, exclusive. */
  readonly untilMs: number | undefined;
}

/** What decides which rows are read. */
export interface RowNeeds extends Period {
  readonly by: readonly { readonly needsFlows: boolean }[];
  /** Undefined: all rows. */
  readonly filter?: Pick<RowFilter, 'onlyInFlows'> | undefined;
}

/**
 * Whether hourly sums can answer: no key asks for what they do not have, nor does the filter, and the period has a whole hour.
 */
export function canUseHourlyRows({ by, filter, ...period }: RowNeeds): boolean {
  if (by.some(({ needsFlows }) => needsFlows) || (filter?.onlyInFlows ?? []).length > 0) return false;
  const { sinceMs, untilMs } = wholeHours(period);
  return sinceMs === undefined || untilMs === undefined || sinceMs < untilMs;
}

/** The rows of the period, as a statement over `flows` alone. */
export function flowRows(period: Period): string {
  return `SELECT * FROM flows WHERE ${periodCondition(period)}`;
}

/** The rows of the period, as a statement over all three tables. `columns` are those of the hourly sums. */
export function hourlyRows(period: Period, columns: readonly string[]): string {
  const names = columns.map(identifier).join(', ');
  const hours = wholeHours(period);
  const parts = [
    `SELECT ${names} FROM ${HOURLY_ROWS} WHERE ${periodCondition(hours)}`,
    `SELECT ${names} FROM ${REMAINING_ROWS} WHERE ${periodCondition(hours)}`,
  ];
  // The sums have no part of an hour; `flows` has, for as long as its rows are kept.
  for (const edge of [
    { sinceMs: period.sinceMs, untilMs: hours.sinceMs },
    { sinceMs: hours.untilMs, untilMs: period.untilMs },
  ]) {
    if (edge.sinceMs !== edge.untilMs) parts.push(`SELECT ${names} FROM flows WHERE ${periodCondition(edge)}`);
  }
  return parts.join(' UNION ALL ');
}

/** The rows of the period that hourly sums do not have yet, with all columns of `flows`. */
export function remainingRows(period: Period): string {
  return `SELECT * FROM ${REMAINING_ROWS} WHERE ${periodCondition(period)}`;
}

/** The whole hours within a period. */
function wholeHours({ sinceMs, untilMs }: Period): Period {
  return {
    sinceMs: sinceMs === undefined ? undefined : Math.ceil(sinceMs / HOUR_MS) * HOUR_MS,
    untilMs: untilMs === undefined ? undefined : Math.floor(untilMs / HOUR_MS) * HOUR_MS,
  };
}

/** The condition on `date` says nothing new: it lets DuckDB leave out whole files. */
function periodCondition({ sinceMs, untilMs }: Period): string {
  const conditions = ['true'];
  for (const [bound, operator, day] of [
    [sinceMs, '>=', '>='],
    [untilMs, '<', '<='],
  ] as const) {
    if (bound !== undefined) {
      const iso = new Date(bound).toISOString();
      conditions.push(`window_start ${operator} TIMESTAMPTZ ${literal(iso)}`);
      conditions.push(`date ${day} DATE ${literal(iso.slice(0, 10))}`);
    }
  }
  return conditions.join(' AND ');
}
