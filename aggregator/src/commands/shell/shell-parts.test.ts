import { describe, expect, test } from 'vitest';
import { complete } from './completion.ts';
import { StatementReader } from './statement-reader.ts';

/** All that comes out of these lines. */
function read(...lines: string[]): string[] {
  const reader = new StatementReader();
  return [...lines.flatMap((line) => reader.take(line)), ...reader.end()].map(
    ({ kind, text, line }) => `${line} ${kind}: ${text}`,
  );
}

describe('lines into statements', () => {
  for (const { name, lines, found } of [
    { name: 'one', lines: ['SELECT 1;'], found: ['1 statement: SELECT 1'] },
    {
      name: 'two on a line',
      lines: ['SELECT 1; SELECT 2;'],
      found: ['1 statement: SELECT 1', '1 statement: SELECT 2'],
    },
    { name: 'over lines', lines: ['', 'SELECT', ' 1', ';'], found: ['2 statement: SELECT\n 1'] },
    { name: 'the last without an end', lines: ['SELECT 1'], found: ['1 statement: SELECT 1'] },
    { name: 'nothing', lines: ['', ';', ' ; -- x', '/* y; */'], found: [] },
    { name: 'in a text', lines: ["SELECT 'a;''b;' , ';';"], found: ["1 statement: SELECT 'a;''b;' , ';'"] },
    { name: 'in a text of two lines', lines: ["SELECT 'a;", "b';"], found: ["1 statement: SELECT 'a;\nb'"] },
    { name: 'in a name', lines: ['SELECT 1 AS "a;""b";'], found: ['1 statement: SELECT 1 AS "a;""b"'] },
    {
      name: 'between dollars',
      lines: ['SELECT $$a;b$$, $x$;$$;$x$;'],
      found: ['1 statement: SELECT $$a;b$$, $x$;$$;$x$'],
    },
    { name: 'in a comment', lines: ['SELECT 1 -- a; b', '+ 2;'], found: ['1 statement: SELECT 1 -- a; b\n+ 2'] },
    {
      name: 'in nested comments',
      lines: ['SELECT /* a /* ; */ ; */ 1;'],
      found: ['1 statement: SELECT /* a /* ; */ ; */ 1'],
    },
    { name: 'a quote in a comment', lines: ["-- it's", 'SELECT 1;'], found: ["2 statement: -- it's\nSELECT 1"] },
    { name: 'a command', lines: ['.help', ' .format csv '], found: ['1 command: .help', '2 command: .format csv'] },
    { name: 'no command within a statement', lines: ['SELECT 1', '.5;'], found: ['1 statement: SELECT 1\n.5'] },
    { name: 'a command after a comment', lines: ['-- what there is', '.tables'], found: ['2 command: .tables'] },
  ]) {
    test(name, () => expect(read(...lines)).toEqual(found));
  }

  test('it knows whether something waits for its end', () => {
    const reader = new StatementReader();
    for (const [line, isEmpty] of [
      ['SELECT 1;', true],
      ['SELECT', false],
      ["'a;", false],
      ["';", true],
      ['/* a', false],
      ['*/', true],
    ] as const) {
      reader.take(line);
      expect([line, reader.isEmpty]).toEqual([line, isEmpty]);
    }
    reader.take('SELECT');
    reader.clear();
    expect([reader.isEmpty, reader.take('SELECT 2;')]).toEqual([
      true,
      [{ kind: 'statement', text: 'SELECT 2', line: 8 }],
    ]);
  });
});

describe('completion', () => {
  const column = (name: string) => ({ name, sqlType: 'BIGINT', description: '' });
  const table = (name: string, ...columns: string[]) => ({
    ...{ name, columns: columns.map(column), partitionColumn: 'date', files: [] },
  });
  const tables = [table('flows', 'tx_bytes', 'tx_cost', 'pod'), table('costs_hourly', 'tx_bytes', 'tx_cost')];
  for (const [line, replacements] of [
    ['SELECT tx_', ['tx_bytes', 'tx_cost']],
    ['select sum(tx_b', ['tx_bytes']],
    ['SELECT 1 FROM fl', ['flows', 'floor(']],
    ['SEL', ['SELECT']],
    ['sel', ['select']],
    ['SELECT flows.p', ['flows.pod']],
    ['SELECT costs_hourly.', ['costs_hourly.tx_bytes', 'costs_hourly.tx_cost']],
    ['SELECT f.po', ['f.pod']],
    ['.f', ['.format']],
    ['.schema c', ['costs_hourly']],
    ['.format ', ['table', 'json', 'csv']],
    ['SELECT ', []],
    ['nothing_like_it', []],
  ] as const) {
    test(line, () => expect(complete(line, tables, ['floor', 'sum'])[0]).toEqual(replacements));
  }
});
