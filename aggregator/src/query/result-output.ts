// Rows of a statement as text: a table for people, JSON and CSV for programs, exact. Rows are printed as they come; only the table
// waits for all, because its columns are as wide as their widest value.
import { type Cell, cellJson, cellText, isNumberType, toCell } from './cell.ts';
import { csvLine } from './csv.ts';
import type { QueryResult } from './session.ts';
import { renderTable } from './text-table.ts';

/** Formats of a result. */
export const RESULT_FORMATS = ['table', 'json', 'csv'] as const;
export type ResultFormat = (typeof RESULT_FORMATS)[number];

/** Takes text; resolves when it may go on, so that a slow reader does not fill our memory. */
export type WriteText = (text: string) => Promise<void>;

/** What was printed. */
export interface PrintedRows {
  readonly count: number;
  /** There were more, and they were not read. */
  readonly isCut: boolean;
}

/** Prints all rows, or of a table the first `mostTableRows`. */
export async function printResult(
  format: ResultFormat,
  result: QueryResult,
  write: WriteText,
  mostTableRows = Number.POSITIVE_INFINITY,
): Promise<PrintedRows> {
  switch (format) {
    case 'table':
      return printTable(result, write, mostTableRows);
    case 'json':
      return { count: await printJson(result, write), isCut: false };
    case 'csv':
      return { count: await printCsv(result, write), isCut: false };
  }
}

async function printTable(result: QueryResult, write: WriteText, mostRows: number): Promise<PrintedRows> {
  const rows: string[][] = [];
  for await (const chunk of cellsOf(result)) {
    rows.push(...chunk.map((cells) => cells.map((cell) => (cell === null ? 'NULL' : cellText(cell)))));
    if (rows.length > mostRows) break;
  }
  const isCut = rows.length > mostRows;
  if (isCut) rows.length = mostRows;
  const columns = result.columns.map(({ name, type }) => ({
    title: name,
    align: isNumberType(type) ? ('point' as const) : ('left' as const),
  }));
  await write(`${renderTable(columns, rows).join('\n')}\n`);
  return { count: rows.length, isCut };
}

/** A JSON array with one object a line. */
async function printJson(result: QueryResult, write: WriteText): Promise<number> {
  const names = uniqueNames(result.columns.map(({ name }) => name));
  let count = 0;
  for await (const chunk of cellsOf(result)) {
    const objects = chunk.map((cells) =>
      cellJson(Object.fromEntries(names.map((name, i) => [name, cells[i] ?? null]))),
    );
    if (objects.length > 0) {
      await write((count === 0 ? '[\n' : ',\n') + objects.join(',\n'));
      count += objects.length;
    }
  }
  await write(count === 0 ? '[]\n' : '\n]\n');
  return count;
}

async function printCsv(result: QueryResult, write: WriteText): Promise<number> {
  let count = 0;
  await write(csvLine(result.columns.map(({ name }) => name)));
  for await (const chunk of cellsOf(result)) {
    const lines = chunk.map((cells) => csvLine(cells.map((cell) => (cell === null ? null : cellText(cell)))));
    await write(lines.join(''));
    count += lines.length;
  }
  return count;
}

async function* cellsOf(result: QueryResult): AsyncIterable<Cell[][]> {
  for await (const chunk of result.chunks) {
    yield chunk.map((row) => row.map(toCell));
  }
}

/** Two columns of one name would be one key of an object: later ones get a number. */
function uniqueNames(names: readonly string[]): string[] {
  const taken = new Set<string>();
  return names.map((name) => {
    let unique = name;
    for (let i = 2; taken.has(unique); i++) {
      unique = `${name}_${i}`;
    }
    taken.add(unique);
    return unique;
  });
}
