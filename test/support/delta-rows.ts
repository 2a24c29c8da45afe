// What a table holds according to delta-rs, a reader that is not ours, in any store. Knows delta_rows.py and the columns that
// tell bytes by node and class; knows nothing of how the table was written.
import { fileURLToPath } from 'node:url';
import { askPython } from './ask-python.ts';
import { DELTA_READERS, pythonEnvironment } from './python-env.ts';
import type { ClassBytes } from './recorded-traffic.ts';

const PROGRAM = fileURLToPath(new URL('delta_rows.py', import.meta.url));

/** The interpreter with delta-rs; undefined, after saying why, where it cannot be had (an error under CI=true). */
export async function deltaRsPython(): Promise<string | undefined> {
  const environment = await pythonEnvironment(DELTA_READERS);
  if ('missing' in environment) {
    console.warn(`delta-rs is not tested: ${environment.missing}`);
    return undefined;
  }
  return environment.python;
}

/** A table, as delta-rs names it. */
export interface ForeignTable {
  readonly uri: string;
  /** Storage options of delta-rs. */
  readonly options: Readonly<Record<string, string>>;
}

/** Bytes by node and class, in the order of `bytesByNodeAndClass`. */
export async function foreignBytes(python: string, table: ForeignTable): Promise<ClassBytes[]> {
  const rows = await foreignRows(python, table, ['node', 'traffic_class', 'tx_bytes', 'rx_bytes']);
  const sums = new Map<string, { node: string; class: string; tx: number; rx: number }>();
  for (const [node, trafficClass, tx, rx] of rows as [string, string, number | null, number | null][]) {
    const key = `${node} ${trafficClass}`;
    const sum = sums.get(key) ?? { node, class: trafficClass, tx: 0, rx: 0 };
    sum.tx += tx ?? 0;
    sum.rx += rx ?? 0;
    sums.set(key, sum);
  }
  return [...sums].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, sum]) => sum);
}

/** All values of one column, of type text. */
export async function foreignColumn(python: string, table: ForeignTable, column: string): Promise<string[]> {
  return (await foreignRows(python, table, [column])).map(([value]) => String(value));
}

/** These columns of all rows. */
export async function foreignRows(
  python: string,
  { uri, options }: ForeignTable,
  columns: string[],
): Promise<unknown[][]> {
  return ((await askPython(python, PROGRAM, { table: uri, options, columns })) as { rows: unknown[][] }).rows;
}
