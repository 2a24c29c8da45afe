// Rows as sinks see them: columns by name, text by its dictionary, counters as numbers. Knows the message that a watcher is
// sent, which is what the reader's thread makes; knows no sink.
import { decodeRowsMessage, type IntegerColumn, type RowColumn, type TextColumn } from '@flowtoll/proto';

/** Text: `dictionary[codes[row]]`; the first entry is null. Few distinct values, so what is made of one can be kept by code. */
export interface TextValues {
  readonly dictionary: readonly (string | null)[];
  readonly codes: Uint32Array;
}

/** One chunk of rows, of one version of the table. */
export interface RowColumns {
  readonly version: number;
  /** When that version was committed, ms since the Unix epoch. */
  readonly commitTimeMs: number | undefined;
  readonly rowCount: number;
  /** Columns of text; a map (`labels`) is the text of a JSON object. Throws for columns that were not asked for. */
  text(name: string): TextValues;
  /** Integers and instants (µs since the Unix epoch), exact to 2^53; NaN where null. */
  numbers(name: string): Float64Array;
  /** Costs in 1e-12 USD, exact; undefined where a row's is null. */
  picoUsd(name: string): readonly (bigint | undefined)[];
}

const utf8 = new TextDecoder();

/** Rows of an encoded WatchResponse that has some. */
export function rowColumns(bytes: Uint8Array): RowColumns {
  const { version, commitTimeMs, rowCount, columns } = decodeRowsMessage(bytes);
  const byName = new Map(columns.map((column) => [column.name, column]));
  const columnOf = (name: string): RowColumn => {
    const column = byName.get(name);
    if (column === undefined) throw new Error(`the sink did not ask for column ${name}`);
    return column;
  };
  return {
    version,
    commitTimeMs,
    rowCount,
    text: (name) => textValues(ofText(columnOf(name)), rowCount),
    numbers: (name) => numbers(ofIntegers(columnOf(name)), rowCount),
    picoUsd: (name) => bigints(ofIntegers(columnOf(name)), rowCount),
  };
}

function ofText(column: RowColumn): TextColumn {
  if (column.kind !== 'text') throw new Error(`column ${column.name} is no text`);
  return column;
}

function ofIntegers(column: RowColumn): IntegerColumn {
  if (column.kind === 'text') throw new Error(`column ${column.name} is text`);
  return column;
}

function textValues({ dictionary, codes }: TextColumn, rowCount: number): TextValues {
  return {
    dictionary: [null, ...dictionary.map((text) => utf8.decode(text))],
    codes: codes ?? new Uint32Array(rowCount).fill(dictionary.length === 0 ? 0 : 1),
  };
}

function numbers({ values, nulls }: IntegerColumn, rowCount: number): Float64Array {
  const out = new Float64Array(rowCount).fill(Number.NaN);
  if (values === undefined) return out;
  const view = new DataView(values.buffer, values.byteOffset, values.byteLength);
  for (let row = 0; row < rowCount; row++) {
    if (nulls?.[row] === 1) continue;
    out[row] = view.getInt32(8 * row + 4, true) * 2 ** 32 + view.getUint32(8 * row, true);
  }
  return out;
}

function bigints({ values, nulls }: IntegerColumn, rowCount: number): (bigint | undefined)[] {
  if (values === undefined) return Array.from({ length: rowCount }, () => undefined);
  const view = new DataView(values.buffer, values.byteOffset, values.byteLength);
  return Array.from({ length: rowCount }, (_, row) =>
    nulls?.[row] === 1 ? undefined : view.getBigInt64(8 * row, true),
  );
}
