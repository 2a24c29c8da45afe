import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createLineReader } from './line-reader.ts';

test('lines are the same however they are cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: 'grapheme' }).map((line) => line.replaceAll('\n', ''))),
      fc.string().map((tail) => tail.replaceAll('\n', '')),
      fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }),
      (lines, tail, sizes) => {
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join('') + tail);
        const read: string[] = [];
        const take = createLineReader(1000, (line) => read.push(line), fail);
        for (let start = 0, cut = 0; start < bytes.length; cut++) {
          const size = sizes[cut % sizes.length]!;
          take(bytes.subarray(start, start + size));
          start += size;
        }
        expect(read).toEqual(lines.filter((line) => line !== ''));
      },
    ),
  );
});

test('a line that is too long is not kept, and costs no other, however it is cut', () => {
  const text = Buffer.from('one\n0123456789a\n0123456789\nlonger than that by far\ntwo\n');
  for (let size = 1; size <= text.length; size++) {
    const told: string[] = [];
    const take = createLineReader(
      10,
      (line) => told.push(line),
      (beginning) => told.push(`long ${beginning[0]}`),
    );
    for (let start = 0; start < text.length; start += size) take(text.subarray(start, start + size));
    expect(told).toEqual(['one', 'long 0', '0123456789', 'long l', 'two']);
  }
});

test('of a line that is too long the beginning is told, as soon as it is too long', () => {
  let beginning = '';
  const take = createLineReader(10_000, fail, (text) => {
    beginning = text;
  });
  for (let i = 0; i < 11; i++) take(Buffer.from(`${i % 10}`.repeat(1000)));
  expect(beginning).toBe(
    `${'0'.repeat(1000)}${'1'.repeat(1000)}${'2'.repeat(1000)}${'3'.repeat(1000)}${'4'.repeat(96)}`,
  );
});

test('who hears of a line that is too long may end it all', () => {
  const take = createLineReader(10, fail, () => {
    throw new Error('enough');
  });
  expect(() => take(Buffer.from('0123456789a'))).toThrow('enough');
});

function fail(): never {
  throw new Error('nothing was expected');
}
