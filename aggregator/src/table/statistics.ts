// Per-file column statistics for the log's `add.stats` (Delta PROTOCOL.md, "Per-file Statistics"). Readers skip whole files
// on them, so a bound may be loose but never wrong; what cannot be said safely is left out.
import { compareUtf8 } from '../model/utf8-order.ts';
import { type ColumnVector, DecimalVector, NULL_CODE, type NumberVector, TextVector } from './column-vectors.ts';
import { DECIMAL_PRECISION, DECIMAL_SCALE } from './columns.ts';
import type { RowPartition } from './row-buffer.ts';

/** Characters kept of a text bound; Spark keeps as many. */
const TEXT_PREFIX_LENGTH = 32;
/** The greatest character: appended to a cut upper bound, it is above all that was cut. */
const LAST_CHARACTER = '\u{10ffff}';

/**
 * Readers may take a decimal bound through a double (relative error 2^-53): widened by 1e-13 of itself, it stays a bound.
 */
const DECIMAL_MARGIN_DIVISOR = 10n ** 13n;
const DECIMAL_MAX = 10n ** BigInt(DECIMAL_PRECISION) - 1n;

interface Bounds {
  /** JSON text of the bounds; undefined where there is none, or none that is safe. */
  readonly min: string | undefined;
  readonly max: string | undefined;
  readonly nullCount: number;
}

/** The JSON text of the partition's statistics. */
export function statisticsJson(partition: RowPartition): string {
  const mins: string[] = [];
  const maxs: string[] = [];
  const nullCounts: string[] = [];
  for (const vector of partition.vectors) {
    const name = JSON.stringify(vector.column.name);
    const { min, max, nullCount } = bounds(vector, partition.rowCount);
    nullCounts.push(`${name}:${nullCount}`);
    if (min !== undefined) {
      mins.push(`${name}:${min}`);
    }
    if (max !== undefined) {
      maxs.push(`${name}:${max}`);
    }
  }
  return (
    `{"numRecords":${partition.rowCount},"minValues":{${mins.join(',')}},` +
    `"maxValues":{${maxs.join(',')}},"nullCount":{${nullCounts.join(',')}}}`
  );
}

function bounds(vector: ColumnVector, rowCount: number): Bounds {
  if (vector instanceof TextVector) {
    return textBounds(vector, rowCount);
  }
  return vector instanceof DecimalVector ? decimalBounds(vector, rowCount) : numberBounds(vector, rowCount);
}

function textBounds(vector: TextVector, rowCount: number): Bounds {
  let nullCount = 0;
  for (let i = 0; i < rowCount; i++) {
    if (vector.codes[i] === NULL_CODE) {
      nullCount++;
    }
  }
  // A map has no order.
  if (vector.column.type === 'map' || vector.values.length === 1) {
    return { min: undefined, max: undefined, nullCount };
  }
  let min = vector.values[1]!;
  let max = min;
  for (let code = 2; code < vector.values.length; code++) {
    const value = vector.values[code]!;
    if (compareUtf8(value, min) < 0) {
      min = value;
    } else if (compareUtf8(value, max) > 0) {
      max = value;
    }
  }
  return { min: JSON.stringify(lowerTextBound(min)), max: JSON.stringify(upperTextBound(max)), nullCount };
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

function numberBounds(vector: NumberVector, rowCount: number): Bounds {
  let nullCount = 0;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < rowCount; i++) {
    const value = vector.values[i]!;
    if (Number.isNaN(value)) {
      nullCount++;
    } else {
      min = Math.min(value, min);
      max = Math.max(value, max);
    }
  }
  if (nullCount === rowCount) {
    return { min: undefined, max: undefined, nullCount };
  }
  if (vector.column.type !== 'timestamp') {
    return { min: String(min), max: String(max), nullCount };
  }
  // Statistics have milliseconds: down for the lower bound, up for the upper one. Cut down, the upper bound would be below
  // the last rows of the file, and readers that take it as it stands would not find them.
  return { min: timestampJson(Math.floor(min / 1000)), max: timestampJson(Math.ceil(max / 1000)), nullCount };
}

function timestampJson(milliseconds: number): string {
  return JSON.stringify(new Date(milliseconds).toISOString());
}

function decimalBounds(vector: DecimalVector, rowCount: number): Bounds {
  let nullCount = 0;
  let min: bigint | undefined;
  let max: bigint | undefined;
  for (let i = 0; i < rowCount; i++) {
    if (vector.isNull(i)) {
      nullCount++;
      continue;
    }
    const value = vector.values[i]!;
    min = min === undefined || value < min ? value : min;
    max = max === undefined || value > max ? value : max;
  }
  return {
    min: min === undefined ? undefined : decimalJson(min - decimalMargin(min)),
    max: max === undefined ? undefined : decimalJson(max + decimalMargin(max)),
    nullCount,
  };
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
