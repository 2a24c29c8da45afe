// Values of a result as exact numbers, for statements of our own: whatever has another type is a fault of the statement.
import { DuckDBDecimalValue, type DuckDBValue } from '@duckdb/node-api';

export function integer(value: DuckDBValue): bigint {
  if (typeof value === 'bigint' || typeof value === 'number') {
    return BigInt(value);
  }
  throw new TypeError(`an integer was expected, not ${value}`);
}

export function integerOrNull(value: DuckDBValue): bigint | null {
  return value === null ? null : integer(value);
}

/** Money of DECIMAL(…,12) as 1e-12 USD. */
export function pico(value: DuckDBValue): bigint | null {
  if (value === null) {
    return null;
  }
  if (value instanceof DuckDBDecimalValue && value.scale === 12) {
    return value.value;
  }
  throw new TypeError(`a decimal with 12 places was expected, not ${value}`);
}

/** Texts of a list; none of null. */
export function listItems(value: DuckDBValue): string[] {
  if (value === null || typeof value !== 'object' || !('items' in value)) {
    return [];
  }
  return (value.items as readonly DuckDBValue[]).map(String);
}
