// Per-file column statistics for the log's `add.stats` (Delta PROTOCOL.md, "Per-file Statistics"). Readers skip whole files
// on them, so a bound may be loose but never wrong; what cannot be said safely is left out.
import { type ColumnOfAny, DECIMAL_PRECISION, DECIMAL_SCALE } from './columns.ts';

/** Characters kept of a text bound; Spark keeps as many. */
const TEXT_PREFIX_LENGTH = 32;
/** The greatest character: appended to a cut upper bound, it is above all that was cut. */
const LAST_CHARACTER = '\u{10ffff}';

/**
 * Readers may take a decimal bound through a double (relative error 2^-53): widened by 1e-13 of itself, it stays a bound.
 */
const DECIMAL_MARGIN_DIVISOR = 10n ** 13n;
const DECIMAL_MAX = 10n ** BigInt(DECIMAL_PRECISION) - 1n;

/** Extremes of one column in one file, exact. */
export interface ColumnExtremes {
  readonly column: Pick<ColumnOfAny, 'name' | 'type'>;
  readonly nullCount: number;
  /**
   * Undefined where all are null, or the column has no order. Text; µs since the Unix epoch for timestamps; the count of 1e-12
   * for decimals.
   */
  readonly min: string | number | bigint | undefined;
  readonly max: string | number | bigint | undefined;
}

/** The JSON text of a file's statistics: bounds that no value is beyond. */
export function statisticsOf(rowCount: number, columns: readonly ColumnExtremes[]): string {
  const mins: string[] = [];
  const maxs: string[] = [];
  const nullCounts: string[] = [];
  for (const { column, nullCount, min, max } of columns) {
    const name = JSON.stringify(column.name);
    nullCounts.push(`${name}:${nullCount}`);
    const lower = min === undefined ? undefined : boundJson(column.type, min, 'lower');
    const upper = max === undefined ? undefined : boundJson(column.type, max, 'upper');
    if (lower !== undefined) mins.push(`${name}:${lower}`);
    if (upper !== undefined) maxs.push(`${name}:${upper}`);
  }
  return (
    `{"numRecords":${rowCount},"minValues":{${mins.join(',')}},` +
    `"maxValues":{${maxs.join(',')}},"nullCount":{${nullCounts.join(',')}}}`
  );
}

/** JSON text of a bound; undefined where there is none that is safe. */
function boundJson(
  type: ColumnOfAny['type'],
  value: string | number | bigint,
  side: 'lower' | 'upper',
): string | undefined {
  switch (type) {
    case 'map':
      return undefined; // A map has no order.
    case 'text':
      return JSON.stringify(side === 'lower' ? lowerTextBound(String(value)) : upperTextBound(String(value)));
    case 'timestamp':
      // Statistics have milliseconds: down for the lower bound, up for the upper one. Cut down, the upper bound would be below
      // the last rows of the file, and readers that take it as it stands would not find them.
      return timestampJson((side === 'lower' ? Math.floor : Math.ceil)(Number(value) / 1000));
    case 'decimal': {
      const exact = BigInt(value);
      return decimalJson(side === 'lower' ? exact - decimalMargin(exact) : exact + decimalMargin(exact));
    }
    default:
      return String(value);
  }
}

/** A prefix is never above the whole. */
export function lowerTextBound(value: string): string {
  return prefix(value);
}

/** The shortest cut that, with the greatest character appended, is not below the whole. */
export function upperTextBound(value: string): string {
  const cut = prefix(value);
  if (cut.length === value.length) {
    return value;
  }
  // After the greatest character itself, appending it once would be below a value that goes on.
  return value.startsWith(LAST_CHARACTER, cut.length) ? value : cut + LAST_CHARACTER;
}

function prefix(value: string): string {
  if (value.length <= TEXT_PREFIX_LENGTH) {
    return value;
  }
  // Never through the middle of a character of two code units.
  const splitsPair = (value.charCodeAt(TEXT_PREFIX_LENGTH - 1) & 0xfc00) === 0xd800;
  return value.slice(0, splitsPair ? TEXT_PREFIX_LENGTH - 1 : TEXT_PREFIX_LENGTH);
}

function timestampJson(milliseconds: number): string {
  return JSON.stringify(new Date(milliseconds).toISOString());
}

function decimalMargin(value: bigint): bigint {
  if (value === 0n) {
    return 0n;
  }
  return (value < 0n ? -value : value) / DECIMAL_MARGIN_DIVISOR + 1n;
}

/** A JSON number; undefined where the widened bound is no value of the type. */
function decimalJson(value: bigint): string | undefined {
  const digits = value < 0n ? -value : value;
  if (digits > DECIMAL_MAX) {
    return undefined;
  }
  const text = digits.toString().padStart(DECIMAL_SCALE + 1, '0');
  const sign = value < 0n ? '-' : '';
  return `${sign}${text.slice(0, -DECIMAL_SCALE)}.${text.slice(-DECIMAL_SCALE)}`;
}
