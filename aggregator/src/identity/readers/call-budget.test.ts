import { expect, test } from 'vitest';
import { createManualTiming } from '../../../../test/support/kubernetes/manual-timing.ts';
import { createCallBudget } from './call-budget.ts';

const busy = expect.objectContaining({ code: 'READER_BUSY' });

test('a reader has 64 calls open, and others have theirs', () => {
  const budget = createCallBudget(createManualTiming().now);
  const ends = Array.from({ length: 64 }, () => budget.begin('eve'));
  expect(() => budget.begin('eve')).toThrow(busy);
  budget.begin('alice');
  ends[0]!();
  ends[0]!();
  budget.begin('eve');
  expect(() => budget.begin('eve')).toThrow(busy);
});

test('a hundred at once, then ten a second', () => {
  const timing = createManualTiming();
  const budget = createCallBudget(timing.now);
  let made = 0;
  const make = () => {
    for (let i = 0; i < 1000; i++) {
      try {
        budget.begin('eve')();
        made++;
      } catch (error) {
        expect(error).toEqual(busy);
        return;
      }
    }
  };
  make();
  expect(made).toBe(100);
  for (let second = 0; second < 60; second++) {
    timing.advance(1000);
    make();
  }
  expect(made).toBe(100 + 600);
});

test('readers without number are not remembered; those with open calls are', () => {
  const budget = createCallBudget(createManualTiming().now);
  for (let i = 0; i < 64; i++) budget.begin('eve');
  for (let i = 0; i < 20_000; i++) budget.begin(`reader-${i}`)();
  expect(() => budget.begin('eve')).toThrow(busy);
});
