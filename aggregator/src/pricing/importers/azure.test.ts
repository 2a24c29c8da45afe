// Azure's pages as they are published, in small: tiers in several rows, repeated rows, two products, meters that say too little.
import { describe, expect, test } from 'vitest';
import { nextAzurePage, readAzurePrices } from './azure.ts';
import { importPriceBook } from './import-book.ts';
import { bookOf, documentOf, pricesOf, rate } from './importers.testing.ts';

const ZONE_1 = '9995d93a-7d35-4d3f-9c69-7a7fea447ef4';

/** Text, not an object: the numbers shall be the literal ones of the document. */
function item(parts: Record<string, string>): string {
  const fields: Record<string, string> = {
    ...{ currencyCode: '"USD"', tierMinimumUnits: '0.0', retailPrice: '0.087', unitPrice: '0.087' },
    ...{ armRegionName: '"eastus"', location: '"US East"', effectiveStartDate: '"2026-01-01T00:00:00Z"' },
    ...{ meterId: `"${ZONE_1}"`, meterName: '"Standard Data Transfer Out"', productId: '"DZH3"', skuId: '"DZH3/0001"' },
    ...{ productName: '"Rtn Preference: MGN"', skuName: '"Standard"', serviceName: '"Bandwidth"', serviceId: '"DZH"' },
    ...{ serviceFamily: '"Networking"', unitOfMeasure: '"1 GB"', type: '"Consumption"', armSkuName: '""' },
    ...{ isPrimaryMeterRegion: 'true' },
    ...parts,
  };
  return `{${Object.entries(fields)
    .map(([key, value]) => `"${key}":${value}`)
    .join(',')}}`;
}

const page = (items: readonly string[], next: string | null = null) =>
  documentOf(
    `{"BillingCurrency":"USD","CustomerEntityType":"Retail","Items":[${items.join(',')}],"NextPageLink":${JSON.stringify(next)},"Count":${items.length}}`,
    'page.json',
    '2026-09-19',
  );

/** Tiers of the internet from one region. */
const internet = (region: string, meterId: string, prices: readonly string[], parts: Record<string, string> = {}) =>
  ['0.0', '100.0', '10335.0', '51295.0', '153695.0', '512095.0'].map((tierMinimumUnits, index) =>
    item({
      armRegionName: `"${region}"`,
      meterId: `"${meterId}"`,
      tierMinimumUnits,
      retailPrice: prices[index]!,
      ...parts,
    }),
  );

const ZONE_1_PRICES = ['0.0', '0.087', '0.083', '0.07', '0.05', '0.05'];
const ISP = { productName: '"Bandwidth - Routing Preference: Internet"' };
const INTER_ZONE = { productName: '"Bandwidth"', retailPrice: '0.01', meterId: '"az"' };
const NO_REGION = { armRegionName: '""', meterId: '"nowhere"' };

const ITEMS = [
  ...internet('eastus', ZONE_1, ZONE_1_PRICES),
  ...internet('westeurope', ZONE_1, ZONE_1_PRICES),
  ...internet('australiaeast', 'fe167397', ['0', '0.12', '0.085', '0.082', '0.08', '0.08']),
  item({ ...ISP, meterId: '"isp"', tierMinimumUnits: '0', retailPrice: '0' }),
  item({ ...ISP, meterId: '"isp"', tierMinimumUnits: '100', retailPrice: '8E-2' }),
  item({ meterName: '"Standard Data Transfer In"', meterId: '"in"', retailPrice: '0.0' }),
  item({ ...INTER_ZONE, meterName: '"Standard Inter-Availability Zone Data Transfer Out"' }),
  item({ ...INTER_ZONE, meterName: '"Standard Inter-Availability Zone Data Transfer In"', meterId: '"az-in"' }),
  item({
    ...{ productName: '"NAT Gateway"', serviceName: '"NAT Gateway"', meterName: '"Standard Data Processed"' },
    ...{ armRegionName: '"Global"', meterId: '"nat"', retailPrice: '0.045' },
  }),
  ...['Ingress', 'Egress'].flatMap((way) =>
    [
      ['0', '0.01'],
      ['1000000', '0.006'],
      ['5000000', '0.004'],
    ].map(([tierMinimumUnits, retailPrice]) =>
      item({
        ...{ productName: '"Virtual Network Private Link"', meterName: `"Standard Data Processed - ${way}"` },
        ...{ meterId: `"pl-${way}"`, tierMinimumUnits: tierMinimumUnits!, retailPrice: retailPrice! },
      }),
    ),
  ),
];

const TRAPS = [
  ['row repeats another', item({ tierMinimumUnits: '100.0' })],
  [
    'row is of another billing region (not primary), and there is a primary one',
    item({ isPrimaryMeterRegion: 'false', retailPrice: '0.5' }),
  ],
  ['price is not for consumption', item({ type: '"Reservation"', retailPrice: '0.5' })],
  ['price is not in USD', item({ currencyCode: '"EUR"', retailPrice: '0.5' })],
  ['unit is not 1 GB', item({ unitOfMeasure: '"1 TB"', retailPrice: '0.5' })],
  ['row names no region', item(NO_REGION)],
  ['meter is unknown', item({ meterName: '"Standard Data Transfer Out from China"' })],
  [
    'meter between regions does not say where to',
    item({ productName: '"Bandwidth"', meterName: '"Standard Inter-Region Data Transfer"' }),
  ],
  [
    'meter of peered networks does not say between which regions',
    item({ productName: '"Virtual Network Peering"', meterName: '"Intra-Region Egress"' }),
  ],
  ['row does not have the shape of a price', '{"meterName":"Standard Data Transfer Out"}'],
  ['price has more than 12 places', item({ armRegionName: '"uksouth"', retailPrice: '0.0870000000001' })],
  ['bound of a tier is no number', item({ armRegionName: '"ukwest"', tierMinimumUnits: '-1' })],
  ['tiers do not begin at 0', item({ armRegionName: '"norwayeast"', tierMinimumUnits: '100' })],
  ['two prices for one tier', item({ armRegionName: '"spaincentral"' })],
  [undefined, item({ armRegionName: '"spaincentral"', retailPrice: '0.088' })],
] as const;

const BASE = bookOf({
  provider: 'azure',
  regions: ['eastus', 'westeurope', 'australiaeast', 'brazilsouth'],
  units: { GB: { bytes: 1e9, basis: 'disputed', sources: ['B1'], note: 'Decimal or binary.' } },
  rates: [
    rate({ class: 'internet', usdPerUnit: '0.5' }),
    rate({
      ...{ class: 'cross-zone', directions: ['out', 'in'], usdPerUnit: '0', basis: 'disputed' },
      note: 'Documentation and price list disagree.',
    }),
    rate({ class: 'cross-region', regions: ['*'], peerRegions: ['*'], usdPerUnit: '0.05' }),
  ],
});

describe('pages of prices', () => {
  const { book, summary } = importPriceBook(
    'azure',
    [page(ITEMS.slice(0, 9), 'https://next'), page(ITEMS.slice(9))],
    BASE,
  );
  const price = (traffic: Parameters<typeof pricesOf>[1]) => pricesOf(book, traffic);
  const microsoft = { 'routing-preference': 'microsoft' };
  const isp = { 'routing-preference': 'internet' };

  test('internet by routing preference: tiers begin with the first price, what is free is an allowance', () => {
    const out = (region: string, when: Record<string, string>) =>
      price({ class: 'internet', direction: 'out', region, when });
    expect(out('eastus', microsoft)).toEqual(['0:0.087 10335:0.083 51295:0.07 153695:0.05']);
    expect(out('westeurope', microsoft)).toEqual(['0:0.087 10335:0.083 51295:0.07 153695:0.05']);
    expect(out('australiaeast', microsoft)).toEqual(['0:0.12 10335:0.085 51295:0.082 153695:0.08']);
    expect(out('eastus', isp)).toEqual(['0.08']);
    expect(out('westeurope', isp)).toEqual(['0.5']);
    expect(out('brazilsouth', microsoft)).toEqual(['0.5']);
    expect(price({ class: 'internet', direction: 'in', region: 'eastus', when: microsoft })).toEqual(['0']);
    expect(book.allowances).toEqual([
      {
        name: 'internet-microsoft-100-gb',
        ...{ amount: 100, unit: 'GB', class: 'internet', when: microsoft, counts: 'inside-tiers' },
        ...{ basis: 'exact', sources: ['retail-prices-2026-09-19'] },
      },
      {
        name: 'internet-internet-100-gb',
        ...{ amount: 100, unit: 'GB', class: 'internet', when: isp, counts: 'inside-tiers' },
        ...{ basis: 'exact', sources: ['retail-prices-2026-09-19'] },
      },
    ]);
  });

  test('regions of one meter count their tiers together', () => {
    const pools = book.rates
      .filter((entry) => entry.class === 'internet' && entry.tiers)
      .map((entry) => [entry.regions, entry.pool]);
    expect(pools).toEqual([
      [['eastus', 'westeurope'], `meter ${ZONE_1}`],
      [['australiaeast'], 'meter fe167397'],
    ]);
  });

  test('meters between zones count if they are billed; the doubt of the base stays', () => {
    const zones = (region: string, value: string) =>
      price({ class: 'cross-zone', direction: 'in', region, when: { 'inter-zone': value } });
    expect(zones('eastus', 'billed')).toEqual(['0.01']);
    expect(zones('eastus', 'free')).toEqual(['0']);
    expect(zones('brazilsouth', 'billed')).toEqual(['0']);
    expect(book.rates.find((entry) => entry.class === 'cross-zone' && entry.usdPerUnit === '0.01')).toMatchObject({
      ...{ basis: 'disputed', sources: ['retail-prices-2026-09-19', 'B1'] },
      note: 'Documentation and price list disagree.',
    });
  });

  test('middleboxes, also those that are sold for every region', () => {
    expect(price({ path: 'nat-gateway', direction: 'out', region: 'brazilsouth' })).toEqual(['0.045']);
    expect(price({ path: 'private-endpoint', direction: 'in', region: 'eastus' })).toEqual([
      '0:0.01 1000000:0.006 5000000:0.004',
    ]);
  });

  test('switches that the base lacks come along; units, pairs and dates are right', () => {
    expect(Object.keys(book.switches!)).toEqual(['routing-preference', 'inter-zone']);
    expect(book.units).toEqual(BASE.units);
    expect(book.date).toBe('2026-09-19');
    expect(price({ class: 'cross-region', direction: 'out', region: 'eastus', peerRegion: 'westeurope' })).toEqual([
      '0.05',
    ]);
    expect(book.sources['retail-prices-2026-09-19']).toEqual({
      ...{ address: 'https://prices.azure.com/api/retail/prices', date: '2026-09-19', kind: 'official API' },
      note: 'Azure Retail Prices API, 2 pages, read from saved files, the first page.json.',
    });
    expect(summary.ignored).toEqual([]);
    expect(summary.rowCount).toBe(ITEMS.length);
  });
});

test('a book that has one allowance for both products keeps it', () => {
  const allowance = {
    name: 'first 100 GB',
    amount: 50,
    unit: 'GB',
    class: 'internet',
    counts: 'inside-tiers',
  } as const;
  const base = {
    ...BASE,
    allowances: [{ ...allowance, basis: 'exact' as const, sources: ['B1'], note: 'Account-wide.' }],
  };
  const { book } = importPriceBook('azure', [page(ITEMS)], base);
  expect(book.allowances).toEqual([
    { ...allowance, amount: 100, basis: 'exact', sources: ['retail-prices-2026-09-19'], note: 'Account-wide.' },
  ]);
});

test('a book’s name for the pool of a meter is kept', () => {
  const tiers = [
    { from: 0, usdPerUnit: '1' },
    { from: 5, usdPerUnit: '0.5' },
  ];
  const base = {
    ...BASE,
    rates: [rate({ class: 'internet', regions: ['eastus'], tiers, pool: 'zone-1' }), ...BASE.rates.slice(1)],
  };
  const { book } = importPriceBook('azure', [page(ITEMS)], base);
  // westeurope has the meter, and the base has no rate for it.
  expect(book.rates.find((entry) => entry.regions?.includes('westeurope'))).toMatchObject({
    ...{ regions: ['eastus', 'westeurope'], pool: 'zone-1' },
  });
});

test('the traps, each with its reason', () => {
  const reading = readAzurePrices([
    page([...internet('eastus', ZONE_1, ZONE_1_PRICES), ...TRAPS.map(([, row]) => row)]),
  ]);
  expect(Object.fromEntries(reading.ignored.map(({ reason, count }) => [reason, count]))).toEqual({
    ...Object.fromEntries(TRAPS.flatMap(([reason]) => (reason === undefined ? [] : [[reason, 1]]))),
    'two prices for one tier': 2,
  });
  expect(reading.rates).toHaveLength(1);
  expect(reading.rowCount).toBe(6 + TRAPS.length);
  // Every row is in a rate or in the list.
  expect(reading.ignored.reduce((sum, { count }) => sum + count, 6)).toBe(reading.rowCount);
});

test('rows that are not primary count where a region has no others', () => {
  const notPrimary = { isPrimaryMeterRegion: 'false' };
  const reading = readAzurePrices([
    page([
      ...internet('eastus', ZONE_1, ZONE_1_PRICES),
      ...internet('eastus', 'elsewhere', ['0', '1', '1', '1', '1', '1'], notPrimary),
      ...internet('westus3', ZONE_1, ZONE_1_PRICES, notPrimary),
    ]),
  ]);
  expect(reading.rates.map(({ region, tiers }) => [region, tiers[0]?.usdPerUnit])).toEqual([
    ['eastus', '0.087'],
    ['westus3', '0.087'],
  ]);
  expect(reading.ignored.map(({ count }) => count)).toEqual([6]);
});

test('a meter with a row that cannot be read is not taken in part', () => {
  const [first, second, ...rest] = internet('eastus', ZONE_1, ['0', '-0.087', '0.083', '0.07', '0.05', '0.05']);
  const reading = readAzurePrices([page([first!, second!, ...rest, ...internet('westeurope', ZONE_1, ZONE_1_PRICES)])]);
  expect(reading.rates.map(({ region }) => region)).toEqual(['westeurope']);
  expect(reading.ignored.map(({ reason, count }) => [reason, count])).toEqual([
    ['another row of the same meter was refused', 5],
    ['price is negative', 1],
  ]);
});

test('the next page, and what is no page', () => {
  expect(nextAzurePage(page([], 'https://prices.azure.com:443/api/retail/prices?$skip=1000'))).toBe(
    'https://prices.azure.com:443/api/retail/prices?$skip=1000',
  );
  expect(nextAzurePage(page([]))).toBeUndefined();
  expect(() => nextAzurePage(documentOf('{"error":"busy"}', 'page 3'))).toThrow(
    /^page 3 is no page of the Azure Retail Prices API: it has no list Items; see docs\/importing-prices\.md for the address$/,
  );
});
