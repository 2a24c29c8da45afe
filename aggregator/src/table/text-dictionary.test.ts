import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TextDictionary } from './text-dictionary.ts';

/** As addresses and pods are: alike but for a few characters. */
const text = fc.oneof(
  fc.string({ maxLength: 3 }),
  fc.nat(2000).map((i) => `10.0.${i >> 8}.${i & 255}`),
  fc.nat(500).map((i) => `web-7d4b9c6f5-${i.toString(36)}`),
);

test('numbers texts from 1 as they come, as a Map would, also after it was cleared', () => {
  const dictionary = new TextDictionary();
  fc.assert(
    fc.property(fc.array(text, { maxLength: 1500, size: 'max' }), (texts) => {
      dictionary.clear();
      const numbers = new Map<string, number>();
      for (const each of texts) {
        expect(dictionary.find(each)).toBe(numbers.get(each) ?? 0);
        if (!numbers.has(each)) numbers.set(each, numbers.size + 1);
        expect(dictionary.add(each)).toBe(numbers.get(each));
      }
      expect(dictionary.values).toEqual(['', ...numbers.keys()]);
      for (const [each, number] of numbers) expect(dictionary.find(each)).toBe(number);
    }),
    { numRuns: 50 },
  );
});

test('the empty text is a text', () => {
  const dictionary = new TextDictionary();
  expect(dictionary.find('')).toBe(0);
  expect([dictionary.add(''), dictionary.find('')]).toEqual([1, 1]);
});

test('a hundred thousand texts keep their numbers', () => {
  const dictionary = new TextDictionary();
  const texts = Array.from({ length: 100_000 }, (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
  expect(texts.map((each) => dictionary.add(each))).toEqual(texts.map((_, i) => i + 1));
  expect(texts.map((each) => dictionary.find(each))).toEqual(texts.map((_, i) => i + 1));
});
