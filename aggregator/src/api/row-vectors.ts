// DuckDB's vectors as the columns of a message: memory is copied, and text gets its dictionary without a string per row. Equal
// texts mostly have equal 16 bytes in a vector (short ones lie in them, long ones of one Parquet dictionary share a pointer),
// so rows are compared by those; where two pointers lead to one text, the dictionary has it twice, and no harm is done. Knows
// DuckDB's memory (its C API, duckdb_string_t), no SQL.
import type { DuckDBDataChunk } from '@duckdb/node-api';
import bindings from '@duckdb/node-bindings';
import type { IntegerColumn, RowColumn, TextColumn } from '@flowtoll/proto';
import type { QueryColumn } from './row-query.ts';

/** DuckDB's rows a chunk; the table of codes has twice as many slots. */
const CHUNK_ROWS = 2048;
const SLOTS = 2 * CHUNK_ROWS;
/** Texts up to this length lie in the vector itself. */
const INLINE_BYTES = 12;
const STRING_BYTES = 16;

type Vector = ReturnType<typeof bindings.data_chunk_get_vector>;

/** The column at `index` of the chunk. What it returns is a copy. */
export function columnOfChunk(chunk: DuckDBDataChunk, index: number, column: QueryColumn): RowColumn {
  const vector = bindings.data_chunk_get_vector(chunk.chunk, index);
  const { rowCount } = chunk;
  const nulls = nullsOf(vector, rowCount);
  return column.kind === 'text'
    ? textColumn(column.name, vector, rowCount, nulls)
    : integerColumn(column.name, column.kind, vector, rowCount, nulls);
}

/** 1 where a row is null; undefined where none is. */
function nullsOf(vector: Vector, rowCount: number): Uint8Array | undefined {
  // One bit a row, least significant first, 1 = not null. Null where DuckDB keeps no such bits.
  const validity: Uint8Array | null = bindings.vector_get_validity(vector, Math.ceil(rowCount / 64) * 8);
  if (validity === null || validity === undefined) return undefined;
  const nulls = new Uint8Array(rowCount);
  let count = 0;
  for (let row = 0; row < rowCount; row++) {
    if ((validity[row >> 3]! & (1 << (row & 7))) === 0) {
      nulls[row] = 1;
      count++;
    }
  }
  return count === 0 ? undefined : nulls;
}

function integerColumn(
  name: string,
  kind: IntegerColumn['kind'],
  vector: Vector,
  rowCount: number,
  nulls: Uint8Array | undefined,
): IntegerColumn {
  if (nulls?.every((isNull) => isNull === 1)) return { name, kind, values: undefined, nulls: undefined };
  const values = Uint8Array.from(bindings.vector_get_data(vector, 8 * rowCount));
  // What lies where a row is null is nobody's business.
  nulls?.forEach((isNull, row) => {
    if (isNull === 1) values.fill(0, 8 * row, 8 * row + 8);
  });
  return { name, kind, values, nulls };
}

/** The slots of one column: 1 + the row that has the text, and its code. */
const slots = new Uint32Array(2 * SLOTS);

function textColumn(name: string, vector: Vector, rowCount: number, nulls: Uint8Array | undefined): TextColumn {
  const data = bindings.vector_get_data(vector, STRING_BYTES * rowCount);
  const words = new Int32Array(data.buffer, data.byteOffset, (STRING_BYTES / 4) * rowCount);
  const codes = new Uint32Array(rowCount);
  const dictionary: Uint8Array[] = [];
  slots.fill(0);
  let lastRow = -1;
  let isConstant = true;
  for (let row = 0; row < rowCount; row++) {
    if (nulls?.[row] !== 1) {
      if (lastRow >= 0 && sameText(words, row, lastRow)) {
        codes[row] = codes[lastRow]!;
      } else {
        codes[row] = codeOf(data, words, row, dictionary);
      }
      lastRow = row;
    }
    if (codes[row] !== codes[0]) isConstant = false;
  }
  return { name, kind: 'text', dictionary, codes: isConstant ? undefined : codes };
}

/** Finds the row's text among those seen, or adds it. */
function codeOf(data: Uint8Array, words: Int32Array, row: number, dictionary: Uint8Array[]): number {
  let slot = hashOf(words, row) & (SLOTS - 1);
  for (;;) {
    const seen = slots[2 * slot]!;
    if (seen === 0) {
      slots[2 * slot] = row + 1;
      slots[2 * slot + 1] = dictionary.push(textOf(data, words, row));
      return dictionary.length;
    }
    if (sameText(words, row, seen - 1)) return slots[2 * slot + 1]!;
    slot = (slot + 1) & (SLOTS - 1);
  }
}

function sameText(words: Int32Array, a: number, b: number): boolean {
  const i = 4 * a;
  const j = 4 * b;
  return (
    words[i] === words[j] &&
    words[i + 1] === words[j + 1] &&
    words[i + 2] === words[j + 2] &&
    words[i + 3] === words[j + 3]
  );
}

function hashOf(words: Int32Array, row: number): number {
  const i = 4 * row;
  const mixed =
    Math.imul(words[i]!, 0x9e3779b1) ^
    Math.imul(words[i + 1]!, 0x85ebca6b) ^
    Math.imul(words[i + 2]!, 0xc2b2ae35) ^
    Math.imul(words[i + 3]!, 0x27d4eb2f);
  return mixed ^ (mixed >>> 15);
}

/** UTF-8, copied. */
function textOf(data: Uint8Array, words: Int32Array, row: number): Uint8Array {
  const length = words[4 * row]!;
  const start = STRING_BYTES * row;
  if (length <= INLINE_BYTES) return data.slice(start + 4, start + 4 + length);
  const pointer = data.byteOffset + start + 8;
  return Uint8Array.from(bindings.get_data_from_pointer(data.buffer as ArrayBuffer, pointer, length));
}
