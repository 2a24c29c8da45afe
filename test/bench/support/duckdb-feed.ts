// Rows of a partition into DuckDB's vectors, as a table function: whole columns are copied as memory, 2,048 rows a call,
// without a JavaScript value per cell (docs of @duckdb/node-bindings: copy_data_to_vector). Knows no SQL and no file.
import {
  BIGINT,
  DECIMAL,
  type DuckDBDataChunk,
  DuckDBTableFunction,
  type DuckDBType,
  DuckDBVector,
  ENUM,
  INTEGER,
  TIMESTAMPTZ,
} from '@duckdb/node-api';
import bindings from '@duckdb/node-bindings';
import {
  type ColumnVector,
  DecimalVector,
  NULL_CODE,
  NULL_DECIMAL_HIGH_WORD,
  type NumberVector,
  TextVector,
} from '@flowtoll/aggregator/table/column-vectors.ts';
import { DECIMAL_PRECISION, DECIMAL_SCALE } from '@flowtoll/aggregator/table/columns.ts';
import type { RowPartition } from '@flowtoll/aggregator/table/row-buffer.ts';

const CHUNK_ROWS = DuckDBVector.standardSize();

/** What a scan of the table function yields. */
export interface FeedSource {
  readonly partition: RowPartition;
  /** Row indices in the order in which they are to come. */
  readonly order: Uint32Array;
}

/**
 * A table function `name()` that yields the rows of what `source()` returns when a statement is bound. Text comes as ENUM,
 * maps as the INTEGER code of their text in the vector's dictionary.
 */
export function createFeedFunction(name: string, source: () => FeedSource): DuckDBTableFunction {
  return DuckDBTableFunction.create({
    name,
    bindFunction: (info) => {
      const { partition } = source();
      for (const vector of partition.vectors) {
        info.addResultColumn(vector.column.name, feedType(vector));
      }
      info.setCardinality(partition.rowCount, true);
    },
    initFunction: (info) => {
      info.setMaxThreads(1);
      info.setInitData(new Scan(source()));
    },
    mainFunction: (info, chunk) => {
      if (info.initData instanceof Scan) {
        info.initData.fill(chunk);
      }
    },
  });
}

function feedType(vector: ColumnVector): DuckDBType {
  switch (vector.column.type) {
    case 'text':
      return ENUM(enumMembers(vector as TextVector));
    case 'map':
    case 'integer':
      return INTEGER;
    case 'timestamp':
      return TIMESTAMPTZ;
    case 'long':
      return BIGINT;
    case 'decimal':
      return DECIMAL(DECIMAL_PRECISION, DECIMAL_SCALE);
  }
}

/** DuckDB has no empty ENUM; a column that is null throughout has a member that no row uses. */
function enumMembers(vector: TextVector): string[] {
  return vector.values.length > 1 ? vector.values.slice(1) : [''];
}

function hasNulls(vector: TextVector, rowCount: number): boolean {
  for (let row = 0; row < rowCount; row++) if (vector.codeOfRow(row) === NULL_CODE) return true;
  return false;
}

/** One scan: a position in the order, and one chunk of each kind of memory. */
class Scan {
  readonly #partition: RowPartition;
  readonly #order: Uint32Array;
  /** Columns with one text in every row. */
  readonly #constant: ReadonlySet<ColumnVector>;
  #position = 0;
  readonly #uint8 = new Uint8Array(CHUNK_ROWS);
  readonly #uint16 = new Uint16Array(CHUNK_ROWS);
  readonly #uint32 = new Uint32Array(CHUNK_ROWS);
  readonly #words = new Int32Array(CHUNK_ROWS * 2);
  /** One bit per row, least significant first, 1 = not null: DuckDB's layout. */
  readonly #validity = new Uint8Array(CHUNK_ROWS / 8);

  constructor(source: FeedSource) {
    this.#partition = source.partition;
    this.#order = source.order;
    const { vectors, rowCount } = source.partition;
    this.#constant = new Set(
      vectors.filter(
        (vector) =>
          vector instanceof TextVector &&
          vector.values.length === 2 &&
          vector.column.type === 'text' &&
          !hasNulls(vector, rowCount),
      ),
    );
  }

  fill(chunk: DuckDBDataChunk): void {
    const rows = this.#order.subarray(this.#position, this.#position + CHUNK_ROWS);
    this.#position += rows.length;
    chunk.rowCount = rows.length;
    if (rows.length === 0) {
      return;
    }
    this.#partition.vectors.forEach((vector, i) => {
      const target = bindings.data_chunk_get_vector(chunk.chunk, i);
      this.#validity.fill(0xff);
      const { data, hasNulls } = this.#gather(vector, rows);
      const rowBytes = data.byteLength / CHUNK_ROWS;
      bindings.copy_data_to_vector(target, 0, data.buffer as ArrayBuffer, 0, rows.length * rowBytes);
      if (hasNulls) {
        bindings.vector_ensure_validity_writable(target);
        bindings.copy_data_to_vector_validity(target, 0, this.#validity.buffer, 0, Math.ceil(rows.length / 64) * 8);
      }
    });
  }

  #gather(vector: ColumnVector, rows: Uint32Array): { data: ArrayBufferView; hasNulls: boolean } {
    if (vector instanceof TextVector) {
      return this.#gatherText(vector, rows);
    }
    if (vector instanceof DecimalVector) {
      return { data: this.#words, hasNulls: this.#gatherWords(vector.words(), rows) };
    }
    if (vector.column.type === 'integer') {
      return { data: this.#uint32, hasNulls: this.#gatherIntegers(vector.values, rows) };
    }
    return { data: this.#words, hasNulls: this.#gatherLongs(vector, rows) };
  }

  #gatherText(vector: TextVector, rows: Uint32Array): { data: ArrayBufferView; hasNulls: boolean } {
    const codes = this.#uint32;
    const memberCount = vector.values.length - 1;
    if (memberCount === 0) {
      this.#validity.fill(0);
      return { data: vector.column.type === 'map' ? codes.fill(0) : this.#uint8.fill(0), hasNulls: true };
    }
    if (this.#constant.has(vector)) {
      // One value throughout, as most columns of a commit have: no row needs to be looked at.
      return { data: this.#uint8.fill(0), hasNulls: false };
    }
    let hasNulls = false;
    for (let i = 0; i < rows.length; i++) {
      const code = vector.codeOfRow(rows[i]!);
      codes[i] = code;
      if (code === NULL_CODE) {
        this.#setNull(i);
        hasNulls = true;
      }
    }
    if (vector.column.type === 'map') {
      return { data: codes, hasNulls };
    }
    // An ENUM counts its members from 0, and DuckDB stores it in the narrowest unsigned integer that holds their number.
    const data = memberCount <= 0xff ? this.#uint8 : memberCount <= 0xffff ? this.#uint16 : codes;
    toMembers(codes, data, rows.length);
    return { data, hasNulls };
  }

  #gatherIntegers(values: Float64Array, rows: Uint32Array): boolean {
    let hasNulls = false;
    for (let i = 0; i < rows.length; i++) {
      const value = values[rows[i]!]!;
      if (Number.isNaN(value)) {
        this.#setNull(i);
        hasNulls = true;
      }
      this.#uint32[i] = value;
    }
    return hasNulls;
  }

  /** A double that is an integer from 0 to 2^53 as two words, low word first. */
  #gatherLongs(vector: NumberVector, rows: Uint32Array): boolean {
    const values = vector.values;
    const to = this.#words;
    let hasNulls = false;
    for (let i = 0; i < rows.length; i++) {
      const value = values[rows[i]!]!;
      if (Number.isNaN(value)) {
        this.#setNull(i);
        hasNulls = true;
      }
      to[2 * i] = value;
      to[2 * i + 1] = value / 0x1_0000_0000;
    }
    return hasNulls;
  }

  #gatherWords(words: Int32Array, rows: Uint32Array): boolean {
    const to = this.#words;
    let hasNulls = false;
    for (let i = 0; i < rows.length; i++) {
      const from = rows[i]! * 2;
      const high = words[from + 1]!;
      if (high === NULL_DECIMAL_HIGH_WORD) {
        this.#setNull(i);
        hasNulls = true;
      }
      to[2 * i] = words[from]!;
      to[2 * i + 1] = high;
    }
    return hasNulls;
  }

  #setNull(i: number): void {
    this.#validity[i >> 3]! &= ~(1 << (i & 7));
  }
}

/** Codes to positions among the members; what stands for null does not matter, but must be a member. */
function toMembers(codes: Uint32Array, to: Uint8Array | Uint16Array | Uint32Array, count: number): void {
  for (let i = 0; i < count; i++) {
    const code = codes[i]!;
    to[i] = code === NULL_CODE ? 0 : code - 1;
  }
}
