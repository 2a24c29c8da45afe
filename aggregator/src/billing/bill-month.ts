// The month of a bill: a calendar month in UTC, as providers bill. Pure.
import { FlowtollError } from '../model/errors.ts';

export interface BillMonth {
  /** "2026-11" */
  readonly name: string;
  /** First instant, ms since the Unix epoch. */
  readonly sinceMs: number;
  /** First instant of the next month. */
  readonly untilMs: number;
}

/** From 1970 on. */
const MONTH = /^(19[7-9]\d|[2-9]\d{3})-(0[1-9]|1[0-2])$/;

/** Throws CONFIG_INVALID, naming the option. */
export function parseBillMonth(text: string, option: string): BillMonth {
  const match = MONTH.exec(text);
  if (match === null) {
    throw new FlowtollError(
      'CONFIG_INVALID',
      `${option} is ${JSON.stringify(text)}: give a calendar month, year and month, such as 2026-11`,
    );
  }
  const [year, month] = [Number(match[1]), Number(match[2])];
  return { name: text, sinceMs: Date.UTC(year, month - 1), untilMs: Date.UTC(year, month) };
}
