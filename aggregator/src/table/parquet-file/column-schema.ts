// The columns of a table in the words of Parquet's footer (https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift):
// the same physical and logical types that DuckDB writes when it merges files, so that a table looks alike throughout.
import { type ColumnOfAny, DECIMAL_PRECISION, DECIMAL_SCALE } from '../columns.ts';
import type { ThriftStruct } from './thrift.ts';

export const INT32 = 1;
export const INT64 = 2;
export const BYTE_ARRAY = 6;

const REQUIRED = 0;
const OPTIONAL = 1;
const REPEATED = 2;

const CONVERTED = { utf8: 0, map: 1, decimal: 5, timestampMicros: 10, int32: 17, int64: 18 };

/** Field ids of the union LogicalType. */
const LOGICAL_STRING = 1;
const LOGICAL_MAP = 2;
const LOGICAL_DECIMAL = 5;
const LOGICAL_TIMESTAMP = 8;
const UNIT_MICROS = 2;

/** The names from the root to each leaf of a column. */
export function leafPaths({ name, type }: Pick<ColumnOfAny, 'name' | 'type'>): string[][] {
  return type === 'map'
    ? [
        [name, 'key_value', 'key'],
        [name, 'key_value', 'value'],
      ]
    : [[name]];
}

/** Physical type of the values. */
export function physicalType(type: ColumnOfAny['type']): number {
  switch (type) {
    case 'text':
    case 'map':
      return BYTE_ARRAY;
    case 'integer':
      return INT32;
    default:
      return INT64;
  }
}

/** Writes one SchemaElement. */
export type SchemaElement = (element: ThriftStruct) => void;

/** The schema as Parquet lists it, depth first. */
export function schemaElements(columns: readonly ColumnOfAny[]): SchemaElement[] {
  const root: SchemaElement = (element) => {
    element.binary(4, 'schema');
    element.i32(5, columns.length);
  };
  return [root, ...columns.flatMap(columnElements)];
}

function columnElements(column: ColumnOfAny): SchemaElement[] {
  const { name, type, nullable } = column;
  if (type === 'map') {
    return [
      group(name, OPTIONAL, 1, CONVERTED.map),
      group('key_value', REPEATED, 2),
      text('key', REQUIRED),
      text('value', OPTIONAL),
    ];
  }
  const repetition = nullable ? OPTIONAL : REQUIRED;
  return [type === 'text' ? text(name, repetition) : number(name, type, repetition)];
}

function group(name: string, repetition: number, children: number, converted?: number): SchemaElement {
  return (element) => {
    element.i32(3, repetition);
    element.binary(4, name);
    element.i32(5, children);
    if (converted === undefined) return;
    element.i32(6, converted);
    element.struct(10, (logical) => logical.struct(LOGICAL_MAP, () => undefined));
  };
}

function text(name: string, repetition: number): SchemaElement {
  return (element) => {
    element.i32(1, BYTE_ARRAY);
    element.i32(3, repetition);
    element.binary(4, name);
    element.i32(6, CONVERTED.utf8);
    element.struct(10, (logical) => logical.struct(LOGICAL_STRING, () => undefined));
  };
}

function number(name: string, type: Exclude<ColumnOfAny['type'], 'text' | 'map'>, repetition: number): SchemaElement {
  return (element) => {
    element.i32(1, physicalType(type));
    element.i32(3, repetition);
    element.binary(4, name);
    switch (type) {
      case 'integer':
        element.i32(6, CONVERTED.int32);
        return;
      case 'long':
        element.i32(6, CONVERTED.int64);
        return;
      case 'decimal':
        element.i32(6, CONVERTED.decimal);
        element.i32(7, DECIMAL_SCALE);
        element.i32(8, DECIMAL_PRECISION);
        element.struct(10, (logical) =>
          logical.struct(LOGICAL_DECIMAL, (decimal) => {
            decimal.i32(1, DECIMAL_SCALE);
            decimal.i32(2, DECIMAL_PRECISION);
          }),
        );
        return;
      case 'timestamp':
        element.i32(6, CONVERTED.timestampMicros);
        element.struct(10, (logical) =>
          logical.struct(LOGICAL_TIMESTAMP, (timestamp) => {
            timestamp.bool(1, true);
            timestamp.struct(2, (unit) => unit.struct(UNIT_MICROS, () => undefined));
          }),
        );
    }
  };
}
