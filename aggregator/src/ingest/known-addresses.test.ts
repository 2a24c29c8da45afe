import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addressText } from './address-text.ts';
import { KnownAddresses } from './known-addresses.ts';

const textOf = (known: KnownAddresses, number: number) => known.texts[number];

/** Few addresses, so that some come again, as whole ones and as prefixes, and as both families with the same first bytes. */
const address = fc.record({
  bytes: fc.array(fc.constantFrom(0, 1, 10, 255), { minLength: 16, maxLength: 16 }),
  rest: fc.constantFrom(0, 1, 255),
  isV6: fc.boolean(),
  bits: fc.constantFrom(0, 24, 32, 128),
});

test('texts are those of addressText, whatever came before', () => {
  const known = new KnownAddresses();
  fc.assert(
    fc.property(fc.array(address, { maxLength: 200 }), (addresses) => {
      for (const { bytes, rest, isV6, bits } of addresses) {
        const slots = Uint8Array.from([9, ...bytes.slice(0, 2), ...new Array<number>(14).fill(rest)]);
        const expected = addressText(slots, 1, isV6, bits);
        expect(textOf(known, known.number(slots, 1, isV6, bits))).toBe(expected);
        expect(textOf(known, known.number(slots, 1, isV6, bits))).toBe(expected);
      }
    }),
  );
});

test('more addresses than are kept, twice', () => {
  const known = new KnownAddresses();
  const slots = new Uint8Array(16);
  for (let i = 0; i < 600_000; i++) {
    const n = i % 300_000;
    slots.set([10, n >> 16, (n >> 8) & 255, n & 255]);
    known.makeRoom(1);
    const text = textOf(known, known.number(slots, 0, false, 32));
    if (text !== `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`) expect(text).toBe(String(n));
  }
  expect(known.texts.length).toBe(600_000 - 2 * 2 ** 18);
});

test('what follows an IPv4 address in its slot is not a part of it', () => {
  const known = new KnownAddresses();
  expect(textOf(known, known.number(Uint8Array.of(10, 0, 0, 1, ...new Array<number>(12).fill(7)), 0, false, 32))).toBe(
    '10.0.0.1',
  );
  expect(textOf(known, known.number(Uint8Array.of(10, 0, 0, 1, ...new Array<number>(12).fill(0)), 0, true, 128))).toBe(
    'a00:1::',
  );
});

test('an address has one number', () => {
  const known = new KnownAddresses();
  const numbers = new Set<number>();
  const numberOf = (n: number) => known.number(Uint8Array.of(10, n >> 16, (n >> 8) & 255, n & 255), 0, false, 32);
  for (let n = 0; n < 100_000; n++) numbers.add(numberOf(n));
  expect(numbers.size).toBe(100_000);
  for (let n = 0; n < 100_000; n++)
    if (textOf(known, numberOf(n)) !== `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`) expect(n).toBe(-1);
  expect(numberOf(77)).toBe(77);
});
