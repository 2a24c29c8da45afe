import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { defaultPriceBooks } from './default-books.ts';
import { parsePriceBook, priceBookId, priceBookJsonSchema } from './price-book.ts';

const RATE = { class: 'internet', directions: ['out'], usdPerUnit: '0.09', basis: 'exact', sources: ['S'] };
const BOOK = {
  formatVersion: 1,
  provider: 'aws',
  date: '2026-11-23',
  currency: 'USD',
  unit: { name: 'GB', bytes: 1073741824, basis: 'exact', sources: ['S'] },
  rates: [RATE],
  sources: { S: { address: 'https://example.com/prices', date: '2026-11-01', kind: 'official-page' } },
};

const wrong: { name: string; document: unknown; says: RegExp }[] = [
  { name: 'no book at all', document: 'text', says: /expected object/ },
  {
    name: 'a rate as a number',
    document: { ...BOOK, rates: [{ ...RATE, usdPerUnit: 0.09 }] },
    says: /rates\.0\.usdPerUnit/,
  },
  {
    name: 'too many places',
    document: { ...BOOK, rates: [{ ...RATE, usdPerUnit: '0.0000000000001' }] },
    says: /usdPerUnit/,
  },
  { name: 'a date that is none', document: { ...BOOK, date: '2026-13-01' }, says: /date/ },
  { name: 'another currency', document: { ...BOOK, currency: 'EUR' }, says: /currency/ },
  { name: 'an unknown class', document: { ...BOOK, rates: [{ ...RATE, class: 'moon' }] }, says: /rates\.0\.class/ },
  { name: 'an unknown key', document: { ...BOOK, rates: [{ ...RATE, usdPerGb: '1' }] }, says: /usdPerGb/ },
  {
    name: 'a source that is not listed',
    document: { ...BOOK, rates: [{ ...RATE, sources: ['A9'] }] },
    says: /rates\.0: source A9/,
  },
  {
    name: 'neither rate nor tiers',
    document: { ...BOOK, rates: [{ ...RATE, usdPerUnit: undefined }] },
    says: /either usdPerUnit or tiers/,
  },
  {
    name: 'rate and tiers',
    document: { ...BOOK, rates: [{ ...RATE, tiers: [{ from: 0, usdPerUnit: '1' }] }] },
    says: /either usdPerUnit or tiers/,
  },
  {
    name: 'tiers that do not ascend',
    document: {
      ...BOOK,
      rates: [
        {
          ...RATE,
          usdPerUnit: undefined,
          tiers: [
            { from: 0, usdPerUnit: '1' },
            { from: 0, usdPerUnit: '2' },
          ],
        },
      ],
    },
    says: /must ascend/,
  },
  {
    name: 'an unknown group',
    document: { ...BOOK, rates: [{ ...RATE, regions: ['@moon'] }] },
    says: /@moon is not in groups/,
  },
  {
    name: 'two rates for one thing',
    document: { ...BOOK, rates: [RATE, RATE] },
    says: /rates\.0 and rates\.1 both price/,
  },
  {
    name: 'a pattern that also holds a named region',
    document: {
      ...BOOK,
      rates: [
        { ...RATE, regions: ['us-east-1'] },
        { ...RATE, regions: ['us-*'] },
      ],
    },
    says: /rates\.0 and rates\.1 both price/,
  },
];

describe('parsePriceBook', () => {
  it('takes a good book and names it by provider and date', () => {
    expect(priceBookId(parsePriceBook(BOOK, 'test'))).toBe('aws@2026-11-23');
  });

  it('takes patterns that leave out what another rate names', () => {
    const rates = [
      { ...RATE, regions: ['us-east-1'] },
      { ...RATE, regions: ['us-*', '!us-east-1'] },
    ];
    expect(parsePriceBook({ ...BOOK, rates }, 'test').rates).toHaveLength(2);
  });

  it.each(wrong)('refuses $name', ({ document, says }) => {
    expect(() => parsePriceBook(document, 'test.json')).toThrow(
      expect.objectContaining({ code: 'PRICE_BOOK_INVALID', message: expect.stringMatching(says) }),
    );
  });
});

describe('default books', () => {
  it('cover three providers', () => {
    expect(defaultPriceBooks().map(priceBookId)).toEqual(['aws@2026-11-23', 'gcp@2026-11-23', 'azure@2026-11-23']);
  });

  it('count a gigabyte as each provider does', () => {
    const bytes = defaultPriceBooks().map((book) => book.unit.bytes);
    expect(bytes).toEqual([1_073_741_824, 1_073_741_824, 1_000_000_000]);
  });

  // Typed in from the price pages' tables, one row of each.
  const internet: [book: number, region: string, tiers: [from: number, usd: string][]][] = [
    [
      0,
      'us-east-1',
      [
        [0, '0.09'],
        [10240, '0.085'],
        [51200, '0.07'],
        [153600, '0.05'],
      ],
    ],
    [
      0,
      'sa-east-1',
      [
        [0, '0.15'],
        [10240, '0.138'],
        [51200, '0.126'],
        [153600, '0.114'],
      ],
    ],
    [
      0,
      'ap-southeast-2',
      [
        [0, '0.114'],
        [10240, '0.098'],
        [51200, '0.094'],
        [153600, '0.092'],
      ],
    ],
    [
      0,
      'us-gov-west-1',
      [
        [0, '0.155'],
        [10240, '0.115'],
        [51200, '0.09'],
        [153600, '0.065'],
      ],
    ],
    [
      1,
      'us-central1',
      [
        [0, '0.12'],
        [1024, '0.11'],
        [10240, '0.08'],
      ],
    ],
    [
      1,
      'europe-west4',
      [
        [0, '0.12'],
        [1024, '0.11'],
        [10240, '0.085'],
      ],
    ],
    [
      1,
      'asia-northeast1',
      [
        [0, '0.12'],
        [10240, '0.085'],
      ],
    ],
    [
      1,
      'me-central1',
      [
        [0, '0.15'],
        [1024, '0.13'],
        [10240, '0.11'],
      ],
    ],
    [
      2,
      'westeurope',
      [
        [0, '0'],
        [100, '0.087'],
        [10335, '0.083'],
        [51295, '0.07'],
        [153695, '0.05'],
      ],
    ],
    [
      2,
      'japaneast',
      [
        [0, '0'],
        [100, '0.12'],
        [10335, '0.085'],
        [51295, '0.082'],
        [153695, '0.08'],
      ],
    ],
    [
      2,
      'uaenorth',
      [
        [0, '0'],
        [100, '0.181'],
        [10335, '0.175'],
        [51295, '0.17'],
        [153695, '0.16'],
      ],
    ],
  ];
  it.each(internet)('book %i: internet tiers of %s', (book, region, tiers) => {
    const rates = defaultPriceBooks()[book]!.rates.filter(
      (rate) => rate.class === 'internet' && rate.directions.includes('out') && rate.regions?.includes(region),
    );
    expect(rates.map((rate) => rate.tiers?.map((tier) => [tier.from, tier.usdPerUnit]))).toEqual([tiers]);
  });

  // The exceptions of the matrix, and its corners.
  const awsPairs: [from: string, to: string, usd: string | undefined][] = [
    ['us-east-1', 'us-east-2', '0.01'],
    ['us-east-1', 'us-west-2', '0.02'],
    ['us-east-2', 'us-east-1', '0.01'],
    ['us-east-1', 'ap-southeast-7', '0.08'],
    ['eu-west-1', 'ca-west-1', '0.05'],
    ['ca-west-1', 'me-south-1', '0.14'],
    ['ap-southeast-2', 'ap-southeast-4', '0.08'],
    ['ap-southeast-2', 'us-east-1', '0.098'],
    ['il-central-1', 'ap-southeast-2', '0.15'],
    ['ap-south-1', 'ap-south-2', '0.086'],
    ['us-gov-east-1', 'us-gov-west-1', '0.03'],
    ['ap-southeast-3', 'eu-west-1', '0.1'],
    ['ap-southeast-3', 'sa-east-1', undefined],
    ['us-east-1', 'me-west-1', undefined],
  ];
  it.each(awsPairs)('AWS %s to %s', (from, to, usd) => {
    const rates = defaultPriceBooks()[0]!.rates.filter(
      (rate) => rate.class === 'cross-region' && rate.regions?.includes(from) && rate.peerRegions?.includes(to),
    );
    expect(rates.map((rate) => rate.usdPerUnit)).toEqual(usd === undefined ? [] : [usd]);
  });

  it('hold every pair of the AWS matrix: 35 regions, two pairs unread', () => {
    const pairs = new Set(
      defaultPriceBooks()[0]!
        .rates.filter((rate) => rate.class === 'cross-region' && rate.directions.includes('out'))
        .flatMap((rate) => (rate.regions ?? []).flatMap((a) => (rate.peerRegions ?? []).map((b) => [a, b] as const)))
        .filter(([a, b]) => a !== b)
        .map(([a, b]) => `${a} ${b}`),
    );
    expect(pairs.size).toBe(35 * 34 - 2);
  });

  it('give an address and a date for every source', () => {
    for (const book of defaultPriceBooks()) {
      for (const source of Object.values(book.sources)) {
        expect(source).toMatchObject({
          address: expect.stringMatching(/./),
          date: expect.stringMatching(/\d{4}|undated/),
        });
      }
    }
  });
});

describe('docs/price-book.schema.json', () => {
  it('is current; if not, run `npm run generate`', () => {
    const committed = readFileSync(new URL('../../../docs/price-book.schema.json', import.meta.url), 'utf8');
    expect(JSON.parse(committed)).toEqual(priceBookJsonSchema());
  });
});
