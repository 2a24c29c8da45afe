// A column of numbers: with a dictionary where few of them differ, or as they are.
import { type DecimalVector, isDecimalBelow, NULL_DECIMAL_HIGH_WORD, type NumberVector } from '../column-vectors.ts';
import type { ColumnChunk, Extremes, TakeChunk } from './chunk.ts';
import { physicalType } from './column-schema.ts';
import type { PageWriter } from './page-writer.ts';

/** So many different numbers get a dictionary: ports, and windows of a commit. What has more is better off as it is. */
const DICTIONARY_NUMBERS_MAX = 1024;
const WORD = 0x1_0000_0000;

export class NumberChunks {
  readonly #pages: PageWriter;

  constructor(pages: PageWriter) {
    this.#pages = pages;
  }

  numbers({ values, column }: NumberVector<never>, rows: Uint32Array, take: TakeChunk): Extremes<number> {
    const { indices, levels } = this.#pages;
    const isNarrow = column.type === 'integer';
    const used = new Map<number, number>();
    let count = 0;
    let min = Number.POSITIVE_INFINITY;
    let max = Number.NEGATIVE_INFINITY;
    let last = Number.NaN;
    let lastIndex = 0;
    for (let i = 0; i < rows.length; i++) {
      const value = values[rows[i]!]!;
      const isNull = Number.isNaN(value);
      levels[i] = isNull ? 0 : 1;
      if (isNull) continue;
      if (value < min) min = value;
      if (value > max) max = value;
      if (value !== last && used.size <= DICTIONARY_NUMBERS_MAX) {
        last = value;
        lastIndex = used.get(value) ?? used.size;
        used.set(value, lastIndex);
      }
      indices[count++] = lastIndex;
    }
    const extremes = {
      nullCount: rows.length - count,
      min: count === 0 ? undefined : min,
      max: count === 0 ? undefined : max,
    };
    const chunk = {
      ...chunkOf(column, rows.length, extremes.nullCount),
      min: count === 0 ? undefined : integerBytes(min, isNarrow),
      max: count === 0 ? undefined : integerBytes(max, isNarrow),
    };
    if (used.size <= DICTIONARY_NUMBERS_MAX) {
      const dictionary = this.#pages.dictionary(Array.from(used.keys(), (value) => integerBytes(value, isNarrow)));
      take({ ...chunk, dictionary, data: this.#pages.indexPage(column.nullable, rows.length, count, used.size) });
    } else {
      const wordCount = this.#wordsOf(values, rows, isNarrow);
      const data = this.#pages.wordPage(column.nullable, rows.length, count, wordCount);
      take({ ...chunk, dictionary: undefined, data });
    }
    return extremes;
  }

  /** Fills the words; their number. */
  #wordsOf(values: Float64Array, rows: Uint32Array, isNarrow: boolean): number {
    const { words } = this.#pages;
    let position = 0;
    for (let i = 0; i < rows.length; i++) {
      const value = values[rows[i]!]!;
      if (Number.isNaN(value)) continue;
      words[position++] = value;
      if (!isNarrow) words[position++] = value / WORD;
    }
    return position;
  }

  /** By their words: a bigint for each row would be garbage. */
  decimals(vector: DecimalVector<never>, rows: Uint32Array, take: TakeChunk): Extremes<bigint> {
    const from = vector.words();
    const { words, levels } = this.#pages;
    const { nullable } = vector.column;
    let count = 0;
    let isConstant = true;
    for (let i = 0; i < rows.length; i++) {
      const at = 2 * rows[i]!;
      const high = from[at + 1]!;
      const isNull = high === NULL_DECIMAL_HIGH_WORD;
      levels[i] = isNull ? 0 : 1;
      if (isNull) continue;
      words[2 * count] = from[at]!;
      words[2 * count + 1] = high;
      isConstant &&= words[2 * count] === words[0] && high === words[1];
      count++;
    }
    const [min, max] = wordExtremes(words, count);
    const bytesAt = (i: number | undefined) =>
      i === undefined ? undefined : new Uint8Array(words.slice(2 * i, 2 * i + 2).buffer);
    const chunk = {
      ...chunkOf(vector.column, rows.length, rows.length - count),
      min: bytesAt(min),
      max: bytesAt(max),
    };
    const valueAt = (i: number | undefined) => (i === undefined ? undefined : new BigInt64Array(words.buffer)[i]);
    const extremes = { nullCount: rows.length - count, min: valueAt(min), max: valueAt(max) };
    if (isConstant && count > 0) {
      // What is not billed costs 0 in every row.
      const dictionary = this.#pages.dictionary([chunk.min!]);
      take({ ...chunk, dictionary, data: this.#pages.onePage(nullable, rows.length, count) });
    } else {
      take({ ...chunk, dictionary: undefined, data: this.#pages.wordPage(nullable, rows.length, count, 2 * count) });
    }
    return extremes;
  }
}

function chunkOf(
  { name, type }: NumberVector<never>['column'] | DecimalVector<never>['column'],
  rowCount: number,
  nullCount: number,
): Pick<ColumnChunk, 'path' | 'physicalType' | 'valueCount' | 'nullCount'> {
  return { path: [name], physicalType: physicalType(type), valueCount: rowCount, nullCount };
}

function integerBytes(value: number, isNarrow: boolean): Uint8Array {
  return new Uint8Array(new Int32Array(isNarrow ? [value] : [value, value / WORD]).buffer);
}

/** Where the smallest and the largest of 64-bit integers in two words are, low word first. */
function wordExtremes(words: Int32Array, count: number): [number | undefined, number | undefined] {
  if (count === 0) return [undefined, undefined];
  let min = 0;
  let max = 0;
  for (let i = 1; i < count; i++) {
    if (isDecimalBelow(words, i, min)) min = i;
    else if (isDecimalBelow(words, max, i)) max = i;
  }
  return [min, max];
}
