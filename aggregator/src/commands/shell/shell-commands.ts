// The commands of the shell that are no SQL: names, help, and what they say of the tables. Pure text.
import type { SourceTable } from '../../query/source-table.ts';
import { renderTable } from '../../query/text-table.ts';
import { bytesText, countText } from '../../query/units.ts';

export const SHELL_COMMANDS = [
  { name: '.help', argument: '', help: 'this' },
  { name: '.tables', argument: '', help: 'tables, and how much there is of each' },
  { name: '.schema', argument: '[table]', help: 'columns, their types and meaning' },
  { name: '.format', argument: 'table|json|csv', help: 'how rows are printed' },
  { name: '.quit', argument: '', help: 'ends; so does Ctrl-D' },
] as const;

export function helpText(): string {
  const width = Math.max(...SHELL_COMMANDS.map(({ name, argument }) => `${name} ${argument}`.length));
  return `Statements are SQL as DuckDB speaks it, and end with ";". They read; nothing can be changed. Times are UTC.
Tab completes tables, columns, keywords and functions; Ctrl-C ends a statement that runs, or takes back what was typed.
A condition on "date" makes a statement read less.

${SHELL_COMMANDS.map(({ name, argument, help }) => `${`${name} ${argument}`.padEnd(width)}  ${help}`).join('\n')}
`;
}

export function tablesText(tables: readonly SourceTable[]): string {
  const rows = tables.map(({ name, files }) => {
    const dates = files.map(({ partition }) => partition).sort();
    const bytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    return [name, countText(BigInt(files.length)), bytesText(BigInt(bytes)), dates[0] ?? '', dates.at(-1) ?? ''];
  });
  const columns = [
    { title: 'table', align: 'left' },
    { title: 'files', align: 'right' },
    { title: 'size', align: 'right' },
    { title: 'from', align: 'left' },
    { title: 'to', align: 'left' },
  ] as const;
  return `${renderTable(columns, rows).join('\n')}\n`;
}

/** Columns of the named table, or of all; undefined when there is none of that name. */
export function schemaText(tables: readonly SourceTable[], name: string | undefined): string | undefined {
  const wanted = tables.filter((table) => name === undefined || table.name === name.toLowerCase());
  if (wanted.length === 0) return undefined;
  const columns = [
    { title: 'column', align: 'left' },
    { title: 'type', align: 'left' },
    { title: 'meaning', align: 'left' },
  ] as const;
  const parts = wanted.map((table) => {
    const rows = table.columns.map((column) => [column.name, column.sqlType, column.description]);
    return `${table.name}\n\n${renderTable(columns, rows).join('\n')}\n`;
  });
  return parts.join('\n');
}
