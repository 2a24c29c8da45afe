// One column of one row group as Parquet stores it: levels and values of a data page, and the dictionary before it where there
// is one. Texts have their codes already, so a dictionary costs a look per row, and no text is read twice. Knows the vectors of
// the row buffer; compression, offsets and the footer are file-writer.ts's.
import { compareUtf8 } from '../../model/utf8-order.ts';
import {
  type ColumnVectorOfAny,
  DecimalVector,
  isDecimalBelow,
  NULL_CODE,
  NULL_DECIMAL_HIGH_WORD,
  NumberVector,
  type TextVector,
} from '../column-vectors.ts';
import { ByteSink } from './byte-sink.ts';
import { leafPaths, physicalType } from './column-schema.ts';
import { bitWidth, writeHybrid } from './hybrid.ts';

/** Pages of one leaf, uncompressed. Their bytes are valid until the next leaf is encoded. */
export interface ColumnChunk {
  /** Names from the root of the schema. */
  readonly path: readonly string[];
  readonly physicalType: number;
  /** Values of the data page, nulls among them. */
  readonly valueCount: number;
  readonly nullCount: number;
  /** Extremes in the column's own encoding; undefined where there are none, or none that is useful. */
  readonly min: Uint8Array | undefined;
  readonly max: Uint8Array | undefined;
  readonly dictionary: { readonly bytes: Uint8Array; readonly count: number } | undefined;
  readonly data: Uint8Array;
}

/** Longer extremes are left out: they would be most of the footer. */
const EXTREME_BYTES_MAX = 256;
/** So many different numbers get a dictionary: ports, and windows of a commit. What has more is better off as it is. */
const DICTIONARY_NUMBERS_MAX = 1024;

/** Encodes column after column; its memory is used again. */
export class ChunkEncoder {
  readonly #sink = new ByteSink();
  readonly #dictionarySink = new ByteSink();
  readonly #indices: Uint32Array;
  /** Codes of the texts of the dictionary, in its order. */
  readonly #used: Uint32Array;
  readonly #levels: Uint8Array;
  /** 64-bit integers, low word first. */
  readonly #words: Int32Array<ArrayBuffer>;
  /** 1 + position in the dictionary of each code of a text; 0 where it has none. */
  #positions = new Uint32Array(0);

  /** @param rowsMax most rows of a group */
  constructor(rowsMax: number) {
    this.#indices = new Uint32Array(rowsMax);
    this.#used = new Uint32Array(rowsMax);
    this.#levels = new Uint8Array(rowsMax);
    this.#words = new Int32Array(2 * rowsMax);
  }

  /** Encodes the leaves of one column, one after another; `rows` are the rows of the group in the order of the file. */
  *encode(vector: ColumnVectorOfAny, rows: Uint32Array): Generator<ColumnChunk> {
    if (vector instanceof NumberVector) yield this.#numbers(vector, rows);
    else if (vector instanceof DecimalVector) yield this.#decimals(vector, rows);
    else if (vector.column.type === 'map') yield* this.#maps(vector, rows);
    else yield this.#texts(vector, rows);
  }

  #texts(vector: TextVector, rows: Uint32Array): ColumnChunk {
    const { codes, values, column } = vector;
    if (this.#positions.length < values.length) this.#positions = new Uint32Array(2 * values.length);
    const positions = this.#positions;
    const used = this.#used;
    let usedCount = 0;
    let count = 0;
    for (let i = 0; i < rows.length; i++) {
      const code = codes[rows[i]!]!;
      this.#levels[i] = code === NULL_CODE ? 0 : 1;
      if (code === NULL_CODE) continue;
      let position = positions[code]!;
      if (position === 0) {
        used[usedCount++] = code;
        position = usedCount;
        positions[code] = position;
      }
      this.#indices[count++] = position - 1;
    }
    const [min, max] = textExtremes(values, used, usedCount);
    const dictionary = this.#dictionaryOf(usedCount, (i) => values[used[i]!]!);
    for (let i = 0; i < usedCount; i++) positions[used[i]!] = 0;
    return {
      ...this.#chunk(column, rows.length, count),
      ...{ min: extreme(min), max: extreme(max) },
      dictionary,
      data: this.#indexPage(column.nullable, rows.length, count, usedCount),
    };
  }

  /** A map is a repeated pair of texts: level 0 begins a row, 1 goes on with it. */
  *#maps(vector: TextVector, rows: Uint32Array): Generator<ColumnChunk> {
    if (vector.values.length === 1) {
      // Nobody asked for labels: no row has a map.
      const levels = new Uint8Array(rows.length);
      for (const path of leafPaths(vector.column)) yield this.#mapLeaf(path, levels, levels, []);
      return;
    }
    const entries = vector.values.map((text, code) =>
      code === NULL_CODE ? undefined : (Object.entries(JSON.parse(text)) as [string, string][]),
    );
    const repetitions: number[] = [];
    const definitions: number[] = [];
    const pairs: (readonly [string, string])[] = [];
    for (const row of rows) {
      const map = entries[vector.codes[row]!];
      // 0: no map; 1: an empty one; 2: a key, and for values 3: a value.
      if (map === undefined || map.length === 0) {
        repetitions.push(0);
        definitions.push(map === undefined ? 0 : 1);
        continue;
      }
      map.forEach((pair, i) => {
        repetitions.push(i === 0 ? 0 : 1);
        definitions.push(2);
        pairs.push(pair);
      });
    }
    for (const [leaf, path] of leafPaths(vector.column).entries()) {
      yield this.#mapLeaf(
        path,
        Uint8Array.from(repetitions),
        Uint8Array.from(definitions, (level) => (level === 2 ? 2 + leaf : level)),
        pairs.map((pair) => pair[leaf]!),
      );
    }
  }

  #mapLeaf(path: string[], repetitions: Uint8Array, definitions: Uint8Array, texts: readonly string[]): ColumnChunk {
    const dictionary = new Map<string, number>();
    const indices = Uint32Array.from(texts, (text) => {
      const position = dictionary.get(text) ?? dictionary.size;
      dictionary.set(text, position);
      return position;
    });
    const data = this.#page((sink) => {
      this.#writeLevels(repetitions, repetitions.length, 1);
      this.#writeLevels(definitions, definitions.length, 2);
      writeIndices(sink, indices, indices.length, dictionary.size);
    });
    const words = [...dictionary.keys()];
    return {
      ...{ path, physicalType: physicalType('map'), valueCount: definitions.length },
      ...{ nullCount: definitions.length - texts.length, min: undefined, max: undefined },
      ...{ dictionary: this.#dictionaryOf(words.length, (i) => words[i]!), data },
    };
  }

  #numbers(vector: NumberVector, rows: Uint32Array): ColumnChunk {
    const { values, column } = vector;
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
      this.#levels[i] = isNull ? 0 : 1;
      if (isNull) continue;
      if (value < min) min = value;
      if (value > max) max = value;
      if (value !== last && used.size <= DICTIONARY_NUMBERS_MAX) {
        last = value;
        lastIndex = used.get(value) ?? used.size;
        used.set(value, lastIndex);
      }
      this.#indices[count++] = lastIndex;
    }
    const chunk = {
      ...this.#chunk(column, rows.length, count),
      min: count === 0 ? undefined : integerBytes(min, isNarrow),
      max: count === 0 ? undefined : integerBytes(max, isNarrow),
    };
    if (used.size <= DICTIONARY_NUMBERS_MAX) {
      const dictionary = this.#page((sink) => {
        for (const value of used.keys()) sink.bytes(integerBytes(value, isNarrow));
      }, this.#dictionarySink);
      return {
        ...chunk,
        dictionary: { bytes: dictionary, count: used.size },
        data: this.#indexPage(column.nullable, rows.length, count, used.size),
      };
    }
    const data = this.#page((sink) => {
      if (column.nullable) this.#writeLevels(this.#levels, rows.length, 1);
      const words = this.#words;
      let position = 0;
      for (let i = 0; i < rows.length; i++) {
        const value = values[rows[i]!]!;
        if (Number.isNaN(value)) continue;
        words[position++] = value;
        if (!isNarrow) words[position++] = value / 0x1_0000_0000;
      }
      sink.bytes(new Uint8Array(words.buffer, 0, 4 * position));
    });
    return { ...chunk, dictionary: undefined, data };
  }

  #decimals(vector: DecimalVector, rows: Uint32Array): ColumnChunk {
    const words = vector.words();
    const out = this.#words;
    let count = 0;
    let isConstant = true;
    for (let i = 0; i < rows.length; i++) {
      const from = 2 * rows[i]!;
      const high = words[from + 1]!;
      const isNull = high === NULL_DECIMAL_HIGH_WORD;
      this.#levels[i] = isNull ? 0 : 1;
      if (isNull) continue;
      out[2 * count] = words[from]!;
      out[2 * count + 1] = high;
      isConstant &&= out[2 * count] === out[0] && high === out[1];
      count++;
    }
    const [min, max] = wordExtremes(out, count);
    const chunk = { ...this.#chunk(vector.column, rows.length, count), min, max };
    if (isConstant && count > 0) {
      // What is not billed costs 0 in every row.
      this.#indices.fill(0, 0, count);
      const data = this.#indexPage(vector.column.nullable, rows.length, count, 1);
      return { ...chunk, dictionary: { bytes: new Uint8Array(out.buffer.slice(0, 8)), count: 1 }, data };
    }
    const data = this.#page((sink) => {
      if (vector.column.nullable) this.#writeLevels(this.#levels, rows.length, 1);
      sink.bytes(new Uint8Array(out.buffer, 0, 8 * count));
    });
    return { ...chunk, dictionary: undefined, data };
  }

  #chunk({ name, type }: ColumnVectorOfAny['column'], rowCount: number, count: number) {
    return {
      ...{ path: [name], physicalType: physicalType(type) },
      ...{ valueCount: rowCount, nullCount: rowCount - count },
    };
  }

  /** Bytes that `write` writes. */
  #page(write: (sink: ByteSink) => void, sink = this.#sink): Uint8Array {
    sink.clear();
    write(sink);
    return sink.view();
  }

  #indexPage(nullable: boolean, rowCount: number, count: number, dictionarySize: number): Uint8Array {
    return this.#page((sink) => {
      if (nullable) this.#writeLevels(this.#levels, rowCount, 1);
      writeIndices(sink, this.#indices, count, dictionarySize);
    });
  }

  /** Levels of `width` bits, with their length in bytes before them. */
  #writeLevels(levels: Uint8Array, count: number, width: number): void {
    const sink = this.#sink;
    const start = sink.length;
    sink.uint32(0);
    writeHybrid(sink, levels, count, width);
    const end = sink.length;
    sink.length = start;
    sink.uint32(end - start - 4);
    sink.length = end;
  }

  /** Texts, each with its length before it. */
  #dictionaryOf(count: number, textAt: (i: number) => string): { bytes: Uint8Array; count: number } {
    const bytes = this.#page((sink) => {
      for (let i = 0; i < count; i++) sink.text(textAt(i));
    }, this.#dictionarySink);
    return { bytes, count };
  }
}

const UTF8 = new TextEncoder();

function writeIndices(sink: ByteSink, indices: Uint32Array, count: number, dictionarySize: number): void {
  const width = bitWidth(Math.max(dictionarySize - 1, 0));
  sink.byte(width);
  writeHybrid(sink, indices, count, width);
}

function textExtremes(
  values: readonly string[],
  used: Uint32Array,
  count: number,
): [string | undefined, string | undefined] {
  let min = count === 0 ? undefined : values[used[0]!]!;
  let max = min;
  for (let i = 1; i < count; i++) {
    const text = values[used[i]!]!;
    if (compareUtf8(text, min!) < 0) min = text;
    else if (compareUtf8(text, max!) > 0) max = text;
  }
  return [min, max];
}

function extreme(text: string | undefined): Uint8Array | undefined {
  const bytes = text === undefined ? undefined : UTF8.encode(text);
  return bytes !== undefined && bytes.length <= EXTREME_BYTES_MAX ? bytes : undefined;
}

function integerBytes(value: number, isNarrow: boolean): Uint8Array {
  return new Uint8Array(new Int32Array(isNarrow ? [value] : [value, value / 0x1_0000_0000]).buffer);
}

/** The smallest and the largest of 64-bit integers in two words, low word first. */
function wordExtremes(words: Int32Array, count: number): [Uint8Array | undefined, Uint8Array | undefined] {
  if (count === 0) return [undefined, undefined];
  let min = 0;
  let max = 0;
  for (let i = 1; i < count; i++) {
    if (isDecimalBelow(words, i, min)) min = i;
    else if (isDecimalBelow(words, max, i)) max = i;
  }
  const bytes = (i: number) => new Uint8Array(words.slice(2 * i, 2 * i + 2).buffer);
  return [bytes(min), bytes(max)];
}
