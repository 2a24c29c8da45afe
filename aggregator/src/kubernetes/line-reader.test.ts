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
        const take = createLineReader(1000, (line) => read.push(line));
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

test('a line that is too long is not kept, whether it ends or not', () => {
  const take = () => createLineReader(10, () => undefined);
  take()(Buffer.from('0123456789\n0123456789\n'));
  expect(() => take()(Buffer.from('0123456789a\n'))).toThrow('an event is larger than 10 bytes');
  const reader = take();
  reader(Buffer.from('0123456'));
  expect(() => reader(Buffer.from('789ab'))).toThrow('an event is larger than 10 bytes');
});
