import { expect, test } from 'vitest';
import { keepHeapSmall } from './release-memory.ts';

const MIB = 2 ** 20;

test('what was needed once is given back to the system', () => {
  const memory = keepHeapSmall();
  let needed: unknown[] | undefined = Array.from({ length: 1_000_000 }, (_, i) => ({ i }));
  const full = process.memoryUsage().heapTotal;
  expect(needed.length).toBe(1_000_000);
  needed = undefined;
  memory.now();
  expect(process.memoryUsage().heapTotal).toBeLessThan(full - 16 * MIB);
});

test('nothing is done while the process has not grown', () => {
  const memory = keepHeapSmall();
  memory.now();
  const began = performance.now();
  for (let i = 0; i < 1000; i++) memory.ifGrown();
  expect(performance.now() - began).toBeLessThan(1000);
});
