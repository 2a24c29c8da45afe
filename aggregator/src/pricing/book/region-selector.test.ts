import { describe, expect, it } from 'vitest';
import { compileSelector, representatives, selectRegions } from './region-selector.ts';

const GROUPS = { us: ['us-*'], mexico: ['mx-central-1'], eu: ['eu-west-1', 'eu-north-1'] };

const cases: { selector: string[]; selects: (string | null)[]; leavesOut: (string | null)[] }[] = [
  { selector: ['us-east-1'], selects: ['us-east-1'], leavesOut: ['us-east-10', 'us-east', null] },
  { selector: ['us-*'], selects: ['us-east-1', 'us-gov-east-1'], leavesOut: ['eu-west-1', null] },
  { selector: ['*'], selects: ['us-east-1', 'x'], leavesOut: [null] },
  { selector: ['*', '!eu-*'], selects: ['us-east-1'], leavesOut: ['eu-west-1', null] },
  { selector: ['?'], selects: [null], leavesOut: ['us-east-1'] },
  { selector: ['*', '?'], selects: [null, 'us-east-1'], leavesOut: [] },
  { selector: ['@us', '!us-gov-*'], selects: ['us-east-1'], leavesOut: ['us-gov-east-1', 'eu-west-1'] },
  { selector: ['*', '!@us'], selects: ['eu-west-1'], leavesOut: ['us-east-1', 'us-gov-east-1'] },
  { selector: ['@us', '@mexico'], selects: ['us-east-1', 'mx-central-1'], leavesOut: ['eu-west-1'] },
  { selector: ['@moon'], selects: [], leavesOut: ['us-east-1', null] },
];

describe('compileSelector', () => {
  it.each(cases)('$selector', ({ selector, selects, leavesOut }) => {
    const isSelected = compileSelector(selector, GROUPS);
    expect(selects.filter((region) => !isSelected(region))).toEqual([]);
    expect(leavesOut.filter(isSelected)).toEqual([]);
  });
});

describe('representatives', () => {
  it('has a region for each set that can be told apart', () => {
    expect(
      representatives(
        [
          ['us-*', '@eu'],
          ['?', '!us-east-1'],
        ],
        { eu: ['eu-*'] },
      ),
    ).toEqual(new Set([null, '~', 'us-~', 'us-east-1', 'eu-~']));
  });
});

describe('selectRegions', () => {
  it('selects all without a list', () => {
    const all = new Set(['a', null]);
    expect(selectRegions(all, undefined, {})).toEqual(all);
    expect(selectRegions(all, ['?'], {})).toEqual(new Set([null]));
  });
});
