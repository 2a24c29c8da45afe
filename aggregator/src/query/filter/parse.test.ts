// What a filter cannot be, and where it says so. What filters mean is filter.test.ts's.
import { describe, expect, test } from 'vitest';
import { type GroupChoice, parseCondition } from './parse.ts';
import { parseRowFilter } from './row-filter.ts';

const groups: GroupChoice = { names: ['payments', '(other)'], conditionOf: () => ({ kind: 'all', of: [] }) };
const withoutGroups = 'no groups here';

describe('problems', () => {
  test.each([
    ['', 'at character 1: expected a column, not or (, found the end'],
    ['   ', 'at character 4: expected a column, not or (, found the end'],
    ['namespace', 'at character 10: expected =, !=, ~, !~, in, not in or is after namespace, found the end'],
    ['namespace shop', 'at character 11: expected =, !=, ~, !~, in, not in or is after namespace, found "shop"'],
    ['namespace=', 'at character 11: expected a value, found the end'],
    ['namespace=and zone=a', 'at character 11: expected a value, found "and"; if it is a value, quote it'],
    ['namespace=shop zone=a', 'at character 16: expected and, or, or the end, found "zone"'],
    ['namespace=shop and', 'at character 19: expected a column, not or (, found the end'],
    ['(namespace=shop', 'at character 16: expected and, or, or ) for the ( at character 1, found the end'],
    ['namespace=shop)', 'at character 15: expected and, or, or the end, found ")"'],
    ['zone in a', 'at character 9: expected ( and values, found "a"'],
    ['zone in ()', 'at character 10: expected a value, found ")"'],
    ['zone in (a b)', 'at character 12: expected , or ), found "b"'],
    ['zone not a', 'at character 10: expected in, found "a"'],
    ['zone is a', 'at character 9: expected null or not null, found "a"'],
    ['zone is not a', 'at character 13: expected null, found "a"'],
    ["zone='a", "at character 6: the quote ' has no end"],
    [
      'zone=a && pod=b',
      'at character 8: & is no operator: they are =, !=, ~, !~, in, is, and, or, not; quote a value that has it',
    ],
    [
      'port>80',
      'at character 5: > is no operator: they are =, !=, ~, !~, in, is, and, or, not; quote a value that has it',
    ],
    ["service='😀' and port=x", 'at character 22: a port is a number from 0 to 65535, not "x"'],
    ['port in (80, 70000)', 'at character 14: a port is a number from 0 to 65535, not "70000"'],
    ['port=080', 'at character 6: a port is a number from 0 to 65535, not "080"'],
    ['day=2026-01-31', 'at character 1: a filter cannot have day: for a period use --since and --until'],
    ['direction=tx', 'at character 1: a filter cannot have direction: each row has both directions; use it in --by'],
    ['group=paymets', 'at character 7: there is no group "paymets"; there are payments, (other)'],
    [`${'('.repeat(60)}zone=a`, 'at character 51: parentheses and not go at most 50 deep'],
    [`zone=${'a'.repeat(10_000)}`, 'at character 10001: a filter has at most 10000 characters, this has 10005'],
    ['zone=a\0b', 'at character 7: no text has a character 0'],
  ])('%j', (text, problem) => {
    expect(parseCondition(text, { groups, withoutGroups })).toEqual({ problem });
  });

  test('a column that there is not: all that there are', () => {
    for (const text of ['namespaces=shop', 'label:=x', 'constructor=x', 'labels=x', 'tx_bytes=1']) {
      const word = text.split('=')[0];
      const { problem } = parseCondition(text, { groups, withoutGroups }) as { problem: string };
      expect(problem).toContain(
        `at character 1: there is no column "${word}"; there are cluster, provider, region, zone, node,`,
      );
      expect(problem).toMatch(/peer-workload-kind.*, label:NAME, group$/);
    }
  });

  test('group without groups', () => {
    expect(parseCondition('group=x', { groups: undefined, withoutGroups })).toEqual({
      problem: 'at character 1: no groups here',
    });
  });
});

test('an error of the option says what to change', () => {
  expect(() => parseRowFilter('zone==a', undefined)).toThrow(
    expect.objectContaining({
      code: 'CONFIG_INVALID',
      message: '--filter, at character 6: expected a value, found "="',
    }),
  );
  expect(() => parseRowFilter('group=a', undefined)).toThrow(/--filter, at character 1: group needs a file .*--groups/);
});

test('columns that only flows has', () => {
  expect(parseRowFilter('pod=a or not (peer_ip ~ 10.* and zone=b)', undefined).onlyInFlows).toEqual(['pod', 'peer-ip']);
  expect(parseRowFilter('zone=b and label:team=x', undefined).onlyInFlows).toEqual([]);
});
