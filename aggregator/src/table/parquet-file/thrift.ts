// Thrift's compact protocol, as far as Parquet's headers and footer need it: structs of integers, booleans, bytes, lists and
// structs (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md).
import type { ByteSink } from './byte-sink.ts';

const TRUE = 1;
const FALSE = 2;
const I32 = 5;
const I64 = 6;
const BINARY = 8;
const LIST = 9;
const STRUCT = 12;

const UTF8 = new TextEncoder();

/** Writes the fields of one struct; their ids must rise. */
export class ThriftStruct {
  readonly #sink: ByteSink;
  #lastId = 0;

  private constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  /** Writes a struct with the fields that `fields` writes. */
  static write(sink: ByteSink, fields: (struct: ThriftStruct) => void): void {
    fields(new ThriftStruct(sink));
    sink.byte(0);
  }

  bool(id: number, value: boolean): void {
    this.#header(id, value ? TRUE : FALSE);
  }

  i32(id: number, value: number): void {
    this.#header(id, I32);
    integer(this.#sink, value);
  }

  /** An integer between -2^52 and 2^52. */
  i64(id: number, value: number): void {
    this.#header(id, I64);
    integer(this.#sink, value);
  }

  binary(id: number, value: Uint8Array | string): void {
    this.#header(id, BINARY);
    binary(this.#sink, value);
  }

  struct(id: number, fields: (struct: ThriftStruct) => void): void {
    this.#header(id, STRUCT);
    ThriftStruct.write(this.#sink, fields);
  }

  structs<T>(id: number, values: readonly T[], fields: (struct: ThriftStruct, value: T) => void): void {
    this.#list(id, STRUCT, values.length);
    for (const value of values) ThriftStruct.write(this.#sink, (struct) => fields(struct, value));
  }

  i32s(id: number, values: readonly number[]): void {
    this.#list(id, I32, values.length);
    for (const value of values) integer(this.#sink, value);
  }

  binaries(id: number, values: readonly string[]): void {
    this.#list(id, BINARY, values.length);
    for (const value of values) binary(this.#sink, value);
  }

  #list(id: number, type: number, count: number): void {
    this.#header(id, LIST);
    if (count < 15) {
      this.#sink.byte((count << 4) | type);
    } else {
      this.#sink.byte(0xf0 | type);
      this.#sink.varint(count);
    }
  }

  #header(id: number, type: number): void {
    this.#sink.byte(((id - this.#lastId) << 4) | type);
    this.#lastId = id;
  }
}

/** Zigzag, so that small negative numbers are short, too. */
function integer(sink: ByteSink, value: number): void {
  sink.varint(value < 0 ? -2 * value - 1 : 2 * value);
}

function binary(sink: ByteSink, value: Uint8Array | string): void {
  const bytes = typeof value === 'string' ? UTF8.encode(value) : value;
  sink.varint(bytes.length);
  sink.bytes(bytes);
}
