// Exact numbers: the oracle is decimal text worked by hand, and the integers that the text was made of.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { csvRows } from './csv-rows.ts';
import { amountOfNanos, exactAmount, tierBound } from './exact-decimal.ts';
import { ExactNumber, parseExactJson } from './exact-json.ts';

describe('amounts', () => {
  test.each([
    ['0.0200000000', '0.02'],
    ['0.000', '0'],
    ['-0.0', '0'],
    ['0', '0'],
    ['12', '12'],
    ['007.50', '7.5'],
    ['8.7E-05', '0.000087'],
    ['5e-12', '0.000000000005'],
    ['1.25e2', '125'],
    ['0.1e1', '1'],
    ['999999.999999999999', '999999.999999999999'],
    ['0.08700000000000000000', '0.087'],
  ])('%s is %s', (text, usd) => {
    expect(exactAmount(text)).toEqual({ usd });
  });

  test.each([
    ['-0.02', 'price is negative'],
    ['0.0000000000001', 'price has more than 12 places'],
    ['5e-13', 'price has more than 12 places'],
    ['1000000', 'price is 1000000 USD or more'],
    ['1e6', 'price is 1000000 USD or more'],
    ['1e999', 'price is out of range'],
    ['0x10', 'price is no decimal number'],
    ['', 'price is no decimal number'],
    ['NaN', 'price is no decimal number'],
  ])('%s is refused', (text, refused) => {
    expect(exactAmount(text)).toEqual({ refused });
  });

  test('any amount of 12 places comes back digit by digit, however it is written', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 10n ** 18n - 1n), fc.integer({ min: -12, max: 12 }), (pico, shift) => {
        const digits = String(pico).padStart(13, '0');
        const plain = `${digits.slice(0, -12)}.${digits.slice(-12)}`;
        const expected = plain.replace(/\.?0+$/, '');
        expect(exactAmount(plain)).toEqual({ usd: expected });
        expect(exactAmount(`${pico}e-12`)).toEqual({ usd: expected });
        // The same number with the point moved and the exponent that undoes it.
        expect(exactAmount(`${pico}${'0'.repeat(12 + shift)}E${-24 - shift}`)).toEqual({ usd: expected });
      }),
    );
  });

  test.each([
    ['0', '120000000', { usd: '0.12' }],
    ['0', '1', { usd: '0.000000001' }],
    ['3', '0', { usd: '3' }],
    ['0', '0', { usd: '0' }],
    ['-1', '0', { refused: 'price is negative' }],
    ['0', '-5', { refused: 'price is negative' }],
    ['0', '1000000000', { refused: 'price is no decimal number' }],
  ])('%s units and %s billionths', (units, nanos, expected) => {
    expect(amountOfNanos(units, nanos)).toEqual(expected);
  });

  test('bounds of tiers', () => {
    expect(['0', '10240', '0.5', '-1', 'Inf', 'x'].map(tierBound)).toEqual([
      0,
      10240,
      0.5,
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe('JSON', () => {
  test('numbers keep their digits', () => {
    expect(parseExactJson('{"a":[0.087,1e-5,0.10,123456789012345678901],"b":"0.1","c":null,"d":true}', 'x')).toEqual({
      a: ['0.087', '1e-5', '0.10', '123456789012345678901'].map((text) => new ExactNumber(text)),
      ...{ b: '0.1', c: null, d: true },
    });
  });

  test('a document that was cut off is refused with its name', () => {
    expect(() => parseExactJson('{"Items":[{"retailPrice":0.0', 'page 2')).toThrow(
      /^page 2 is no JSON: .*; it may be cut off, or the page of an error: fetch it again$/,
    );
  });
});

describe('CSV', () => {
  test.each([
    [
      'a,b\r\nc,d\r\n',
      [
        ['a', 'b'],
        ['c', 'd'],
      ],
    ],
    [
      '"a ""b"", c",""\n,x',
      [
        ['a "b", c', ''],
        ['', 'x'],
      ],
    ],
    ['"two\nlines",z', [['two\nlines', 'z']]],
    [
      'a,\n\n\nb,c',
      [
        ['a', ''],
        ['b', 'c'],
      ],
    ],
    ['a,b,', [['a', 'b', '']]],
    ['"open, to the end', [['open, to the end']]],
    ['"a"b,c', [['ab', 'c']]],
    ['', []],
  ])('%j', (text, rows) => {
    expect([...csvRows(text)]).toEqual(rows);
  });

  test('whatever is written as CSV is read again', () => {
    const cell = fc.string({ unit: fc.constantFrom('a', ',', '"', '\n', '\r', ' ') });
    fc.assert(
      fc.property(fc.array(fc.array(cell, { minLength: 2, maxLength: 4 }), { maxLength: 5 }), (rows) => {
        const text = rows.map((row) => `${row.map((one) => `"${one.replaceAll('"', '""')}"`).join(',')}\r\n`).join('');
        expect([...csvRows(text)]).toEqual(rows);
      }),
    );
  });
});
