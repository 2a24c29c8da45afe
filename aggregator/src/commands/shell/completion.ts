// What the word before the cursor may become: tables, columns, keywords, functions, and the shell's own commands. Pure.
import { RESULT_FORMATS } from '../../query/result-output.ts';
import type { SourceTable } from '../../query/source-table.ts';
import { SHELL_COMMANDS } from './shell-commands.ts';

const KEYWORDS = (
  'ALL AND AS ASC BETWEEN BY CASE CAST COUNT CROSS DATE DESC DESCRIBE DISTINCT ELSE END EXCEPT EXISTS FALSE FILTER FIRST FROM ' +
  'FULL GROUP HAVING ILIKE IN INNER INTERSECT INTERVAL IS JOIN LAST LEFT LIKE LIMIT NOT NULL NULLS OFFSET ON OR ORDER OUTER ' +
  'OVER PARTITION QUALIFY RIGHT ROLLUP SELECT SUMMARIZE THEN TIMESTAMPTZ TRUE UNION USING VALUES WHEN WHERE WITH'
).split(' ');

/** Below this many letters there are too many functions to be of help. */
const FUNCTION_LETTERS = 2;

/** Replacements for the end of the line, and the part of the line that they replace. */
export type Completion = [replacements: string[], replaced: string];

/** @param functions names of functions that may be called */
export function complete(line: string, tables: readonly SourceTable[], functions: readonly string[]): Completion {
  const command = /^\s*(\.\w*)(\s+(\S*))?$/.exec(line);
  if (command !== null) {
    const [, name = '', space, argument = ''] = command;
    if (space === undefined)
      return [
        beginning(
          SHELL_COMMANDS.map((each) => each.name),
          name,
        ),
        name,
      ];
    const values = { '.schema': tables.map((table) => table.name), '.format': [...RESULT_FORMATS] }[name] ?? [];
    return [beginning(values, argument), argument];
  }
  const word = /[\w.]*$/.exec(line)?.[0] ?? '';
  const columns = [...new Set(tables.flatMap((table) => table.columns.map(({ name }) => name)))];
  const dot = word.lastIndexOf('.');
  if (dot >= 0) {
    const before = word.slice(0, dot + 1);
    const own = tables.find(({ name }) => `${name}.` === before.toLowerCase())?.columns.map(({ name }) => name);
    return [beginning(own ?? columns, word.slice(dot + 1)).map((name) => before + name), word];
  }
  if (word === '') return [[], word];
  const isLower = word === word.toLowerCase();
  const candidates = [
    ...tables.map(({ name }) => name),
    ...columns,
    ...KEYWORDS.map((keyword) => (isLower ? keyword.toLowerCase() : keyword)),
    ...(word.length < FUNCTION_LETTERS ? [] : functions.map((name) => `${name}(`)),
  ];
  return [[...new Set(beginning(candidates, word))], word];
}

function beginning(candidates: readonly string[], prefix: string): string[] {
  const wanted = prefix.toLowerCase();
  return candidates.filter((candidate) => candidate.toLowerCase().startsWith(wanted));
}
