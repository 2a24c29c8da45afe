import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ByteRate, byteRate, costOf, fraction, parseUsd } from './money.ts';

const GIB = 2 ** 30;

/** So many picodollars for a unit. */
function perUnit(pico: bigint, unitBytes: number): ByteRate {
  return byteRate(fraction(pico, BigInt(unitBytes)));
}

describe('parseUsd', () => {
  const good: [string, bigint][] = [
    ['0', 0n],
    ['0.01', 10_000_000_000n],
    ['0.1105', 110_500_000_000n],
    ['999999.999999999999', 999_999_999_999_999_999n],
    ['0.000000000001', 1n],
  ];
  it.each(good)('%s', (text, pico) => {
    expect(parseUsd(text)).toBe(pico);
  });

  it.each(['', '.1', '1.', '-1', '1e3', '01', '0.0000000000001', '1000000', ' 1', '1,5'])('refuses "%s"', (text) => {
    expect(() => parseUsd(text)).toThrow(expect.objectContaining({ code: 'PRICE_BOOK_INVALID' }));
  });
});

describe('costOf', () => {
  const rows: { name: string; bytes: number; usd: string; unit: number; cost: bigint }[] = [
    { name: 'one GiB costs the rate', bytes: GIB, usd: '0.09', unit: GIB, cost: 90_000_000_000n },
    { name: 'nothing costs nothing', bytes: 0, usd: '0.09', unit: GIB, cost: 0n },
    // 0.01 / 2^30 = 9.3132257461548e-12 USD a byte
    { name: 'one byte at 0.01', bytes: 1, usd: '0.01', unit: GIB, cost: 9n },
    // 4 x 9.3132… = 37.25…
    { name: 'rounds down below a half', bytes: 4, usd: '0.01', unit: GIB, cost: 37n },
    // 2 x 9.3132… = 18.626…
    { name: 'rounds up above a half', bytes: 2, usd: '0.01', unit: GIB, cost: 19n },
    // exactly 0.5, 1.5 and 2.5 of the last place
    { name: 'half goes to even, down', bytes: 1, usd: '0.000000000001', unit: 2, cost: 0n },
    { name: 'half goes to even, up', bytes: 3, usd: '0.000000000001', unit: 2, cost: 2n },
    { name: 'half goes to even, down again', bytes: 5, usd: '0.000000000001', unit: 2, cost: 2n },
    // 100,000,000,001 x 100,001 = 10,000,100,000,100,001, above 2^53; half of it ends in .5
    {
      name: 'half goes to even, down, in large numbers',
      bytes: 100_001,
      usd: '0.100000000001',
      unit: 2,
      cost: 5_000_050_000_050_000n,
    },
    // 100,000,000,001 x 100,003 = 10,000,300,000,100,003
    {
      name: 'half goes to even, up, in large numbers',
      bytes: 100_003,
      usd: '0.100000000001',
      unit: 2,
      cost: 5_000_150_000_050_002n,
    },
    // 2^53 x 0.1 / 2^30 = 2^23 x 0.1 = 838860.8
    { name: '2^53 bytes', bytes: 2 ** 53, usd: '0.1', unit: GIB, cost: 838_860_800_000_000_000n },
    // 1,234,567,890,123 x 0.087 / 10^9 = 107.407406440701
    { name: 'decimal gigabytes', bytes: 1_234_567_890_123, usd: '0.087', unit: 1e9, cost: 107_407_406_440_701n },
  ];
  it.each(rows)('$name', ({ bytes, usd, unit, cost }) => {
    expect(costOf(perUnit(parseUsd(usd), unit), bytes)).toBe(cost);
  });

  it('refuses a cost of a million dollars and takes one below', () => {
    // 10^15 bytes = 10^6 GB at 1 USD
    const rate = perUnit(parseUsd('1'), 1e9);
    expect(() => costOf(rate, 1e15)).toThrow(expect.objectContaining({ code: 'PRICE_OVERFLOW' }));
    expect(costOf(rate, 1e15 - 1)).toBe(999_999_999_999_999_000n);
  });

  it('is the exact quotient, rounded half-even, for any bytes and rate', () => {
    const unit = fc.constantFrom(GIB, 1e9, 2, 3, 7919);
    const bytes = fc.oneof(fc.nat(1e6), fc.integer({ min: 0, max: 2 ** 53 }));
    fc.assert(
      fc.property(bytes, fc.bigInt(0n, 99_999_999n), unit, (count, pico, unitBytes) => {
        const numerator = BigInt(count) * pico;
        fc.pre(numerator < 999_999n * 10n ** 12n * BigInt(unitBytes)); // above, the cost is refused
        const cost = costOf(perUnit(pico, unitBytes), count);
        // |cost x unit - product| <= unit / 2, and a tie is even
        const off = 2n * (cost * BigInt(unitBytes) - numerator);
        const distance = off < 0n ? -off : off;
        expect(distance <= BigInt(unitBytes)).toBe(true);
        expect(distance === BigInt(unitBytes) && cost % 2n !== 0n).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });

  it('changes by at most half a unit of the 12th place per row when a flow is split', () => {
    const parts = fc.array(fc.nat(2 ** 40), { minLength: 1, maxLength: 20 });
    const usd = fc.constantFrom('0.01', '0.02', '0.09', '0.1105', '0.087');
    fc.assert(
      fc.property(parts, usd, fc.constantFrom(GIB, 1e9), (bytes, rateText, unit) => {
        const rate = perUnit(parseUsd(rateText), unit);
        const whole = costOf(
          rate,
          bytes.reduce((sum, part) => sum + part, 0),
        );
        const split = bytes.map((part) => costOf(rate, part)).reduce((sum, part) => sum + part, 0n);
        const difference = split > whole ? split - whole : whole - split;
        // Half a unit for each part and half a unit for the whole.
        expect(2n * difference <= BigInt(bytes.length + 1)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  it('of two counts of bytes is the exact sum, rounded once', () => {
    const count = fc.oneof(fc.nat(1e6), fc.integer({ min: 0, max: 2 ** 32 }));
    const rate = fc.record({ pico: fc.bigInt(0n, 99_999_999n), unit: fc.constantFrom(GIB, 1e9, 3, 7919) });
    fc.assert(
      fc.property(count, count, rate, rate, (sent, received, a, b) => {
        const cost = costOf(
          byteRate(fraction(a.pico, BigInt(a.unit)), fraction(b.pico, BigInt(b.unit))),
          sent,
          received,
        );
        const unit = BigInt(a.unit) * BigInt(b.unit);
        const exact = BigInt(sent) * a.pico * BigInt(b.unit) + BigInt(received) * b.pico * BigInt(a.unit);
        const off = 2n * (cost * unit - exact);
        const distance = off < 0n ? -off : off;
        expect(distance <= unit).toBe(true);
        expect(distance === unit && cost % 2n !== 0n).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });
});
