// Google's catalogue as it is published, in small: places in descriptions, billionths, free first tiers, names that are not known.
import { describe, expect, test } from 'vitest';
import { nextGcpPage, readGcpCatalog } from './gcp.ts';
import { importPriceBook } from './import-book.ts';
import { bookOf, documentOf, pricesOf, rate } from './importers.testing.ts';

interface SkuParts {
  readonly description: string;
  readonly serviceRegions?: readonly string[];
  readonly geoTaxonomy?: { readonly type: string; readonly regions?: readonly string[] };
  readonly rates: readonly (readonly [start: number, units: string, nanos: number])[];
  readonly usageUnit?: string;
  readonly currencyCode?: string;
  readonly category?: Readonly<Record<string, string>>;
  readonly baseUnitConversionFactor?: number;
}

let skuCount = 0;

function sku(parts: SkuParts): unknown {
  const { usageUnit = 'GiBy', currencyCode = 'USD', baseUnitConversionFactor = 1073741824 } = parts;
  const skuId = `0000-0000-${String(skuCount++).padStart(4, '0')}`;
  return {
    ...{ name: `services/E505-1604-58F8/skus/${skuId}`, skuId, description: parts.description },
    category: {
      ...{ serviceDisplayName: 'Networking', resourceFamily: 'Network', resourceGroup: 'PremiumInternetEgress' },
      ...{ usageType: 'OnDemand', ...parts.category },
    },
    ...{ serviceRegions: parts.serviceRegions ?? [], geoTaxonomy: parts.geoTaxonomy },
    pricingInfo: [
      {
        ...{ summary: '', effectiveTime: '2026-10-01T07:00:00Z', currencyConversionRate: 1 },
        pricingExpression: {
          ...{ usageUnit, displayQuantity: 1, baseUnit: 'By', baseUnitConversionFactor },
          tieredRates: parts.rates.map(([startUsageAmount, units, nanos]) => ({
            ...{ startUsageAmount, unitPrice: { currencyCode, units, nanos } },
          })),
        },
      },
    ],
    serviceProviderName: 'Google',
  };
}

const AMERICAS = ['us-central1', 'us-east1', 'us-west1'];
const INTERNET = 'Network Internet Data Transfer Out from';
const BETWEEN = 'Network Inter Region Data Transfer Out from';

const SKUS = [
  sku({
    description: 'Network Inter Zone Data Transfer Out',
    geoTaxonomy: { type: 'GLOBAL' },
    serviceRegions: ['us-central1'],
    rates: [[0, '0', 10_000_000]],
  }),
  sku({ description: `${BETWEEN} Frankfurt to Tokyo`, rates: [[0, '0', 80_000_000]] }),
  // A part of the world to another, and a city of it that has a price of its own.
  sku({ description: `${BETWEEN} Americas to EMEA`, serviceRegions: AMERICAS, rates: [[0, '0', 50_000_000]] }),
  sku({ description: `${BETWEEN} Americas to Finland`, serviceRegions: AMERICAS, rates: [[0, '0', 51_000_000]] }),
  sku({ description: 'Network Inter Region Egress from Los Angeles to Jakarta', rates: [[0, '0', 100_000_000]] }),
  sku({
    description: `${INTERNET} Americas to Americas`,
    serviceRegions: AMERICAS,
    rates: [
      [0, '0', 0],
      [1, '0', 120_000_000],
      [1024, '0', 110_000_000],
      [10240, '0', 80_000_000],
    ],
  }),
  sku({
    description: `${INTERNET} Frankfurt to Americas`,
    rates: [
      [0, '0', 120_000_000],
      [1024, '0', 110_000_000],
      [10240, '0', 85_000_000],
    ],
  }),
  sku({
    description: `${INTERNET} Frankfurt to China`,
    rates: [
      [0, '0', 230_000_000],
      [1024, '0', 220_000_001],
    ],
  }),
  sku({
    description: 'Network Standard Data Transfer Out to Internet from Frankfurt',
    rates: [
      [0, '0', 0],
      [200, '0', 85_000_000],
      [10240, '0', 65_000_000],
    ],
  }),
  sku({
    description: 'Network Internet Standard Tier Egress from Iowa',
    rates: [
      [0, '0', 0],
      [200, '0', 85_000_000],
    ],
  }),
  sku({ description: 'Networking Cloud NAT Data Processing', rates: [[0, '0', 45_000_000]] }),
];

const TRAPS = [
  ['description is unknown', { description: 'Network Google Egress from Americas to Americas', rates: [[0, '0', 1]] }],
  [
    'what comes in is left to the base book',
    { description: 'Network Inter Region Data Transfer In from APAC to Americas', rates: [[0, '0', 0]] },
  ],
  [
    'SKU is not about the network',
    { description: 'N1 Predefined Instance Core', category: { resourceFamily: 'Compute' }, rates: [[0, '0', 1]] },
  ],
  [
    'VPN, interconnect and peering are left to the base book',
    { description: 'Network Vpn Internet Egress from Americas to Africa', rates: [[0, '0', 1]] },
  ],
  ['name of a city is unknown', { description: `${BETWEEN} Atlantis to Tokyo`, rates: [[0, '0', 1]] }],
  ['name of a city is unknown', { description: `${INTERNET} Gotham to Americas`, rates: [[0, '0', 1]] }],
  [
    'destination on the internet is not told apart',
    { description: `${INTERNET} Frankfurt to EMEA`, rates: [[0, '0', 1]] },
  ],
  ['unit is not GiB', { description: `${BETWEEN} Tokyo to Osaka`, usageUnit: 'GiBy.mo', rates: [[0, '0', 1]] }],
  [
    'unit is not GiB',
    { description: `${BETWEEN} Tokyo to Osaka`, baseUnitConversionFactor: 1e9, rates: [[0, '0', 1]] },
  ],
  ['price is not in USD', { description: `${BETWEEN} Tokyo to Osaka`, currencyCode: 'JPY', rates: [[0, '1', 1]] }],
  ['price is negative', { description: `${BETWEEN} Tokyo to Osaka`, rates: [[0, '0', -1]] }],
  [
    'price is not On-Demand',
    { description: `${BETWEEN} Tokyo to Osaka`, category: { usageType: 'Commit1Yr' }, rates: [[0, '0', 1]] },
  ],
  ['tiers do not begin at 0', { description: `${BETWEEN} Tokyo to Osaka`, rates: [[1, '0', 1]] }],
  ['bound of a tier is no number', { description: `${BETWEEN} Tokyo to Osaka`, rates: [[-1, '0', 1]] }],
] as const satisfies readonly (readonly [string, SkuParts])[];

const BASE = bookOf({
  provider: 'gcp',
  regions: [
    'us-central1',
    'us-east1',
    'us-west1',
    'us-west2',
    'europe-west3',
    'europe-north1',
    'asia-northeast1',
    'asia-southeast2',
  ],
  groups: { europe: ['europe-*'] },
  switches: {
    'network-tier': { values: ['premium', 'standard'], default: 'premium', note: 'Tier.' },
    destination: { values: ['worldwide', 'china', 'australia'], default: 'worldwide', note: 'Where to.' },
  },
  rates: [
    rate({ class: 'cross-zone', directions: ['out', 'in'], unit: 'GiB', usdPerUnit: '0.7' }),
    rate({ class: 'cross-region', unit: 'GiB', usdPerUnit: '0.8' }),
    rate({
      class: 'internet',
      unit: 'GiB',
      usdPerUnit: '0.9',
      basis: 'disputed',
      note: 'Pages differ.',
      when: { 'network-tier': 'premium', destination: ['worldwide', 'australia'] },
    }),
    rate({ class: 'internet', unit: 'GiB', usdPerUnit: '0.95', when: { 'network-tier': 'standard' } }),
  ],
});

const page = (skus: readonly unknown[], nextPageToken = '') => documentOf({ skus, nextPageToken }, 'skus.json');

describe('pages of the catalogue', () => {
  const { book, summary } = importPriceBook('gcp', [page(SKUS.slice(0, 3), 'x'), page(SKUS.slice(3))], BASE);
  const price = (traffic: Parameters<typeof pricesOf>[1]) => pricesOf(book, traffic);
  const pair = (region: string, peerRegion: string) =>
    price({ class: 'cross-region', direction: 'out', region, peerRegion });
  const internet = (region: string, when: Record<string, string>) =>
    price({ class: 'internet', direction: 'out', region, when });
  const worldwide = { 'network-tier': 'premium', destination: 'worldwide' };

  test('between zones: one price for every region, the base’s other direction stays', () => {
    expect(price({ class: 'cross-zone', direction: 'out', region: 'asia-northeast1' })).toEqual(['0.01']);
    expect(price({ class: 'cross-zone', direction: 'in', region: 'asia-northeast1' })).toEqual(['0.7']);
  });

  test('between regions: cities and parts of the world, the nearer name counts', () => {
    expect(pair('europe-west3', 'asia-northeast1')).toEqual(['0.08']);
    expect(pair('us-east1', 'europe-west3')).toEqual(['0.05']);
    expect(pair('us-east1', 'europe-north1')).toEqual(['0.051']);
    expect(pair('us-west2', 'asia-southeast2')).toEqual(['0.1']);
    // us-west2 is no region of the SKU for the Americas.
    expect(pair('us-west2', 'europe-west3')).toEqual(['0.8']);
    expect(pair('asia-northeast1', 'europe-west3')).toEqual(['0.8']);
  });

  test('internet by tier and destination; a free first tier is an allowance', () => {
    expect(internet('us-west1', worldwide)).toEqual(['0:0.12 1024:0.11 10240:0.08']);
    expect(internet('europe-west3', worldwide)).toEqual(['0:0.12 1024:0.11 10240:0.085']);
    expect(internet('europe-west3', { ...worldwide, destination: 'china' })).toEqual(['0:0.23 1024:0.220000001']);
    expect(internet('europe-west3', { ...worldwide, destination: 'australia' })).toEqual(['0.9']);
    expect(internet('europe-west3', { ...worldwide, 'network-tier': 'standard' })).toEqual(['0:0.085 10240:0.065']);
    expect(internet('us-central1', { ...worldwide, 'network-tier': 'standard' })).toEqual(['0.085']);
    expect(internet('us-west2', worldwide)).toEqual(['0.9']);
    expect(book.allowances?.map(({ amount, regions, when, counts }) => ({ amount, regions, when, counts }))).toEqual([
      { amount: 1, regions: AMERICAS, when: worldwide, counts: 'inside-tiers' },
      {
        amount: 200,
        regions: ['europe-west3', 'us-central1'],
        when: { 'network-tier': 'standard' },
        counts: 'inside-tiers',
      },
    ]);
  });

  test('a disputed rate that is read again stays disputed, with both sources', () => {
    const basis = (destination: string) =>
      book.rates
        .filter((entry) => entry.regions?.includes('europe-west3') && entry.when?.['destination'] === destination)
        .map((entry) => [entry.basis, entry.sources, entry.note]);
    expect(basis('worldwide')).toEqual([['disputed', ['billing-catalog-2026-10-01', 'B1'], 'Pages differ.']]);
    expect(basis('china')).toEqual([['exact', ['billing-catalog-2026-10-01'], undefined]]);
  });

  test('NAT for every region', () => {
    expect(price({ path: 'nat-gateway', direction: 'in', region: 'us-west2' })).toEqual(['0.045']);
    expect(book.processing).toHaveLength(1);
    expect(book.processing![0]!.regions).toBeUndefined();
  });

  test('pairs of one price are one entry, whatever the cities', () => {
    const names = ['Frankfurt', 'London', 'Paris'];
    const pairs = names.flatMap((from) => names.filter((to) => to !== from).map((to) => `${BETWEEN} ${from} to ${to}`));
    const skus = pairs.map((description) => sku({ description, rates: [[0, '0', 20_000_000]] }));
    const { rates } = importPriceBook('gcp', [page(skus)], BASE).book;
    const [entry, ...more] = rates.filter((one) => one.sources[0] !== 'B1');
    expect(more).toEqual([]);
    expect(entry).toMatchObject({
      ...{ meter: 'Network Inter Region Data Transfer Out', usdPerUnit: '0.02' },
      regions: ['europe-west2', 'europe-west3', 'europe-west9'],
      peerRegions: ['europe-west2', 'europe-west3', 'europe-west9'],
    });
  });

  test('regions that the documents name and the base does not are new; everything is counted', () => {
    expect(summary.newRegions).toContain('europe-west4');
    expect(summary.rowCount).toBe(SKUS.length);
    expect(summary.ignored).toEqual([]);
  });
});

test('the traps, each with its reason', () => {
  const reading = readGcpCatalog([page([...TRAPS.map(([, parts]) => sku(parts)), { skuId: 'broken' }])]);
  const expected: Record<string, number> = { 'row does not have the shape of an SKU': 1 };
  for (const [reason] of TRAPS) expected[reason] = (expected[reason] ?? 0) + 1;
  expect(Object.fromEntries(reading.ignored.map(({ reason, count }) => [reason, count]))).toEqual(expected);
  expect(reading.rates).toEqual([]);
  expect(reading.ignored.find(({ reason }) => reason.startsWith('name'))?.examples).toEqual([
    `${BETWEEN} Atlantis to Tokyo`,
    `${INTERNET} Gotham to Americas`,
  ]);
});

test('Japan is two regions', () => {
  const reading = readGcpCatalog([page([sku({ description: `${INTERNET} Japan to China`, rates: [[0, '0', 1]] })])]);
  expect(reading.rates.map(({ region, pool }) => [region, pool])).toEqual([
    ['asia-northeast1', `${INTERNET} Japan to China`],
    ['asia-northeast2', `${INTERNET} Japan to China`],
  ]);
});

test('the latest of several prices of an SKU counts', () => {
  const one = sku({ description: `${BETWEEN} Tokyo to Osaka`, rates: [[0, '0', 20_000_000]] }) as {
    pricingInfo: object[];
  };
  const [now] = one.pricingInfo;
  const older = JSON.parse(JSON.stringify(now).replace('20000000', '30000000').replace('2026-10', '2026-09')) as object;
  const reading = readGcpCatalog([page([{ ...one, pricingInfo: [now, older] }])]);
  expect(reading.rates.map(({ tiers }) => tiers)).toEqual([[{ from: 0, usdPerUnit: '0.02' }]]);
});

test('the next page, and what is no page', () => {
  expect(nextGcpPage(page([], 'token'))).toBe('token');
  expect(nextGcpPage(page([]))).toBeUndefined();
  expect(() => nextGcpPage(documentOf({ error: { code: 403 } }, 'skus.json'))).toThrow(
    /^skus\.json is no page of the Google Cloud Billing Catalog: it has no list skus; see docs\/importing-prices\.md/,
  );
});
