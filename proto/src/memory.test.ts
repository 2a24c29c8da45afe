import { expect, test } from 'vitest';
import { freeBytes } from './memory.ts';

test('what has a buffer of its own is given back, with the frame around it', () => {
  const alone = new Uint8Array(8192);
  freeBytes(alone);
  expect(alone.byteLength).toBe(0);
  const framed = new Uint8Array(8197).subarray(5);
  freeBytes(framed);
  expect([framed.byteLength, framed.buffer.byteLength]).toEqual([0, 0]);
});

test('a part of a larger buffer stays, and what is small', () => {
  const whole = new Uint8Array(16_384).fill(1);
  freeBytes(whole.subarray(0, 8192));
  expect(whole[0]).toBe(1);
  const small = Buffer.from('small');
  freeBytes(small);
  expect(small.toString()).toBe('small');
});
