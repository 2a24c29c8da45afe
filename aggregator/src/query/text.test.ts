import { DuckDBDecimalValue, DuckDBTimestampTZValue, listValue, mapValue, structValue } from '@duckdb/node-api';
import { describe, expect, test } from 'vitest';
import { cellJson, cellText, prettyJson, toCell } from './cell.ts';
import { csvLine } from './csv.ts';
import { parseGroupings } from './grouping.ts';
import { renderTable } from './text-table.ts';
import { parseTimeBound } from './time-bound.ts';

test('a table: titles, rule, rows, rule, footer; decimal points meet; control characters are spelled out', () => {
  const lines = renderTable(
    [
      { title: 'NAME', align: 'left' },
      { title: 'SENT', align: 'right' },
      { title: 'COST', align: 'point' },
    ],
    [
      ['größe', '1.50 KiB', '$12.34'],
      ['\u001b[31mred\n', '5 B', '$0.0012'],
      ['x', '', '?'],
    ],
    [['Total', '1.50 KiB', '$12.34']],
  );
  const rule = ['─'.repeat(18), '─'.repeat(8), '─'.repeat(8)].join('  ');
  expect(lines).toEqual([
    'NAME                    SENT      COST',
    rule,
    'größe               1.50 KiB  $12.34',
    '\\u{1b}[31mred\\u{a}       5 B   $0.0012',
    'x                               ?',
    rule,
    'Total               1.50 KiB  $12.34',
  ]);
});

test('CSV fields: null is empty, empty is quoted, quotes are doubled', () => {
  expect(csvLine([null, '', 'a', 'a,b', 'say "x"', 'a\nb', '007'])).toBe(',"",a,"a,b","say ""x""","a\nb",007\n');
});

describe('values', () => {
  for (const { name, value, json, text } of [
    { name: 'null', value: null, json: 'null', text: '' },
    { name: '2^63 - 1', value: 2n ** 63n - 1n, json: '9223372036854775807', text: '9223372036854775807' },
    { name: 'decimal', value: new DuckDBDecimalValue(1n, 18, 12), json: '"0.000000000001"', text: '0.000000000001' },
    { name: 'not a number', value: Number.NaN, json: '"NaN"', text: 'NaN' },
    {
      name: 'instant',
      value: new DuckDBTimestampTZValue(1_767_225_600_000_001n),
      json: '"2026-01-01T00:00:00.000001Z"',
      text: '2026-01-01T00:00:00.000001Z',
    },
    {
      name: 'instant before 1970',
      value: new DuckDBTimestampTZValue(-1n),
      json: '"1969-12-31T23:59:59.999999Z"',
      text: '1969-12-31T23:59:59.999999Z',
    },
    { name: 'list', value: listValue([1n, null]), json: '[1,null]', text: '[1,null]' },
    { name: 'struct', value: structValue({ a: 'x' }), json: '{"a":"x"}', text: '{"a":"x"}' },
    {
      name: 'map',
      value: mapValue([{ key: 'team', value: 'a"b' }]),
      json: '{"team":"a\\"b"}',
      text: '{"team":"a\\"b"}',
    },
  ]) {
    test(name, () => {
      expect(cellJson(toCell(value))).toBe(json);
      expect(cellText(toCell(value))).toBe(text);
    });
  }

  test('pretty JSON is the same JSON', () => {
    const cell = { a: [1, { b: null }, []], c: {}, 'd"': 'x' };
    expect(JSON.parse(prettyJson(cell))).toEqual(cell);
    expect(prettyJson({ a: [2n ** 64n] })).toBe('{\n  "a": [\n    18446744073709551616\n  ]\n}');
  });
});

describe('--since and --until', () => {
  const now = Date.UTC(2026, 0, 31, 12);
  for (const [text, iso] of [
    ['24h', '2026-01-30T12:00:00.000Z'],
    ['90m', '2026-01-31T10:30:00.000Z'],
    ['7d', '2026-01-24T12:00:00.000Z'],
    ['2w', '2026-01-17T12:00:00.000Z'],
    ['2026-01-31', '2026-01-31T00:00:00.000Z'],
    ['2026-01-31T10:00', '2026-01-31T10:00:00.000Z'],
    ['2026-01-31 10:00:30', '2026-01-31T10:00:30.000Z'],
    ['2026-01-31T10:00:00.250+02:00', '2026-01-31T08:00:00.250Z'],
  ] as const) {
    test(text, () => {
      expect(new Date(parseTimeBound(text, '--since', now)).toISOString()).toBe(iso);
    });
  }
  for (const text of ['', 'yesterday', '24', '-1h', '2026-13-01', '2026-1-1', '31.01.2026', '2026-01-31T25:00']) {
    test(`${JSON.stringify(text)} is refused, naming the option`, () => {
      expect(() => parseTimeBound(text, '--until', now)).toThrow(
        expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringMatching(/^--until is ".*7d/) }),
      );
    });
  }
});

describe('--by', () => {
  test('a label of any name is a key; quotes stay inside', () => {
    expect(parseGroupings("zone, label:it's")).toEqual([
      { name: 'zone', sql: 'zone', columns: { zone: 'zone' }, needsFlows: false },
      { name: "label:it's", sql: 'label_1', columns: { label_1: "labels['it''s']" }, needsFlows: false },
    ]);
  });
  for (const [text, message] of [
    ['colour', /cannot group by "colour"; it knows .*namespace/],
    ['', /cannot group by ""/],
    ['zone,,node', /cannot group by ""/],
    ['toString', /cannot group by "toString"/],
    ['zone,zone', /"zone" twice/],
    ['label:', /cannot group by "label:"/],
  ] as const) {
    test(`${JSON.stringify(text)} is refused`, () => {
      expect(() => parseGroupings(text)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
      expect(() => parseGroupings(text)).toThrow(message);
    });
  }
});
