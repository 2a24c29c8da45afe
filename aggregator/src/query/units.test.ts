import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bytesText, percent, percentText, secondText, usdExact, usdText } from './units.ts';

describe('bytes have three significant digits', () => {
  for (const [bytes, text] of [
    [0n, '0 B'],
    [1023n, '1023 B'],
    [1024n, '1.00 KiB'],
    [10_239n, '10.0 KiB'],
    [1_048_575n, '1.00 MiB'],
    [1023n * 1024n ** 3n, '1023 GiB'],
    [5_000_000_000n, '4.66 GiB'],
    [2n ** 63n, '8.00 EiB'],
    [2n ** 80n, '1048576 EiB'],
  ] as const) {
    test(`${bytes} is ${text}`, () => {
      expect(bytesText(bytes)).toBe(text);
    });
  }
});

describe('dollars', () => {
  for (const [pico, text] of [
    [0n, '$0'],
    [1n, '$0.000000000001'],
    [8_910_000n, '$0.0000089'],
    [9_999_999_999n, '$0.0100'],
    [10_000_000_000n, '$0.0100'],
    [123_456_789_012n, '$0.1235'],
    [1_005_000_000_000n, '$1.01'],
    [-1_234_567_890_000_000_000n, '-$1,234,567.89'],
  ] as const) {
    test(`${pico} × 1e-12 USD is ${text}`, () => {
      expect(usdText(pico)).toBe(text);
    });
  }

  test('no sum but zero is shown as zero, and what is shown is within one per cent', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: 10n ** 24n }), (pico) => {
        const shown = Number(usdText(pico).replaceAll(/[$,]/g, ''));
        expect(shown).toBeGreaterThan(0);
        expect(Math.abs(shown - Number(pico) / 1e12) / (Number(pico) / 1e12)).toBeLessThan(0.051);
      }),
    );
  });

  test('exact text has twelve decimals', () => {
    expect([0n, 1n, -1n, 10n ** 20n].map(usdExact)).toEqual([
      '0.000000000000',
      '0.000000000001',
      '-0.000000000001',
      '100000000.000000000000',
    ]);
  });
});

describe('times', () => {
  test('an instant', () => expect(secondText(Date.UTC(2026, 0, 31, 23, 59, 58, 999))).toBe('2026-01-31 23:59:58'));
});

describe('shares', () => {
  test.each([
    [0n, 5n, '0%', 0],
    [5n, 5n, '100%', 100],
    [1n, 4n, '25.0%', 25],
    [1n, 3000n, '<0.1%', 0.0333],
    [2999n, 3000n, '>99.9%', 99.9667],
    [1n, 2000n, '0.1%', 0.05],
    [30n, 4n, '750.0%', 750],
    [-1n, 4n, '-25.0%', -25],
    [-1n, 3000n, '-<0.1%', -0.0333],
    [1n, 0n, '–', null],
  ])('%s of %s is %s', (part, whole, text, number) => {
    expect(percentText(part, whole)).toBe(text);
    expect(percent(part, whole)).toBe(number);
  });
});
