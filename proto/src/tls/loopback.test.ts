// What counts as staying on this machine: a mistake here would send flows and tokens in the clear.
import { expect, test } from 'vitest';
import { hostOf, isLoopback } from './loopback.ts';

test.each([
  ['localhost:4460', 'localhost', true],
  ['localhost', 'localhost', true],
  ['127.0.0.1:4460', '127.0.0.1', true],
  ['127.9.9.9', '127.9.9.9', true],
  ['[::1]:4460', '::1', true],
  ['::1', '::1', true],
  ['127.0.0.1.example.com:4460', '127.0.0.1.example.com', false],
  ['localhost.example.com:4460', 'localhost.example.com', false],
  ['10.0.0.1:4460', '10.0.0.1', false],
  ['0.0.0.0:4460', '0.0.0.0', false],
  ['[::]:4460', '::', false],
  ['::', '::', false],
  ['[fd00::127]:4460', 'fd00::127', false],
  ['flowtoll-aggregator:4460', 'flowtoll-aggregator', false],
])('%s is %s, on this machine: %s', (address, host, expected) => {
  expect(hostOf(address)).toBe(host);
  expect(isLoopback(address)).toBe(expected);
});
