import { expect, test } from 'vitest';
import { SharedAddresses } from './shared-addresses.ts';

test('all addresses of several clusters are found, and few others', () => {
  const count = 50_000;
  const shared = new SharedAddresses(2 * count);
  const both = (i: number) => `10.1.${i >> 8}.${i & 255}`;
  const one = (cluster: number, i: number) => `fd00:${cluster}::${i.toString(16)}`;
  for (let i = 0; i < count; i++) {
    const address = i % 100 === 0 ? both(i) : undefined;
    shared.add(address ?? one(1, i), 1);
    // The same cluster has it twice: as a pod's before, and another's now.
    shared.add(address ?? one(1, i), 1);
    shared.add(address ?? one(2, i), 2);
  }
  const numbers = Array.from({ length: count }, (_, i) => i);
  const twice = numbers.filter((i) => i % 100 === 0);
  expect(twice.filter((i) => !shared.mayBeShared(both(i)))).toEqual([]);
  const single = numbers.filter((i) => i % 100 !== 0);
  const wrong = single.filter((i) => shared.mayBeShared(one(1, i))).length;
  expect(wrong / single.length).toBeLessThan(0.1);
  expect(shared.mayBeShared('192.0.2.1')).toBe(false);
});
