// Rows as sinks are given them, for tests of sinks without a table.
import type { FlowRow } from '../model/flow-row.ts';
import { FLOW_COLUMNS } from '../table/columns.ts';
import type { RowColumns } from './row-columns.ts';

/** These rows, with all columns. */
export function rowColumnsOf(rows: readonly FlowRow[]): RowColumns {
  const values = (name: string) => {
    const column = FLOW_COLUMNS.find((column) => column.name === name)!;
    return rows.map((row) => column.of(row));
  };
  return {
    version: 1,
    commitTimeMs: undefined,
    rowCount: rows.length,
    text(name) {
      const texts = values(name) as (string | null)[];
      const dictionary = [...new Set<string | null>([null, ...texts])];
      return { dictionary, codes: Uint32Array.from(texts, (text) => dictionary.indexOf(text)) };
    },
    numbers: (name) => Float64Array.from(values(name) as (number | null)[], (value) => value ?? Number.NaN),
    picoUsd: (name) => (values(name) as (bigint | null)[]).map((value) => value ?? undefined),
  };
}
