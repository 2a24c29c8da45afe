// Rows of the table `flows` as the pipeline had them, as far as columns tell: ids of zones and labels are not read back. Knows SQL text
// and columns, no session.
import type { DuckDBValue } from '@duckdb/node-api';
import { blankRow } from '../model/blank-row.ts';
import type { FlowRow } from '../model/flow-row.ts';
import { identifier } from '../query/source-table.ts';
import { FLOW_COLUMNS } from '../table/columns.ts';

const READ_COLUMNS = FLOW_COLUMNS.filter(({ type }) => type !== 'map');

/** What a statement has to select for `storedRow`, in order. */
export const STORED_ROW_SELECTION = READ_COLUMNS.map(({ name, type }) => {
  if (type === 'timestamp') return `epoch_us(${identifier(name)})`;
  // Integer count of 1e-12: there is no value of DuckDB that is a number and exact.
  return type === 'decimal' ? `CAST(${identifier(name)} * 1000000000000 AS HUGEINT)` : identifier(name);
}).join(', ');

/** The row that these values are of. */
export function storedRow(values: readonly DuckDBValue[]): FlowRow {
  const fields = READ_COLUMNS.map(({ name, type }, i) => {
    const value = values[i] ?? null;
    const isNumber = type === 'timestamp' || type === 'long' || type === 'integer';
    return [fieldOf(name, type === 'timestamp'), value !== null && isNumber ? Number(value) : value];
  });
  // Columns are named after fields, and have their types.
  return { ...blankRow(''), ...(Object.fromEntries(fields) as Partial<FlowRow>) };
}

/** "peer_ip" → "peerIp"; instants say their unit. */
function fieldOf(column: string, isInstant: boolean): string {
  const name = column.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return isInstant ? `${name}Us` : name;
}
