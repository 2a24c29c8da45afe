// Statements worked by hand: small tiers, units of 1000 bytes.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultPricing } from './config/read.ts';
import { createPricing } from './pricing.ts';
import { settle, type Usage } from './settle.ts';
import { at, TO_INTERNET, testBook, testRate, testRow } from './testing.ts';

const USD = 1_000_000_000_000n;
const TIERS = [
  { from: 0, usdPerUnit: '0.1' },
  { from: 100, usdPerUnit: '0.05' },
  { from: 150, usdPerUnit: '0.01' },
];
const FREE = { name: 'free', amount: 10, unit: 'KB', class: 'internet', basis: 'exact', sources: ['S'] };
const BOOK = testBook({
  rates: [testRate({ class: 'internet', usdPerUnit: undefined, tiers: TIERS })],
  allowances: [{ ...FREE, counts: 'before-tiers' }],
});
const IN_TIERS = testBook({
  rates: [testRate({ class: 'internet', usdPerUnit: undefined, tiers: TIERS, pool: 'everywhere' })],
  allowances: [{ ...FREE, counts: 'inside-tiers' }],
});

/** What so many bytes to the internet are, by the decision that rows get. */
function usageOf(
  book: typeof BOOK,
  bytes: number,
  fields: { region?: string; isPrior?: boolean; percent?: string } = {},
): Usage {
  const { region = 'r1', percent, isPrior = false } = fields;
  const discounts = percent === undefined ? {} : { discounts: [{ percent, provider: 'aws' }] };
  const pricing = createPricing({ books: [book], config: { version: 1, ...discounts } });
  const { out } = pricing.decision(testRow({ ...at('aws', region), ...TO_INTERNET }));
  return {
    term: out.terms[0]!,
    provider: 'aws',
    bookId: 'aws@2026-01-01',
    bytes: BigInt(bytes),
    isPrior,
  };
}

const short = (usage: Usage[]) =>
  settle(usage).lines.map(({ region, allowance, tierFrom, bytes, usdPerUnit, amount }) => [
    region,
    allowance ?? tierFrom,
    Number(bytes),
    usdPerUnit,
    amount,
  ]);

describe('settle', () => {
  it('takes a free amount off first, then fills tier by tier', () => {
    // 200 KB: 10 free, 100 x 0.1 = 10, 50 x 0.05 = 2.5, 40 x 0.01 = 0.4
    expect(short([usageOf(BOOK, 200_000)])).toEqual([
      ['r1', 'free', 10_000, '0', 0n],
      ['r1', 0, 100_000, '0.1', 10n * USD],
      ['r1', 100, 50_000, '0.05', (5n * USD) / 2n],
      ['r1', 150, 40_000, '0.01', (2n * USD) / 5n],
    ]);
  });

  it('lets tiers count a free amount that is inside of them', () => {
    // 200 KB: 10 free, 90 x 0.1 = 9, 50 x 0.05 = 2.5, 50 x 0.01 = 0.5
    expect(short([usageOf(IN_TIERS, 200_000)])).toEqual([
      ['r1', 'free', 10_000, '0', 0n],
      ['r1', 0, 90_000, '0.1', 9n * USD],
      ['r1', 100, 50_000, '0.05', (5n * USD) / 2n],
      ['r1', 150, 50_000, '0.01', USD / 2n],
    ]);
  });

  it('counts each region by itself, and the free amount once', () => {
    const { lines, assumptions } = settle([usageOf(BOOK, 6_000), usageOf(BOOK, 110_000, { region: 'r2' })]);
    expect(
      lines.map(({ region, allowance, tierFrom, bytes }) => [region, allowance ?? tierFrom, Number(bytes)]),
    ).toEqual([
      ['r1', 'free', 6_000],
      ['r2', 'free', 4_000],
      ['r2', 0, 100_000],
      ['r2', 100, 6_000],
    ]);
    expect(assumptions).toEqual([expect.stringMatching(/"free" of aws .* by r1, r2/)]);
  });

  it('counts a named pool over all regions', () => {
    expect(short([usageOf(IN_TIERS, 110_000), usageOf(IN_TIERS, 1_000, { region: 'r2' })]).at(-1)).toEqual([
      'r2',
      100,
      1_000,
      '0.05',
      USD / 20n,
    ]);
  });

  it('goes on after what was on an earlier bill', () => {
    // The 155 KB before have used the free 10 and 145 of the tiers: 5 left at 0.05, then 0.01.
    expect(short([usageOf(BOOK, 155_000, { isPrior: true }), usageOf(BOOK, 10_000)])).toEqual([
      ['r1', 100, 5_000, '0.05', USD / 4n],
      ['r1', 150, 5_000, '0.01', USD / 20n],
    ]);
  });

  it('gives bytes of different discounts lines of their own, in the same tiers', () => {
    // 60 KB at 10 % off: 10 free, 50 x 0.1 x 0.9 = 4.5; then 60 KB: 50 x 0.1 = 5, 10 x 0.05 = 0.5
    expect(short([usageOf(BOOK, 60_000, { percent: '10' }), usageOf(BOOK, 60_000)])).toEqual([
      ['r1', 'free', 10_000, '0', 0n],
      ['r1', 0, 50_000, '0.1', (9n * USD) / 2n],
      ['r1', 0, 50_000, '0.1', 5n * USD],
      ['r1', 100, 10_000, '0.05', USD / 2n],
    ]);
  });

  it('bills a month the same however it is cut into pieces', () => {
    const pieces = fc.array(fc.nat(80_000), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(pieces, fc.constantFrom(BOOK, IN_TIERS), (bytes, book) => {
        const whole = bytes.reduce((sum, part) => sum + part, 0);
        expect(settle(bytes.map((part) => usageOf(book, part))).total).toBe(settle([usageOf(book, whole)]).total);
      }),
    );
  });

  it('never bills more for less', () => {
    fc.assert(
      fc.property(fc.nat(400_000), fc.nat(400_000), fc.constantFrom(BOOK, IN_TIERS), (a, b, book) => {
        const [less, more] = [Math.min(a, b), Math.max(a, b)];
        expect(settle([usageOf(book, less)]).total <= settle([usageOf(book, more)]).total).toBe(true);
      }),
    );
  });

  it('knows every byte again', () => {
    const { books } = defaultPricing();
    const aws = books.find((book) => book.provider === 'aws')!;
    fc.assert(
      fc.property(fc.array(fc.nat(2 ** 45), { minLength: 1, maxLength: 8 }), (bytes) => {
        const { lines } = settle(bytes.map((part) => usageOf(aws, part, { region: 'us-east-1' })));
        const sum = lines.reduce(
          (total, line) => total + line.quantity.numerator * (BigInt(line.unitBytes) / line.quantity.denominator),
          0n,
        );
        expect(sum).toBe(BigInt(bytes.reduce((total, part) => total + part, 0)));
      }),
    );
  });
});
