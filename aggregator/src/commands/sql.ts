// `flowtoll sql`: one statement over the view `flows`, exact values. Rows are printed as they come; only the table for people
// waits for all, because its columns are as wide as their widest value.
import { Argument, Command } from 'commander';
import { type Cell, cellJson, cellText, isNumberType, toCell } from '../query/cell.ts';
import { csvLine } from '../query/csv.ts';
import type { QueryResult } from '../query/session.ts';
import { renderTable } from '../query/text-table.ts';
import { openFlowsSession } from './flows-source.ts';
import {
  type CommandOutput,
  clusterOption,
  formatOption,
  type OutputFormat,
  processOutput,
  storeOption,
} from './options.ts';

interface SqlFlags {
  readonly store: string;
  readonly cluster: readonly string[];
  readonly format: OutputFormat;
}

export function sqlCommand(createOutput: () => CommandOutput = processOutput): Command {
  return new Command('sql')
    .description('Run one SELECT over the view "flows" (docs/columns.md). Nothing can be changed by it.')
    .addArgument(new Argument('<statement>', 'SQL as DuckDB speaks it; times are UTC'))
    .addOption(storeOption())
    .addOption(clusterOption())
    .addOption(formatOption())
    .action(async (statement: string, flags: SqlFlags) => {
      const session = await openFlowsSession(flags.store, flags.cluster);
      try {
        await PRINTERS[flags.format](await session.query(statement), createOutput());
      } finally {
        session.close();
      }
    });
}

const PRINTERS: Readonly<Record<OutputFormat, (result: QueryResult, output: CommandOutput) => Promise<void>>> = {
  table: printTable,
  json: printJson,
  csv: printCsv,
};

async function printTable(result: QueryResult, output: CommandOutput): Promise<void> {
  const rows: string[][] = [];
  for await (const chunk of cellsOf(result)) {
    rows.push(...chunk.map((cells) => cells.map((cell) => (cell === null ? 'NULL' : cellText(cell)))));
  }
  const columns = result.columns.map(({ name, type }) => ({
    title: name,
    align: isNumberType(type) ? ('point' as const) : ('left' as const),
  }));
  await output.write(`${renderTable(columns, rows).join('\n')}\n`);
}

/** A JSON array with one object a line. */
async function printJson(result: QueryResult, output: CommandOutput): Promise<void> {
  const names = uniqueNames(result.columns.map(({ name }) => name));
  let isFirst = true;
  for await (const chunk of cellsOf(result)) {
    const objects = chunk.map((cells) =>
      cellJson(Object.fromEntries(names.map((name, i) => [name, cells[i] ?? null]))),
    );
    if (objects.length > 0) {
      await output.write((isFirst ? '[\n' : ',\n') + objects.join(',\n'));
      isFirst = false;
    }
  }
  await output.write(isFirst ? '[]\n' : '\n]\n');
}

async function printCsv(result: QueryResult, output: CommandOutput): Promise<void> {
  await output.write(csvLine(result.columns.map(({ name }) => name)));
  for await (const chunk of cellsOf(result)) {
    const lines = chunk.map((cells) => csvLine(cells.map((cell) => (cell === null ? null : cellText(cell)))));
    await output.write(lines.join(''));
  }
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
