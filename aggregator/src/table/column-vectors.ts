// Growing arrays for the values of one column: no object per value, nulls in the data. Filled by the row buffer, drained by
// the Parquet writer and the statistics; knows neither. After `free` a vector is of no use.
import { freeBytes } from '@flowtoll/proto';
import { FlowtollError } from '../model/errors.ts';
import type { FlowRow } from '../model/flow-row.ts';
import type {
  Column,
  DecimalColumn,
  IntegerColumn,
  LongColumn,
  MapColumn,
  TextColumn,
  TimestampColumn,
} from './columns.ts';
import { type PackedTexts, TextDictionary } from './text-dictionary.ts';

/** Code of null in a text vector; the codes of the dictionary begin at 1. */
export const NULL_CODE = 0;

/** Null in a decimal vector: outside DECIMAL(18,12), whose digits end at 10^18 - 1. */
const NULL_DECIMAL = -(2n ** 63n);
const DECIMAL_LIMIT = 10n ** 18n;
const INTEGER_MAX = 2 ** 31 - 1;

/** Codes of a text vector, as narrow as its dictionary allows: most columns of a commit have few values, or one. */
export type Codes = Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

/** Which entry each row has, of vectors whose entries many rows share. */
export interface RowEntries {
  /** By row. */
  ofRow: Uint32Array<ArrayBuffer>;
}

/** Text as codes into a dictionary, which stays when the rows go: the next rows have mostly the same texts. */
export class TextVector<Row = FlowRow> {
  readonly column: TextColumn<Row> | MapColumn<Row>;
  /** By entry. */
  codes: Codes;
  /** Undefined: each row is an entry of its own. */
  readonly entries: RowEntries | undefined;
  readonly #dictionary = new TextDictionary();
  /** Codes of texts that are stored as others, because no file can hold them as they are. */
  readonly #codeOfUnstorable = new Map<string, number>();
  // Rows come batch by batch, so most values equal the one before: comparing two references is cheaper than a lookup.
  #lastValue: string | null = null;
  #lastCode = NULL_CODE;

  constructor(column: TextColumn<Row> | MapColumn<Row>, capacity: number, entries?: RowEntries) {
    this.column = column;
    this.codes = new Uint8Array(capacity);
    this.entries = entries;
  }

  codeOfRow(row: number): number {
    return this.codes[this.entries === undefined ? row : this.entries.ofRow[row]!]!;
  }

  /** The value of each code; element 0 stands for null. Rows before the last `clear` may have had values that no row has now. */
  get values(): readonly string[] {
    return this.#dictionary.values;
  }

  /** The bytes of `values`. */
  get packed(): PackedTexts {
    return this.#dictionary.packed;
  }

  /** Sets entry `index`. */
  set(index: number, row: Row): void {
    const value = this.column.of(row);
    if (value !== this.#lastValue) {
      this.#lastCode = value === null ? this.#nullCode() : this.#dictionary.find(value) || this.#addValue(value);
      this.#lastValue = value;
    } else if (value === null) {
      this.#nullCode();
    }
    this.codes[index] = this.#lastCode;
  }

  grow(capacity: number): void {
    this.codes = copied(this.codes, codesFor(this.codes.BYTES_PER_ELEMENT, capacity));
  }

  /** Forgets the dictionary, too. */
  clear(): void {
    this.#dictionary.clear();
    this.#codeOfUnstorable.clear();
    this.#lastValue = null;
    this.#lastCode = NULL_CODE;
  }

  free(): void {
    freeBytes(this.codes);
    this.#dictionary.free();
  }

  #widen(): void {
    this.codes = copied(this.codes, codesFor(2 * this.codes.BYTES_PER_ELEMENT, this.codes.length));
  }

  #nullCode(): number {
    if (!this.column.nullable) {
      throw new FlowtollError('BATCH_INVALID', `a row has no ${this.column.name}: every row of flows must have one`);
    }
    return NULL_CODE;
  }

  #addValue(raw: string): number {
    const known = this.#codeOfUnstorable.get(raw);
    if (known !== undefined) return known;
    const value = this.column.type === 'map' ? canonicalMap(raw, this.column.name) : storable(raw);
    const { length } = this.values;
    const code = this.#dictionary.add(value);
    if (code === length && code >= 2 ** (8 * this.codes.BYTES_PER_ELEMENT)) this.#widen();
    if (value !== raw) this.#codeOfUnstorable.set(raw, code);
    return code;
  }
}

function codesFor(bytes: number, capacity: number): Codes {
  if (bytes === 1) return new Uint8Array(capacity);
  return bytes === 2 ? new Uint16Array(capacity) : new Uint32Array(capacity);
}

function copied(from: Codes, to: Codes): Codes {
  to.set(from);
  freeBytes(from);
  return to;
}

/** Not every string is text that a file can hold: lone surrogates have no UTF-8, and C strings end at NUL. */
function storable(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\ufffd');
}

/** The JSON object of texts, with keys and values that a file can hold; throws BATCH_INVALID if it is none. */
function canonicalMap(json: string, column: string): string {
  let map: unknown;
  try {
    map = JSON.parse(json);
  } catch {
    map = undefined;
  }
  const entries = typeof map === 'object' && map !== null && !Array.isArray(map) ? Object.entries(map) : undefined;
  if (entries === undefined || !entries.every(([, value]) => typeof value === 'string')) {
    throw new FlowtollError('BATCH_INVALID', `${column} of a row is ${json}: it must be a JSON object of texts`);
  }
  return JSON.stringify(Object.fromEntries(entries.map(([key, value]) => [storable(key), storable(String(value))])));
}

/** Timestamps (µs) and integers as doubles, exact to 2^53; null is NaN. */
export class NumberVector<Row = FlowRow> {
  readonly column: TimestampColumn<Row> | LongColumn<Row> | IntegerColumn<Row>;
  values: Float64Array;
  readonly #max: number;

  constructor(column: TimestampColumn<Row> | LongColumn<Row> | IntegerColumn<Row>, capacity: number) {
    this.column = column;
    this.values = new Float64Array(capacity);
    this.#max = column.type === 'integer' ? INTEGER_MAX : Number.MAX_SAFE_INTEGER;
  }

  set(index: number, row: Row): void {
    const value = this.column.of(row);
    if (value === null && this.column.nullable) {
      this.values[index] = Number.NaN;
    } else if (value !== null && Number.isInteger(value) && value >= 0 && value <= this.#max) {
      this.values[index] = value;
    } else {
      throw new FlowtollError(
        'BATCH_INVALID',
        `${this.column.name} of a row is ${value}: it must be an integer from 0 to ${this.#max}`,
      );
    }
  }

  grow(capacity: number): void {
    const values = new Float64Array(capacity);
    values.set(this.values);
    this.free();
    this.values = values;
  }

  free(): void {
    freeBytes(this.values);
  }
}

/** Decimals as 64-bit integers, scaled. */
export class DecimalVector<Row = FlowRow> {
  readonly column: DecimalColumn<Row>;
  values: BigInt64Array;

  constructor(column: DecimalColumn<Row>, capacity: number) {
    this.column = column;
    this.values = new BigInt64Array(capacity);
  }

  set(index: number, row: Row): void {
    const value = this.column.of(row);
    if (value === null) {
      this.values[index] = NULL_DECIMAL;
    } else if (value < DECIMAL_LIMIT && value > -DECIMAL_LIMIT) {
      this.values[index] = value;
    } else {
      throw new FlowtollError(
        'PRICE_OVERFLOW',
        `${this.column.name} of a row is ${value} × 1e-12 USD: DECIMAL(18,12) ends below one million dollars`,
      );
    }
  }

  /** The two 32-bit words of each value, low word first: copying them needs no bigint. */
  words(): Int32Array {
    return new Int32Array(this.values.buffer);
  }

  grow(capacity: number): void {
    const values = new BigInt64Array(capacity);
    values.set(this.values);
    this.free();
    this.values = values;
  }

  free(): void {
    freeBytes(this.values);
  }
}

/** High word of null in `DecimalVector.words()`; no decimal has it. */
export const NULL_DECIMAL_HIGH_WORD = -(2 ** 31);

/** Whether decimal `a` is less than decimal `b`, both by their position in `DecimalVector.words()`. */
export function isDecimalBelow(words: Int32Array, a: number, b: number): boolean {
  const highA = words[2 * a + 1]!;
  const highB = words[2 * b + 1]!;
  return highA === highB ? words[2 * a]! >>> 0 < words[2 * b]! >>> 0 : highA < highB;
}

/** Room for `capacity` values of the column. */
export function createVector<Row>(column: Column<Row>, capacity: number): ColumnVector<Row> {
  switch (column.type) {
    case 'text':
    case 'map':
      return new TextVector(column, capacity);
    case 'decimal':
      return new DecimalVector(column, capacity);
    default:
      return new NumberVector(column, capacity);
  }
}

export type ColumnVector<Row = FlowRow> = TextVector<Row> | NumberVector<Row> | DecimalVector<Row>;

/** A column's values, whatever they were taken from. */
export type ColumnVectorOfAny = ColumnVector<never>;
