import fc from 'fast-check';
import { expect, test } from 'vitest';
import { KeyNumbers } from './key-numbers.ts';

/** Numbers from 1, as endpoints have them, the largest, and some that want one place. */
const key = fc.oneof(
  fc.integer({ min: 1, max: 5000 }),
  fc.constantFrom(2 ** 32 - 1, 2 ** 31, 2 ** 31 + 7, 7),
  fc.integer({ min: 1, max: 50 }).map((n) => n * 2 ** 16),
);

test('any keys have the numbers that a Map would give', () => {
  fc.assert(
    fc.property(
      fc.array(key, { maxLength: 6000, size: 'max' }),
      fc.integer({ min: 2, max: 9 }),
      fc.constantFrom('counted', 'any'),
      (keys, every, kind) => {
        const numbers = new KeyNumbers(kind);
        const model = new Map<number, number>();
        keys.forEach((each, i) => {
          expect(numbers.find(each)).toBe(model.get(each) ?? -1);
          const value = i % 3 === 0 ? 2 ** 32 - 1 - i : i;
          numbers.set(each, value);
          model.set(each, value);
          if (i % every === 0) {
            const gone = keys[(i * 7919) % keys.length]!;
            numbers.delete(gone);
            model.delete(gone);
            expect(numbers.find(gone)).toBe(-1);
          }
          expect(numbers.size).toBe(model.size);
        });
        for (const [each, value] of model) expect(numbers.find(each)).toBe(value);
      },
    ),
    { numRuns: 30 },
  );
});

test('nothing is known after it was cleared', () => {
  const numbers = new KeyNumbers('any');
  numbers.set(5, 0);
  numbers.clear();
  expect([numbers.find(5), numbers.size]).toEqual([-1, 0]);
});

test('whatever goes, nobody who had the same place is lost', () => {
  // Of 1024 places: all of these begin at the same few.
  const all = Array.from({ length: 400 }, (_, i) => (i + 1) * 2 ** 12 + (i % 3) + 1);
  const numbers = new KeyNumbers('counted');
  all.forEach((each, i) => {
    numbers.set(each, i);
  });
  for (const [i, gone] of all.entries()) {
    numbers.delete(gone);
    for (let later = i + 1; later < all.length; later += 13) expect(numbers.find(all[later]!)).toBe(later);
  }
  expect(numbers.size).toBe(0);
});
