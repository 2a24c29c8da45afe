// Another program that writes to our tables: delta-rs, by delta_writes.py. Knows that script; knows nothing of what it writes to.
import { fileURLToPath } from 'node:url';
import { askPython } from './ask-python.ts';
import type { ForeignTable } from './delta-rows.ts';

const PROGRAM = fileURLToPath(new URL('delta_writes.py', import.meta.url));

/** A row, by column; the others are null. Timestamps are µs since the Unix epoch, dates YYYY-MM-DD. */
export type ForeignRow = Readonly<Record<string, string | number>>;

/** What it can do: see delta_writes.py. */
export type ForeignStep = { readonly append: readonly ForeignRow[] } | 'optimize' | 'vacuum' | 'checkpoint' | 'cleanup';

/** Does it all, in order; resolves to the version of the table after it, rejects with what delta-rs says. */
export async function writeForeign(
  python: string,
  table: ForeignTable,
  steps: readonly ForeignStep[],
): Promise<number> {
  const question = { table: table.uri, options: table.options, do: steps };
  return ((await askPython(python, PROGRAM, question)) as { version: number }).version;
}
