// Encoder of the rows of a WatchResponse (flowtoll/v1/flow_service.proto): columns to bytes without an object per value, since
// fixed-width columns are little-endian arrays on the wire. Every protobuf implementation reads what it writes. Knows the
// message; knows nothing of tables.

/** Text: `codes` absent when all rows have the dictionary's one text, or all are null and it is empty. */
export interface TextColumn {
  readonly name: string;
  readonly kind: 'text';
  /** UTF-8, each text once. */
  readonly dictionary: readonly Uint8Array[];
  /** 0 is null, n is the n-th text, from 1. */
  readonly codes: Uint32Array | undefined;
}

/** Integers of 64 bits, little-endian: counts, µs since the Unix epoch, or 1e-12 USD. */
export interface IntegerColumn {
  readonly name: string;
  readonly kind: 'integers' | 'micros' | 'picoUsd';
  /** 8 bytes a row; undefined when all are null. */
  readonly values: Uint8Array | undefined;
  /** 1 where a row is null; undefined when none is. */
  readonly nulls: Uint8Array | undefined;
}

export type RowColumn = TextColumn | IntegerColumn;

/** The rows of one message, and where they are. */
export interface RowsMessage {
  readonly resumeToken: string;
  readonly version: number;
  /** ms since the Unix epoch; undefined where nobody knows. */
  readonly commitTimeMs: number | undefined;
  readonly rowCount: number;
  readonly columns: readonly RowColumn[];
}

// Field numbers of the .proto.
const RESPONSE = { resumeToken: 1, rows: 2 };
const ROWS = { version: 1, commitTime: 2, rowCount: 3, columns: 4 };
const COLUMN = { name: 1, text: 2, integers: 3, micros: 4, picoUsd: 5 };
const TEXT = { dictionary: 1, codes: 2 };
const INTEGERS = { values: 1, nulls: 2 };
const TIMESTAMP = { seconds: 1, nanos: 2 };

const WIRE_VARINT = 0;
const WIRE_BYTES = 2;

const utf8 = new TextEncoder();

/** A WatchResponse with rows. */
export function encodeRowsMessage(message: RowsMessage): Uint8Array<ArrayBuffer> {
  const token = utf8.encode(message.resumeToken);
  const names = message.columns.map(({ name }) => utf8.encode(name));
  const valueSizes = message.columns.map(valuesSize);
  const columnSizes = message.columns.map((_, i) => fieldSize(names[i]!.length) + fieldSize(valueSizes[i]!));
  const time = message.commitTimeMs === undefined ? undefined : timestamp(message.commitTimeMs);
  const rowsSize =
    1 +
    varintSize(message.version) +
    (time === undefined ? 0 : fieldSize(time.length)) +
    1 +
    varintSize(message.rowCount) +
    columnSizes.reduce((sum, size) => sum + fieldSize(size), 0);
  const out = new Writer(fieldSize(token.length) + fieldSize(rowsSize));
  out.bytes(RESPONSE.resumeToken, token);
  out.header(RESPONSE.rows, rowsSize);
  out.varint(ROWS.version, message.version);
  if (time !== undefined) out.bytes(ROWS.commitTime, time);
  out.varint(ROWS.rowCount, message.rowCount);
  message.columns.forEach((column, i) => {
    out.header(ROWS.columns, columnSizes[i]!);
    out.bytes(COLUMN.name, names[i]!);
    out.header(COLUMN[column.kind], valueSizes[i]!);
    if (column.kind === 'text') {
      for (const text of column.dictionary) out.bytes(TEXT.dictionary, text);
      if (column.codes !== undefined) out.bytes(TEXT.codes, bytesOf(column.codes));
    } else {
      if (column.values !== undefined) out.bytes(INTEGERS.values, column.values);
      if (column.nulls !== undefined) out.bytes(INTEGERS.nulls, column.nulls);
    }
  });
  return out.buffer;
}

function valuesSize(column: RowColumn): number {
  if (column.kind === 'text') {
    const codes = column.codes === undefined ? 0 : fieldSize(column.codes.byteLength);
    return column.dictionary.reduce((sum, text) => sum + fieldSize(text.length), codes);
  }
  return [column.values, column.nulls].reduce((sum, bytes) => sum + (bytes ? fieldSize(bytes.length) : 0), 0);
}

function bytesOf(array: Uint32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function timestamp(ms: number): Uint8Array {
  const seconds = Math.floor(ms / 1000);
  const nanos = (ms - seconds * 1000) * 1e6;
  const out = new Writer(1 + varintSize(seconds) + 1 + varintSize(nanos));
  out.varint(TIMESTAMP.seconds, seconds);
  out.varint(TIMESTAMP.nanos, nanos);
  return out.buffer;
}

/** Tag (our field numbers are below 16), length and that many bytes. */
function fieldSize(length: number): number {
  return 1 + varintSize(length) + length;
}

/** Of an integer from 0 to 2^53 - 1. */
function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++;
  return size;
}

/** Writes fields into a buffer of exactly their size. */
class Writer {
  readonly buffer: Uint8Array<ArrayBuffer>;
  #position = 0;

  constructor(size: number) {
    this.buffer = new Uint8Array(size);
  }

  varint(field: number, value: number): void {
    this.buffer[this.#position++] = (field << 3) | WIRE_VARINT;
    this.#varint(value);
  }

  header(field: number, length: number): void {
    this.buffer[this.#position++] = (field << 3) | WIRE_BYTES;
    this.#varint(length);
  }

  bytes(field: number, bytes: Uint8Array): void {
    this.header(field, bytes.length);
    this.buffer.set(bytes, this.#position);
    this.#position += bytes.length;
  }

  #varint(value: number): void {
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.buffer[this.#position++] = (rest % 0x80) | 0x80;
    this.buffer[this.#position++] = rest;
  }
}
