// Values of a result as plain data and as text: exact, the same in every format. Knows DuckDB's value classes, no SQL.
import {
  DuckDBArrayValue,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  type DuckDBType,
  DuckDBTypeId,
  DuckDBUnionValue,
  type DuckDBValue,
} from '@duckdb/node-api';

/** A value without classes. Integers of any size are number or bigint; decimals, instants and the like are text. */
export type Cell = null | boolean | number | bigint | string | readonly Cell[] | { readonly [key: string]: Cell };

const NUMBER_TYPES: ReadonlySet<DuckDBTypeId> = new Set([
  DuckDBTypeId.TINYINT,
  DuckDBTypeId.SMALLINT,
  DuckDBTypeId.INTEGER,
  DuckDBTypeId.BIGINT,
  DuckDBTypeId.UTINYINT,
  DuckDBTypeId.USMALLINT,
  DuckDBTypeId.UINTEGER,
  DuckDBTypeId.UBIGINT,
  DuckDBTypeId.HUGEINT,
  DuckDBTypeId.UHUGEINT,
  DuckDBTypeId.FLOAT,
  DuckDBTypeId.DOUBLE,
  DuckDBTypeId.DECIMAL,
]);

/** Whether values of the type read best aligned to the right. */
export function isNumberType(type: DuckDBType): boolean {
  return NUMBER_TYPES.has(type.typeId);
}

export function toCell(value: DuckDBValue): Cell {
  if (value === null || typeof value !== 'object') {
    return value;
  }
  if (value instanceof DuckDBTimestampTZValue) {
    return instantText(value.micros, 'Z') ?? value.toString();
  }
  if (value instanceof DuckDBTimestampValue) {
    return instantText(value.micros, '') ?? value.toString();
  }
  if (value instanceof DuckDBListValue || value instanceof DuckDBArrayValue) {
    return value.items.map(toCell);
  }
  if (value instanceof DuckDBStructValue) {
    return Object.fromEntries(Object.entries(value.entries).map(([name, item]) => [name, toCell(item)]));
  }
  if (value instanceof DuckDBMapValue) {
    return Object.fromEntries(value.entries.map(({ key, value: item }) => [cellText(toCell(key)), toCell(item)]));
  }
  if (value instanceof DuckDBUnionValue) {
    return toCell(value.value);
  }
  return value.toString();
}

/** Text of a value in a table or CSV; null is empty. */
export function cellText(cell: Cell): string {
  if (cell === null) {
    return '';
  }
  return typeof cell === 'object' ? cellJson(cell) : String(cell);
}

/** JSON text of a value. 64-bit and larger integers are bare digits, exact for readers that keep them. */
export function cellJson(cell: Cell): string {
  if (typeof cell === 'bigint') {
    return cell.toString();
  }
  if (typeof cell === 'number' && !Number.isFinite(cell)) {
    return JSON.stringify(String(cell));
  }
  if (isList(cell)) {
    return `[${cell.map(cellJson).join(',')}]`;
  }
  if (typeof cell === 'object' && cell !== null) {
    return `{${Object.entries(cell)
      .map(([key, value]) => `${JSON.stringify(key)}:${cellJson(value)}`)
      .join(',')}}`;
  }
  return JSON.stringify(cell);
}

/** JSON text over many lines, two spaces a level. */
export function prettyJson(cell: Cell, indent = ''): string {
  const isObject = typeof cell === 'object' && cell !== null;
  if (!isObject || Object.keys(cell).length === 0) {
    return cellJson(cell);
  }
  const inner = `${indent}  `;
  const items = isList(cell)
    ? cell.map((item) => inner + prettyJson(item, inner))
    : Object.entries(cell).map(([key, item]) => `${inner}${JSON.stringify(key)}: ${prettyJson(item, inner)}`);
  const [open, close] = isList(cell) ? '[]' : '{}';
  return `${open}\n${items.join(',\n')}\n${indent}${close}`;
}

function isList(cell: Cell): cell is readonly Cell[] {
  return Array.isArray(cell);
}

/** ISO 8601 with microseconds; undefined for what a JavaScript date does not reach. */
function instantText(micros: bigint, suffix: string): string | undefined {
  const milliseconds = Number(micros / 1000n);
  const date = new Date(micros % 1000n < 0n ? milliseconds - 1 : milliseconds);
  if (Number.isNaN(date.getTime())) {
    return undefined;
  }
  const below = ((micros % 1000n) + 1000n) % 1000n;
  return `${date.toISOString().slice(0, -1)}${below.toString().padStart(3, '0')}${suffix}`;
}
