import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RememberedCodes } from './remembered-codes.ts';

/** Numbers from 1, as endpoints have them, and some that differ only above 32 bits. */
const key = fc.oneof(fc.integer({ min: 1, max: 5000 }), fc.constantFrom(2 ** 32 + 7, 2 ** 40 + 7, 2 ** 53 - 1, 7));

test('what is remembered of a key is what was last put for it', () => {
  fc.assert(
    fc.property(fc.array(key, { maxLength: 6000, size: 'max' }), fc.constantFrom(1024, 4096), (keys, placesMax) => {
      const remembered = new RememberedCodes({ width: 3, placesMax });
      const last = new Map<number, number>();
      keys.forEach((each, i) => {
        const known = remembered.find(each);
        const at = known === -1 ? remembered.put(each) : known;
        if (known !== -1) expect([0, 1, 2].map((n) => remembered.at(at + n))).toEqual([last.get(each), each % 1000, 5]);
        for (const [n, value] of [i, each % 1000, 5].entries()) remembered.set(at + n, value);
        last.set(each, i);
        expect(remembered.find(each)).toBe(at);
      });
    }),
    { numRuns: 30 },
  );
});

test('it grows with its keys, and forgets none that has room', () => {
  const remembered = new RememberedCodes({ width: 1, placesMax: 2 ** 14 });
  for (let round = 0; round < 3; round++) {
    for (let each = 1; each <= 16_000; each++) {
      if (remembered.find(each) === -1) remembered.set(remembered.put(each), each + 1);
    }
  }
  const known = Array.from({ length: 16_000 }, (_, i) => remembered.at(remembered.find(i + 1)));
  expect(known).toEqual(Array.from({ length: 16_000 }, (_, i) => i + 2));
});

test('at its largest, the later of two keys with one place is remembered', () => {
  const remembered = new RememberedCodes({ width: 1, placesMax: 1024 });
  remembered.set(remembered.put(1), 10);
  remembered.set(remembered.put(1025), 20);
  expect([remembered.find(1), remembered.at(remembered.find(1025))]).toEqual([-1, 20]);
});

test('nothing is known after it was cleared', () => {
  const remembered = new RememberedCodes({ width: 2, placesMax: 1024 });
  remembered.put(5);
  remembered.clear();
  expect(remembered.find(5)).toBe(-1);
});
