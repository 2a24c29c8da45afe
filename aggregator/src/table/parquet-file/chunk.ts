// What one column of one row group is, for those who encode it and for those who write it to the file. Knows no vectors.

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
  readonly dictionary: DictionaryPage | undefined;
  readonly data: Uint8Array;
}

export interface DictionaryPage {
  readonly bytes: Uint8Array;
  readonly count: number;
}

/** The smallest and the largest value, exact, and the rows without one. */
export interface Extremes<T extends string | number | bigint = string | number | bigint> {
  readonly nullCount: number;
  /** Undefined where all are null, or the column has no order. */
  readonly min: T | undefined;
  readonly max: T | undefined;
}

/** Takes the leaves of one column, one after another. */
export type TakeChunk = (chunk: ColumnChunk) => void;
