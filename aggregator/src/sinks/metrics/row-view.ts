// Rows of a sink as the series want them: one object, filled again for each row with the columns that are needed.
import { blankRow } from '../../model/blank-row.ts';
import type { FlowRow } from '../../model/flow-row.ts';
import type { SeriesSetConfig } from '../../series/set.ts';
import { FLOW_COLUMNS } from '../../table/columns.ts';
import type { RowColumns } from '../row-columns.ts';

/** Columns that sums are made of, whatever their labels. */
const SUMMED = [
  ...['traffic_class', 'tx_bytes', 'rx_bytes', 'tx_packets', 'rx_packets', 'connections'],
  ...['tx_cost', 'rx_cost', 'processing_cost'],
];

/** What sums by these sets are made of. */
export function columnsOfSets(sets: readonly SeriesSetConfig[]): string[] {
  return [...new Set([...SUMMED, ...sets.flatMap(({ labels }) => labels.map(({ column }) => column))])];
}

/** Calls `take` with each row; the object is the same each time. */
export function forEachRow(rows: RowColumns, columns: readonly string[], take: (row: FlowRow) => void): void {
  const view: Record<string, unknown> = { ...blankRow('') };
  const readers = columns.map((name) => readerOf(rows, name));
  for (let row = 0; row < rows.rowCount; row++) {
    for (const { field, read } of readers) view[field] = read(row);
    take(view as unknown as FlowRow);
  }
}

interface Reader {
  /** Of FlowRow: the column's name in camel case. */
  readonly field: string;
  read(row: number): string | number | bigint | null;
}

function readerOf(rows: RowColumns, name: string): Reader {
  const field = name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  const type = FLOW_COLUMNS.find((column) => column.name === name)?.type;
  if (type === 'decimal') {
    const values = rows.picoUsd(name);
    return { field, read: (row) => values[row] ?? null };
  }
  if (type === 'text' || type === 'map') {
    const { dictionary, codes } = rows.text(name);
    return { field, read: (row) => dictionary[codes[row]!] ?? null };
  }
  const values = rows.numbers(name);
  return { field, read: (row) => (Number.isNaN(values[row]!) ? null : values[row]!) };
}
