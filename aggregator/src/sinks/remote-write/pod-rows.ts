// The rows that egressd would tell of, among others: those whose local side is a pod, and that are no tunnel.
import type { RowColumns, TextValues } from '../row-columns.ts';

/** The same rows without the others. */
export function podRows(rows: RowColumns): RowColumns {
  const kinds = rows.text('local_kind');
  const classes = rows.text('traffic_class');
  const pod = kinds.dictionary.indexOf('pod');
  const tunnel = classes.dictionary.indexOf('encapsulation');
  const kept: number[] = [];
  for (let row = 0; row < rows.rowCount; row++) {
    if (kinds.codes[row] === pod && classes.codes[row] !== tunnel) kept.push(row);
  }
  if (kept.length === rows.rowCount) return rows;
  return {
    version: rows.version,
    commitTimeMs: rows.commitTimeMs,
    rowCount: kept.length,
    text(name): TextValues {
      const { dictionary, codes } = rows.text(name);
      return { dictionary, codes: Uint32Array.from(kept, (row) => codes[row]!) };
    },
    numbers(name) {
      const values = rows.numbers(name);
      return Float64Array.from(kept, (row) => values[row]!);
    },
    picoUsd(name) {
      const values = rows.picoUsd(name);
      return kept.map((row) => values[row]);
    },
  };
}
