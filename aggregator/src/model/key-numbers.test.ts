import fc from 'fast-check';
import { expect, test } from 'vitest';
import { KeyNumbers } from './key-numbers.ts';

/** Numbers from 1, as endpoints have them, some that differ only above 32 bits, and some that want one place. */
const key = fc.oneof(
  fc.integer({ min: 1, max: 5000 }),
  fc.constantFrom(2 ** 32 + 7, 2 ** 40 + 7, 2 ** 53 - 1, 7),
  fc.integer({ min: 1, max: 50 }).map((n) => n * 2 ** 16),
);

test('any keys have the numbers that a Map would give', () => {
  fc.assert(
    fc.property(fc.array(key, { maxLength: 6000, size: 'max' }), (keys) => {
      const numbers = new KeyNumbers();
      const model = new Map<number, number>();
      keys.forEach((each, i) => {
        expect(numbers.find(each)).toBe(model.get(each) ?? -1);
        const value = i % 3 === 0 ? 2 ** 32 - 1 - i : i;
        numbers.set(each, value);
        model.set(each, value);
        expect(numbers.size).toBe(model.size);
      });
      for (const [each, value] of model) expect(numbers.find(each)).toBe(value);
    }),
    { numRuns: 30 },
  );
});

test('nothing is known after it was cleared', () => {
  const numbers = new KeyNumbers();
  numbers.set(5, 0);
  numbers.clear();
  expect([numbers.find(5), numbers.size]).toEqual([-1, 0]);
});
