// Importing over a base: a document that is made of a book gives that book's rates back, and nothing else of the base changes. What
// a book says is looked up pair by pair, by test code of its own; the seed of a failure is printed by fast-check.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PriceBook, RateEntry } from '../book/format.ts';
import { parsePriceBook } from '../book/read.ts';
import { diffBooks } from './book-diff.ts';
import { importPriceBook } from './import-book.ts';
import {
  type AwsProduct,
  awsOffer,
  bookOf,
  documentOf,
  entriesFor,
  pricesOf,
  rate,
  type Traffic,
} from './importers.testing.ts';
import { mergeReading } from './merge.ts';
import { groupPairs } from './pair-groups.ts';
import type { Reading, ReadRate } from './reading.ts';

const REGIONS = ['us-east-1', 'us-west-2', 'eu-west-1', 'eu-north-1', 'ap-south-1', 'sa-east-1'];

const usd = fc.bigInt(1n, 10n ** 12n).map((pico) => {
  const digits = String(pico).padStart(13, '0');
  return `${digits.slice(0, -12)}.${digits.slice(-12)}`.replace(/\.?0+$/, '');
});

/** A price for each of some pairs of regions, from a few prices so that lists can be shared. */
const pairs = (prices: fc.Arbitrary<string>, isDense: boolean) =>
  fc
    .array(isDense ? fc.integer({ min: 0, max: 2 }) : fc.integer({ min: -4, max: 2 }), { minLength: 36, maxLength: 36 })
    .chain((picks) =>
      fc.tuple(prices, prices, prices).map((three) =>
        REGIONS.flatMap((region, i) =>
          REGIONS.flatMap((peerRegion, j): [string, string, string][] => {
            const price = three[picks[i * 6 + j]!];
            return i === j || price === undefined ? [] : [[region, peerRegion, price]];
          }),
        ),
      ),
    );

const tiers = fc
  .uniqueArray(fc.integer({ min: 1, max: 1_000_000 }), { maxLength: 3 })
  .chain((bounds) =>
    fc
      .array(usd, { minLength: bounds.length + 1, maxLength: bounds.length + 1 })
      .map((prices) => [0, ...bounds.toSorted((a, b) => a - b)].map((from, i) => ({ from, usdPerUnit: prices[i]! }))),
  );

const BASES: Record<string, RateEntry[]> = {
  'by patterns': [
    rate({ class: 'cross-region', directions: ['out', 'in'], usdPerUnit: '7' }),
    rate({ class: 'internet', directions: ['out', 'in'], regions: ['*', '?'], usdPerUnit: '8' }),
    rate({ class: 'cross-zone', directions: ['out', 'in'], regions: ['us-*', '@rest'], usdPerUnit: '9' }),
  ],
  'by names': [
    rate({
      class: 'cross-region',
      directions: ['out', 'in'],
      regions: REGIONS.slice(0, 2),
      peerRegions: REGIONS,
      usdPerUnit: '7',
    }),
    rate({
      class: 'cross-region',
      directions: ['out', 'in'],
      regions: REGIONS.slice(2),
      peerRegions: REGIONS,
      usdPerUnit: '7',
    }),
    rate({ class: 'internet', directions: ['out', 'in'], regions: REGIONS, usdPerUnit: '8' }),
    rate({ class: 'cross-zone', directions: ['out', 'in'], regions: REGIONS, usdPerUnit: '9' }),
  ],
};

const baseOf = (kind: string): PriceBook =>
  parsePriceBook(
    {
      ...bookOf({ provider: 'aws', regions: REGIONS, rates: BASES[kind]! }),
      ...(kind === 'by patterns' ? { groups: { rest: ['eu-*', 'ap-*', 'sa-east-1'] } } : {}),
    },
    kind,
  );

const product = (
  sku: string,
  transferType: string,
  usagetype: string,
  from: string,
  to: string,
  steps: AwsProduct['tiers'],
): AwsProduct => ({
  sku,
  attributes: { transferType, usagetype, fromLocation: from, toLocation: to, ...code('from', from), ...code('to', to) },
  tiers: steps,
});

const code = (side: string, place: string) => (place === 'External' ? {} : { [`${side}RegionCode`]: place });

const inf = (price: string) => [['0', 'Inf', price]] as const;

describe.each(Object.keys(BASES))('over a base %s', (kind) => {
  const base = baseOf(kind);

  test('what a document says is in the book, what it does not say is as before', () => {
    const some = fc.record({
      crossRegion: fc.boolean().chain((isDense) => pairs(usd, isDense)),
      internet: fc.dictionary(fc.constantFrom(...REGIONS), tiers),
      zones: fc.dictionary(fc.constantFrom(...REGIONS), usd),
    });
    fc.assert(
      fc.property(some, ({ crossRegion, internet, zones }) => {
        fc.pre(crossRegion.length + Object.keys(internet).length + Object.keys(zones).length > 0);
        const expected = new Map<string, string>();
        const say = (traffic: Traffic, price: string) => expected.set(JSON.stringify(traffic), price);
        const products: AwsProduct[] = [];
        for (const [region, peerRegion, price] of crossRegion) {
          products.push(
            product(
              `P${region}${peerRegion}`,
              'InterRegion Outbound',
              'AAA1-BBB1-AWS-Out-Bytes',
              region,
              peerRegion,
              inf(price),
            ),
          );
          say({ class: 'cross-region', direction: 'out', region, peerRegion }, price);
        }
        for (const [region, steps] of Object.entries(internet)) {
          const ranges = steps.map(
            ({ from, usdPerUnit }, i) => [String(from), String(steps[i + 1]?.from ?? 'Inf'), usdPerUnit] as const,
          );
          products.push(product(`I${region}`, 'AWS Outbound', 'DataTransfer-Out-Bytes', region, 'External', ranges));
          const distinct = steps.filter((step, i) => step.usdPerUnit !== steps[i - 1]?.usdPerUnit);
          const text = distinct.map(({ from, usdPerUnit }) => `${from}:${usdPerUnit}`).join(' ');
          say({ class: 'internet', direction: 'out', region }, distinct.length === 1 ? distinct[0]!.usdPerUnit : text);
        }
        for (const [region, price] of Object.entries(zones)) {
          products.push(
            product(`Z${region}`, 'IntraRegion', 'DataTransfer-Regional-Bytes', region, region, inf(price)),
          );
          for (const direction of ['out', 'in'] as const) say({ class: 'cross-zone', direction, region }, price);
        }
        const { book } = importPriceBook('aws', [documentOf(awsOffer(products))], base);
        for (const direction of ['out', 'in'] as const) {
          for (const region of REGIONS) {
            const all: Traffic[] = [
              { class: 'internet', direction, region },
              { class: 'cross-zone', direction, region },
              ...REGIONS.filter((peer) => peer !== region).map((peerRegion) => ({
                class: 'cross-region' as const,
                direction,
                region,
                peerRegion,
              })),
            ];
            for (const traffic of all) {
              const read = expected.get(JSON.stringify(traffic));
              expect([traffic, pricesOf(book, traffic)]).toEqual([
                traffic,
                read === undefined ? pricesOf(base, traffic) : [read],
              ]);
              expect(entriesFor(book, traffic)[0]!.sources).toEqual([
                read === undefined ? 'B1' : 'AWSDataTransfer-20260916132208',
              ]);
            }
          }
        }
        const again = importPriceBook('aws', [documentOf(awsOffer(products))], book);
        expect(diffBooks(book, again.book)).toEqual({ rates: [], others: [] });
        // What no list names, a region newer than the book, is as before, too.
        for (const traffic of [
          { class: 'internet', direction: 'out', region: 'xx-new-1' },
          { class: 'cross-region', direction: 'out', region: 'xx-new-1', peerRegion: 'us-east-1' },
          { class: 'cross-region', direction: 'out', region: 'us-east-1', peerRegion: 'xx-new-1' },
        ] satisfies Traffic[]) {
          expect(pricesOf(book, traffic)).toEqual(pricesOf(base, traffic));
        }
      }),
      { numRuns: 150 },
    );
  });

  test('a book that is made of all pairs stays small', () => {
    const products = REGIONS.flatMap((region) =>
      REGIONS.filter((peer) => peer !== region).map((peer) =>
        product(
          `${region}${peer}`,
          'InterRegion Outbound',
          'AAA1-BBB1-AWS-Out-Bytes',
          region,
          peer,
          inf(region.startsWith('us') ? '0.01' : '0.02'),
        ),
      ),
    );
    const { book } = importPriceBook('aws', [documentOf(awsOffer(products))], base);
    const read = book.rates.filter((entry) => entry.class === 'cross-region' && entry.sources[0] !== 'B1');
    expect(read.map(({ regions, peerRegions }) => [regions, peerRegions])).toEqual([
      [['us-east-1', 'us-west-2'], REGIONS.toSorted()],
      [['ap-south-1', 'eu-north-1', 'eu-west-1', 'sa-east-1'], REGIONS.toSorted()],
    ]);
  });
});

describe('cutting rates', () => {
  const reading = (rates: Partial<ReadRate>[], parts: Partial<Reading> = {}): Reading => ({
    ...{ provider: 'aws', date: '2026-11-01', rowCount: 1, allowances: [], ignored: [], switches: {} },
    sources: { N1: { address: 'https://new.example/', date: '2026-11-01', kind: 'official API' } },
    rates: rates.map((one) => ({
      ...{ directions: ['out'], region: 'a', unit: 'GB', tiers: [{ from: 0, usdPerUnit: '1' }], source: 'N1', ...one },
    })),
    ...parts,
  });
  const base = (rates: RateEntry[], parts: Partial<PriceBook> = {}) =>
    bookOf({ provider: 'aws', regions: ['a', 'b'], rates, ...parts });
  const shape = ({ relations, paths, when, directions, regions, usdPerUnit }: RateEntry) =>
    Object.entries({ relations, paths, when, directions, regions, usdPerUnit })
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => `${key} ${JSON.stringify(value)}`)
      .join(', ');

  test('relations', () => {
    const { book } = mergeReading(
      reading([{ class: 'peered', relations: ['cross-zone'] }]),
      base([rate({ class: 'peered', regions: ['a', 'b'] })]),
    );
    expect(book.rates.map(shape)).toEqual([
      'relations ["cross-zone"], directions ["out"], regions ["a"], usdPerUnit "1"',
      'relations ["same-zone","same-region","cross-region","unknown"], directions ["out"], regions ["a","b"], usdPerUnit "9"',
      'relations ["cross-zone"], directions ["out"], regions ["b"], usdPerUnit "9"',
    ]);
  });

  test('switches, paths and directions', () => {
    const switches = { mode: { values: ['x', 'y', 'z'], default: 'x', note: 'Mode.' } };
    const { book } = mergeReading(
      reading([{ class: 'internet', path: 'vpn', when: { mode: 'y' } }], { switches }),
      base(
        [
          rate({ class: 'internet', paths: ['vpn', 'line'], directions: ['out', 'in'] }),
          rate({ class: 'internet', usdPerUnit: '8', when: { mode: ['x', 'y'] } }),
        ],
        { switches },
      ),
    );
    expect(book.rates.map(shape)).toEqual([
      'paths ["vpn"], when {"mode":"y"}, directions ["out"], regions ["a"], usdPerUnit "1"',
      'paths ["vpn","line"], directions ["in"], usdPerUnit "9"',
      'paths ["line"], directions ["out"], usdPerUnit "9"',
      'paths ["vpn"], when {"mode":["x","z"]}, directions ["out"], usdPerUnit "9"',
      'paths ["vpn"], when {"mode":"y"}, directions ["out"], regions ["*","?","!a"], usdPerUnit "9"',
      // A rate without a path is for what no path has; it is not the one that was read.
      'when {"mode":["x","y"]}, directions ["out"], usdPerUnit "8"',
    ]);
  });

  test('rates of single services are others', () => {
    const services = rate({ class: 'provider-service', services: ['S3'] });
    const { book, summary } = mergeReading(reading([{ class: 'provider-service' }]), base([services]));
    expect(book.rates.at(-1)).toEqual(services);
    expect(summary.base).toEqual({ replaced: 0, cut: 0, kept: 1 });
  });

  test('directions that no document says are the base’s', () => {
    const tgw = { paths: ['transit-gateway'], directions: ['in' as const], unit: 'GB', usdPerUnit: '5' };
    const { book } = mergeReading(
      reading([{ path: 'transit-gateway', areDirectionsAssumed: true }]),
      base([rate({ class: 'internet' })], { processing: [{ ...tgw, basis: 'exact', sources: ['B1'] }] }),
    );
    expect(book.processing?.map(({ directions, usdPerUnit, regions }) => [directions, usdPerUnit, regions])).toEqual([
      [['in'], '1', ['a']],
      [['in'], '5', ['*', '?', '!a']],
    ]);
  });

  test('pairs that were missing and now have a rate are no longer said to be missing', () => {
    const note = 'Not read.';
    const { book } = mergeReading(
      reading([{ class: 'cross-region', peerRegion: 'b' }]),
      base([rate({ class: 'cross-region', regions: ['c'], peerRegions: ['a', 'b'] })], {
        regions: ['a', 'b', 'c'],
        missing: [{ regions: ['a', 'b'], peerRegions: ['*'], note }],
      }),
    );
    // A region with itself is no traffic.
    expect(book.missing).toEqual([{ regions: ['a', 'b'], peerRegions: ['a', 'c'], note }]);
  });

  test('sources that nothing refers to any more are gone; one of the same name is kept apart', () => {
    const other = { address: 'https://old.example/', date: '2026-01-01', kind: 'official API' };
    const { book } = mergeReading(
      reading([{ class: 'internet' }, { class: 'internet', region: 'b' }]),
      base(
        [
          rate({ class: 'internet', regions: ['a', 'b'], sources: ['N0'] }),
          rate({ class: 'same-zone', sources: ['N1'] }),
        ],
        {
          sources: { ...base([]).sources, N0: other, N1: other },
        },
      ),
    );
    expect(Object.keys(book.sources)).toEqual(['B1', 'N1', 'N1-2']);
    expect(book.rates.map(({ sources }) => sources)).toEqual([['N1-2'], ['N1']]);
  });

  test.each([
    [
      'another provider’s base',
      { provider: 'gcp' },
      {},
      "the documents are aws's, the base book is gcp's; give --base a book of aws",
    ],
    [
      'a unit that the base does not know',
      {},
      { unit: 'TB' },
      'the documents price by TB, and the base book has no such unit: add it to units there, with its bytes, which no API says',
    ],
  ])('%s is refused', (_, book, one, message) => {
    expect(() =>
      mergeReading(reading([{ class: 'internet', ...one }]), { ...base([rate({ class: 'internet' })]), ...book }),
    ).toThrow(message);
  });

  test('a value that the base’s switch does not have is counted', () => {
    const switches = { mode: { values: ['x', 'y'], default: 'x', note: 'Mode.' } };
    const { summary } = mergeReading(
      reading([{ class: 'internet' }, { class: 'internet', when: { mode: 'z' } }]),
      base([rate({ class: 'internet', when: { mode: 'x' } })], { switches }),
    );
    expect(summary.ignored).toEqual([
      { reason: "base book's switch mode has no value z", count: 1, examples: ['internet a z 1'] },
    ]);
  });

  test('documents older than the base are remarked', () => {
    const { summary } = mergeReading(
      reading([{ class: 'internet' }], { date: '2025-12-31' }),
      base([rate({ class: 'internet' })]),
    );
    expect(summary.remarks).toEqual(['the documents are of 2025-12-31, older than the base book of 2026-01-31']);
  });
});

test('grouped pairs are the pairs, each once, and a region with itself in one group at most', () => {
  fc.assert(
    fc.property(pairs(fc.constantFrom('1', '2'), false), (some) => {
      const taken = new Set<string>();
      const found: string[] = [];
      for (const price of ['1', '2']) {
        const peersOf = new Map<string, Set<string>>();
        for (const [region, peer, one] of some) {
          if (one === price) peersOf.set(region, (peersOf.get(region) ?? new Set()).add(peer));
        }
        for (const { regions, peerRegions } of groupPairs(peersOf, taken)) {
          for (const region of regions)
            for (const peer of peerRegions) found.push(`${region} ${peer} ${region === peer ? '' : price}`);
        }
      }
      expect(new Set(found).size).toBe(found.length);
      expect(found.filter((one) => !one.endsWith(' ')).toSorted()).toEqual(some.map((one) => one.join(' ')).toSorted());
    }),
  );
});
