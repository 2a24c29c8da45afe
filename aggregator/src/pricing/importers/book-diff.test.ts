// Differences of two books: what is charged counts, not how the lists are written. Expectations are worked by hand.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AllowanceEntry, PriceBook, RateEntry } from '../book/format.ts';
import { diffBooks, percentText, type RateDifference, tierDifferences } from './book-diff.ts';
import { bookOf, pricesOf, rate } from './importers.testing.ts';

const REGIONS = ['eu-1', 'eu-2', 'us-1'];
const book = (rates: RateEntry[], parts: Partial<PriceBook> = {}) =>
  bookOf({ provider: 'aws', regions: REGIONS, rates, ...parts });

/** One line of a difference. */
function shape(difference: RateDifference): string {
  const { kind, directions, regions, peerRegions, old, new: next } = difference;
  const price = (one: typeof old) => one?.tiers.map(({ from, usdPerUnit }) => `${from}:${usdPerUnit}`).join(' ');
  return [
    ...[kind, difference.class ?? 'passing', difference.paths?.join('+'), difference.services?.join('+')],
    ...[difference.relations?.join('+'), difference.when && JSON.stringify(difference.when), directions.join('+')],
    ...[
      regions?.join('+') ?? 'any',
      `to ${peerRegions?.join('+') ?? 'any'}`,
      `${price(old) ?? '-'} → ${price(next) ?? '-'}`,
    ],
  ]
    .filter((part) => part !== undefined)
    .join(', ');
}

const shapes = (old: PriceBook, next: PriceBook) => diffBooks(old, next).rates.map(shape);

test('books that say the same in other words are the same', () => {
  const one = book(
    [
      rate({ class: 'cross-region', directions: ['out', 'in'], regions: ['*'], usdPerUnit: '0.02' }),
      rate({ class: 'internet', regions: ['@eu', 'us-1'] }),
    ],
    { groups: { eu: ['eu-*'] } },
  );
  const other = book([
    rate({ class: 'internet', regions: ['eu-*', 'us-1'] }),
    rate({ class: 'cross-region', directions: ['in'], regions: ['*'], usdPerUnit: '0.02' }),
    rate({ class: 'cross-region', regions: ['us-1'], usdPerUnit: '0.02', note: 'Another.' }),
    rate({ class: 'cross-region', regions: ['*', '!us-1'], tiers: [{ from: 0, usdPerUnit: '0.02' }] }),
  ]);
  expect(diffBooks(one, other)).toEqual({ rates: [], others: [] });
});

describe('what differs', () => {
  test('a price, for the regions and directions that it differs for', () => {
    const old = book([rate({ class: 'cross-zone', directions: ['out', 'in'], regions: REGIONS, usdPerUnit: '0.01' })]);
    const next = book([
      rate({ class: 'cross-zone', directions: ['out', 'in'], regions: ['us-1'], usdPerUnit: '0.01' }),
      rate({ class: 'cross-zone', directions: ['out', 'in'], regions: ['eu-1', 'eu-2'], usdPerUnit: '0.02' }),
    ]);
    expect(shapes(old, next)).toEqual(['changed, cross-zone, out+in, eu-1+eu-2, to any, 0:0.01 → 0:0.02']);
  });

  test('pairs of regions', () => {
    const old = book([rate({ class: 'cross-region', regions: ['*'], peerRegions: ['*'], usdPerUnit: '0.02' })]);
    const next = book([
      rate({ class: 'cross-region', regions: ['*', '!us-1'], peerRegions: ['*'], usdPerUnit: '0.02' }),
      rate({ class: 'cross-region', regions: ['us-1'], peerRegions: ['eu-*'], usdPerUnit: '0.03' }),
      rate({ class: 'cross-region', regions: ['us-1'], peerRegions: ['*', '!eu-*'], usdPerUnit: '0.02' }),
    ]);
    expect(shapes(old, next)).toEqual(['changed, cross-region, out, us-1, to eu-1+eu-2, 0:0.02 → 0:0.03']);
    expect(shapes(book([]), old)).toEqual(['added, cross-region, out, any, to any, - → 0:0.02']);
    expect(shapes(old, book([]))).toEqual(['removed, cross-region, out, any, to any, 0:0.02 → -']);
  });

  test('paths, services, relations: each list of its own', () => {
    const next = book([
      rate({
        class: 'provider-service',
        services: ['S3', 'EBS'],
        relations: ['same-zone', 'cross-zone'],
        usdPerUnit: '0',
      }),
      rate({ class: 'internet', paths: ['vpn', 'line'], usdPerUnit: '1' }),
      rate({ class: 'internet', usdPerUnit: '1' }),
    ]);
    expect(shapes(book([]), next)).toEqual([
      'added, provider-service, S3+EBS, same-zone+cross-zone, out, any, to any, - → 0:0',
      'added, internet, vpn+line, out, any, to any, - → 0:1',
      'added, internet, out, any, to any, - → 0:1',
    ]);
  });

  test('values of a switch', () => {
    const switches = { mode: { values: ['x', 'y', 'z'], default: 'x', note: 'Mode.' } };
    const old = book([rate({ class: 'internet', usdPerUnit: '1' })]);
    const next = book(
      [
        rate({ class: 'internet', when: { mode: 'x' }, usdPerUnit: '1' }),
        rate({ class: 'internet', when: { mode: ['y', 'z'] }, usdPerUnit: '2' }),
      ],
      { switches },
    );
    expect(shapes(old, next)).toEqual(['changed, internet, {"mode":["y","z"]}, out, any, to any, 0:1 → 0:2']);
    expect(diffBooks(old, next).others).toEqual(['switch mode: none → x, y, z; x by default']);
  });

  test('charges of middleboxes', () => {
    const nat = {
      paths: ['nat-gateway'],
      directions: ['out' as const],
      unit: 'GB',
      basis: 'exact' as const,
      sources: ['B1'],
    };
    const old = book([], { processing: [{ ...nat, usdPerUnit: '0.045' }] });
    const next = book([], {
      processing: [
        {
          ...nat,
          tiers: [
            { from: 0, usdPerUnit: '0.045' },
            { from: 10, usdPerUnit: '0.04' },
          ],
        },
      ],
    });
    expect(shapes(old, next)).toEqual(['changed, passing, nat-gateway, out, any, to any, 0:0.045 → 0:0.045 10:0.04']);
  });

  test('the basis alone is a kind of its own', () => {
    const next = book([rate({ class: 'internet', basis: 'disputed' })]);
    expect(shapes(book([rate({ class: 'internet' })]), next)).toEqual(['basis, internet, out, any, to any, 0:9 → 0:9']);
  });

  test('regions that one book does not know, and what any name would get', () => {
    const old = book([rate({ class: 'internet', regions: ['eu-*'], usdPerUnit: '1' })]);
    const next = book([rate({ class: 'internet', regions: ['eu-*', 'ap-1', '?'], usdPerUnit: '1' })], {
      regions: [...REGIONS, 'ap-1'],
    });
    expect(shapes(old, next)).toEqual(['added, internet, out, ?+ap-1, to any, - → 0:1']);
    expect(diffBooks(old, next).others).toEqual(['regions added: ap-1']);
  });

  test('units, free amounts and rules', () => {
    const free: AllowanceEntry = {
      ...{ name: 'free', amount: 1, unit: 'GB', class: 'internet', counts: 'inside-tiers' },
      ...{ basis: 'exact', sources: ['B1'] },
    };
    const old = book([rate({ class: 'internet' })], { allowances: [free] });
    const next = book([rate({ class: 'internet' })], {
      allowances: [{ ...free, amount: 100, regions: ['eu-1'] }],
      units: { ...old.units, GB: { bytes: 1e9, basis: 'disputed', sources: ['B1'] } },
      ipv6BetweenNetworksIsPublic: true,
    });
    expect(diffBooks(old, next)).toEqual({
      rates: [],
      others: [
        'unit GB: 1073741824 bytes, exact → 1000000000 bytes, disputed',
        'allowance free: 1 GB of internet, inside-tiers, exact → 100 GB of internet, inside-tiers, exact, in eu-1',
        'rule ipv6BetweenNetworksIsPublic: false → true',
      ],
    });
  });
});

test('every difference is one, and none is left out', () => {
  const price = fc.constantFrom('1', '2');
  const rates = fc
    .tuple(fc.array(fc.option(price, { nil: undefined }), { minLength: 9, maxLength: 9 }), fc.subarray(REGIONS))
    .map(([prices, twice]) =>
      REGIONS.flatMap((region, i) =>
        REGIONS.flatMap((peer, j) => {
          const usdPerUnit = prices[i * 3 + j];
          return i === j || usdPerUnit === undefined
            ? []
            : [
                rate({
                  class: 'cross-region',
                  directions: twice.includes(region) ? ['out', 'in'] : ['out'],
                  regions: [region],
                  peerRegions: [peer],
                  usdPerUnit,
                }),
              ];
        }),
      ),
    );
  fc.assert(
    fc.property(rates, rates, (a, b) => {
      const [old, next] = [book(a), book(b)];
      const expected: string[] = [];
      for (const direction of ['out', 'in'] as const) {
        for (const region of REGIONS) {
          for (const peerRegion of REGIONS) {
            if (region === peerRegion) continue;
            const [[from = '-'], [to = '-']] = [old, next].map((one) =>
              pricesOf(one, { class: 'cross-region', direction, region, peerRegion }),
            ) as [string[], string[]];
            if (from !== to) expected.push(`${direction} ${region} ${peerRegion} ${from} ${to}`);
          }
        }
      }
      const found = diffBooks(old, next).rates.flatMap((one) =>
        one.directions.flatMap((direction) =>
          (one.regions ?? REGIONS).flatMap((region) =>
            (one.peerRegions ?? REGIONS)
              .filter((peer) => peer !== region)
              .map(
                (peer) =>
                  `${direction} ${region} ${peer} ${one.old?.tiers[0]?.usdPerUnit ?? '-'} ${one.new?.tiers[0]?.usdPerUnit ?? '-'}`,
              ),
          ),
        ),
      );
      expect(found.toSorted()).toEqual(expected.toSorted());
    }),
  );
});

test.each([
  ['0.02', '0.025', '+25.00 %'],
  ['0.09', '0.08', '-11.11 %'],
  ['0.09', '0.0900009', '+0.00 %'],
  ['3', '4', '+33.33 %'],
  ['0.000000000003', '0.000000000005', '+66.67 %'],
  ['0.02', '0', '-100.00 %'],
  ['0', '0.02', undefined],
  [undefined, '0.02', undefined],
  ['0.02', undefined, undefined],
])('from %s to %s it is %s', (old, next, text) => {
  expect(percentText(old, next)).toBe(text);
});

test('tiers are compared at every bound of either', () => {
  const price = (...tiers: [number, string][]) => ({
    ...{ unit: 'GB', basis: 'exact' as const },
    tiers: tiers.map(([from, usdPerUnit]) => ({ from, usdPerUnit })),
  });
  expect(tierDifferences(price([0, '3'], [10, '2']), price([0, '3'], [5, '1']))).toEqual([
    { from: 0, old: '3', new: '3' },
    { from: 5, old: '3', new: '1' },
    { from: 10, old: '2', new: '1' },
  ]);
  expect(tierDifferences(undefined, price([0, '3']))).toEqual([{ from: 0, new: '3' }]);
});
