// AWS offers as they are published, in small: every kind of row that is taken, and every trap with the reason why it is not.
import { describe, expect, test } from 'vitest';
import { readAwsOffers } from './aws.ts';
import { importPriceBook } from './import-book.ts';
import { awsOffer, awsTransfer, bookOf, documentOf, pricesOf, rate } from './importers.testing.ts';

const VIRGINIA = 'US East (N. Virginia)|us-east-1';
const IRELAND = 'EU (Ireland)|eu-west-1';
/** Its code is not given: the long name must do. */
const SYDNEY = 'Asia Pacific (Sydney)';

const one = (usd: string) => [['0', 'Inf', usd]] as const;

const PRODUCTS = [
  {
    sku: 'INTERNET1',
    attributes: awsTransfer('AWS Outbound', 'DataTransfer-Out-Bytes', VIRGINIA, 'External'),
    tiers: [
      ['153600', 'Inf', '0.0500000000'],
      ['0', '10240', '0.0900000000'],
      ['51200', '153600', '0.0700000000'],
      ['10240', '51200', '0.0850000000'],
    ],
  },
  {
    sku: 'INTERNET2',
    attributes: awsTransfer('AWS Outbound', 'APS2-DataTransfer-Out-Bytes', SYDNEY, 'External'),
    tiers: [
      ['0', '10240', '0.1140000000'],
      ['10240', 'Inf', '0.0980000000'],
    ],
  },
  {
    sku: 'FREE',
    attributes: awsTransfer('AWS Outbound', 'Global-DataTransfer-Out-Bytes', 'Global', 'External'),
    tiers: [
      ['0', '100', '0.0000000000'],
      ['100', 'Inf', '0.0900000000'],
    ],
  },
  {
    sku: 'IN',
    attributes: awsTransfer('AWS Inbound', 'EU-DataTransfer-In-Bytes', 'External', IRELAND),
    tiers: one('0.0000000000'),
  },
  {
    sku: 'PAIR1',
    attributes: awsTransfer('InterRegion Outbound', 'USE1-EU-AWS-Out-Bytes', VIRGINIA, IRELAND),
    tiers: one('0.0200000000'),
  },
  {
    sku: 'PAIR2',
    attributes: awsTransfer('InterRegion Outbound', 'APS2-USE1-AWS-Out-Bytes', SYDNEY, VIRGINIA),
    tiers: one('0.0980000000'),
  },
  {
    sku: 'PAIRIN',
    attributes: awsTransfer('InterRegion Inbound', 'USE1-EU-AWS-In-Bytes', IRELAND, VIRGINIA),
    tiers: one('0.0000000000'),
  },
  {
    sku: 'REGIONAL',
    attributes: awsTransfer('IntraRegion', 'EU-DataTransfer-Regional-Bytes', IRELAND, IRELAND),
    tiers: one('0.0100000000'),
  },
] as const;

const TRAPS = [
  {
    sku: 'MRAP',
    attributes: awsTransfer('InterRegion Outbound', 'USE1-EU-AWS-Out-Bytes', VIRGINIA, 'External'),
    tiers: one('0.0033000000'),
  },
  {
    sku: 'ACCELERATED',
    attributes: awsTransfer('InterRegion Outbound', 'USE1-EU-AWS-Out-ABytes', VIRGINIA, IRELAND),
    tiers: one('0.04'),
  },
  {
    sku: 'LOCALZONE',
    attributes: {
      ...awsTransfer('IntraRegion', 'USE1-ATL1-DataTransfer-Regional-Bytes', 'US East (Atlanta)', VIRGINIA),
      fromLocationType: 'AWS Local Zone',
    },
    tiers: one('0.01'),
  },
  {
    sku: 'NOWHERE',
    attributes: awsTransfer('InterRegion Outbound', 'XYZ1-EU-AWS-Out-Bytes', 'Antarctica (South Pole)', IRELAND),
    tiers: one('0.5'),
  },
  {
    sku: 'YUAN',
    attributes: awsTransfer('InterRegion Outbound', 'USE1-EU-AWS-Out-Bytes', VIRGINIA, IRELAND),
    currency: 'CNY',
    tiers: one('0.6'),
  },
  {
    sku: 'HOURS',
    attributes: awsTransfer('InterRegion Outbound', 'USE1-EU-AWS-Out-Bytes', VIRGINIA, IRELAND),
    unit: 'Hrs',
    tiers: one('0.6'),
  },
  {
    sku: 'GAP',
    attributes: awsTransfer('AWS Outbound', 'EU-DataTransfer-Out-Bytes', IRELAND, 'External'),
    tiers: [
      ['0', '10240', '0.09'],
      ['20480', 'Inf', '0.08'],
    ],
  },
  {
    sku: 'ENDS',
    attributes: awsTransfer('AWS Outbound', 'EU-DataTransfer-Out-Bytes', IRELAND, 'External'),
    tiers: [['0', '10240', '0.09']],
  },
  {
    sku: 'LATE',
    attributes: awsTransfer('AWS Outbound', 'EU-DataTransfer-Out-Bytes', IRELAND, 'External'),
    tiers: [['1', 'Inf', '0.09']],
  },
  {
    sku: 'NEGATIVE',
    attributes: awsTransfer('InterRegion Outbound', 'EU-USE1-AWS-Out-Bytes', IRELAND, VIRGINIA),
    tiers: one('-0.02'),
  },
  {
    sku: 'FINE',
    attributes: awsTransfer('InterRegion Outbound', 'EU-USE1-AWS-Out-Bytes', IRELAND, VIRGINIA),
    tiers: one('0.02000000000001'),
  },
  {
    sku: 'NOTERMS',
    attributes: awsTransfer('IntraRegion', 'DataTransfer-Regional-Bytes', VIRGINIA, VIRGINIA),
    tiers: [],
  },
  {
    sku: 'CROOKED',
    attributes: awsTransfer('IntraRegion', 'DataTransfer-Regional-Bytes', VIRGINIA, IRELAND),
    tiers: one('0.01'),
  },
  {
    sku: 'WRONGTYPE',
    attributes: awsTransfer('AWS Inbound', 'EU-DataTransfer-Out-Bytes', IRELAND, 'External'),
    tiers: one('0.01'),
  },
  {
    sku: 'PAIDGLOBAL',
    attributes: awsTransfer('AWS Outbound', 'Global-DataTransfer-Out-Bytes', 'Global', 'External'),
    tiers: one('0.09'),
  },
] as const;

const NAT = awsOffer(
  [
    {
      sku: 'NATSYD',
      productFamily: 'NAT Gateway',
      attributes: { location: SYDNEY, regionCode: 'ap-southeast-2', usagetype: 'APS2-NatGateway-Bytes' },
      tiers: one('0.0590000000'),
    },
    {
      sku: 'NATVA',
      productFamily: 'NAT Gateway',
      attributes: { usagetype: 'NatGateway-Bytes' },
      unit: 'GB',
      tiers: one('0.0450000000'),
    },
    {
      sku: 'NATHOUR',
      productFamily: 'NAT Gateway',
      attributes: { regionCode: 'us-east-1', usagetype: 'NatGateway-Hours' },
      unit: 'Hrs',
      tiers: one('0.0450000000'),
    },
  ],
  { offerCode: 'AmazonEC2', version: '20260920000000', publicationDate: '2026-09-20T00:00:00Z' },
);

const BASE = bookOf({
  provider: 'aws',
  regions: ['us-east-1', 'eu-west-1', 'ap-southeast-2'],
  rates: [
    rate({ class: 'same-zone', directions: ['out', 'in'], usdPerUnit: '0' }),
    rate({ class: 'cross-zone', directions: ['out', 'in'], regions: ['*'], usdPerUnit: '0.7' }),
    rate({ class: 'cross-region', regions: ['*'], peerRegions: ['*'], usdPerUnit: '0.8' }),
    rate({ class: 'internet', regions: ['*'], usdPerUnit: '0.9' }),
    rate({ class: 'peered', relations: ['cross-zone'], usdPerUnit: '0.6' }),
  ],
});

describe('an offer of data transfer', () => {
  const { book, summary } = importPriceBook('aws', [documentOf(awsOffer(PRODUCTS)), documentOf(NAT, 'nat.json')], BASE);
  const price = (traffic: Parameters<typeof pricesOf>[1]) => pricesOf(book, traffic);

  test('internet: tiers in order, by region', () => {
    expect(price({ class: 'internet', direction: 'out', region: 'us-east-1' })).toEqual([
      '0:0.09 10240:0.085 51200:0.07 153600:0.05',
    ]);
    expect(price({ class: 'internet', direction: 'out', region: 'ap-southeast-2' })).toEqual(['0:0.114 10240:0.098']);
    expect(price({ class: 'internet', direction: 'in', region: 'eu-west-1' })).toEqual(['0']);
  });

  test('what was not read stays', () => {
    expect(price({ class: 'internet', direction: 'out', region: 'eu-west-1' })).toEqual(['0.9']);
    expect(price({ class: 'cross-zone', direction: 'in', region: 'us-east-1' })).toEqual(['0.7']);
    expect(price({ class: 'peered', relation: 'cross-zone', direction: 'out', region: 'us-east-1' })).toEqual(['0.6']);
    expect(summary.base).toEqual({ replaced: 0, cut: 3, kept: 2 });
  });

  test('pairs of regions, as the side that pays sees them', () => {
    const pair = (direction: 'out' | 'in', region: string, peerRegion: string) =>
      price({ class: 'cross-region', direction, region, peerRegion });
    expect(pair('out', 'us-east-1', 'eu-west-1')).toEqual(['0.02']);
    expect(pair('out', 'ap-southeast-2', 'us-east-1')).toEqual(['0.098']);
    expect(pair('in', 'us-east-1', 'eu-west-1')).toEqual(['0']);
    expect(pair('out', 'eu-west-1', 'us-east-1')).toEqual(['0.8']);
    expect(pair('in', 'eu-west-1', 'us-east-1')).toEqual([]);
  });

  test('regional bytes are those between zones and of public addresses, both ways', () => {
    for (const direction of ['out', 'in'] as const) {
      expect(price({ class: 'cross-zone', direction, region: 'eu-west-1' })).toEqual(['0.01']);
      expect(price({ class: 'same-region-public', direction, region: 'eu-west-1' })).toEqual(['0.01']);
    }
  });

  test('NAT gateways of the EC2 offer; the oldest region has no prefix', () => {
    expect(price({ path: 'nat-gateway', direction: 'in', region: 'us-east-1' })).toEqual(['0.045']);
    expect(price({ path: 'nat-gateway', direction: 'out', region: 'ap-southeast-2' })).toEqual(['0.059']);
  });

  test('the global row is what is free, before tiers count', () => {
    expect(book.allowances).toEqual([
      {
        ...{
          name: 'internet-100-gb',
          amount: 100,
          unit: 'GB',
          class: 'internet',
          counts: 'before-tiers',
        },
        ...{ basis: 'exact', sources: ['AWSDataTransfer-20260916132208'] },
      },
    ]);
  });

  test('date and sources are those of the documents', () => {
    expect(book.date).toBe('2026-09-20');
    expect(book.sources['AWSDataTransfer-20260916132208']).toEqual({
      address: 'https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AWSDataTransfer/20260916132208/',
      ...{ date: '2026-09-16', kind: 'official API' },
      note: 'AWS Price List Bulk API, AWSDataTransfer, version 20260916132208, read from the saved file document.json.',
    });
    expect(book.sources['AmazonEC2-20260920000000']).toMatchObject({ date: '2026-09-20' });
    expect(book.sources['B1']).toEqual(BASE.sources['B1']);
    const internet = book.rates.find((entry) => entry.class === 'internet' && entry.regions?.includes('us-east-1'));
    expect(internet).toMatchObject({ sources: ['AWSDataTransfer-20260916132208'], meter: 'DataTransfer-Out-Bytes' });
  });

  test('is counted whole', () => {
    expect(summary).toMatchObject({ rowCount: 11, readCount: 14, newCount: 8, allowanceCount: 1, newRegions: [] });
    expect(summary.ignored).toEqual([{ reason: 'usage type is unknown', count: 1, examples: ['NatGateway-Hours'] }]);
  });
});

describe('rows that no rate is made of', () => {
  const reading = readAwsOffers([documentOf(awsOffer(TRAPS))]);

  test('are all there, by reason', () => {
    expect(reading.rates).toEqual([]);
    expect(reading.allowances).toEqual([]);
    const reasons = Object.fromEntries(reading.ignored.map(({ reason, count }) => [reason, count]));
    expect(reasons).toEqual({
      'S3 Multi-Region Access Point: a charge of S3, not of transfer between regions': 1,
      'usage type is unknown': 1,
      'place is no region': 1,
      'location is unknown': 1,
      'price is not in USD': 1,
      'unit is not GB': 1,
      'tiers have a gap or overlap': 1,
      'tiers end': 1,
      'tiers do not begin at 0': 1,
      'price is negative': 1,
      'price has more than 12 places': 1,
      'no On-Demand price': 1,
      'locations do not fit the usage type': 1,
      'transfer type does not fit the usage type': 1,
      'first tier of the global row is not free': 1,
    });
    expect(TRAPS).toHaveLength(15);
    expect(reading.rowCount).toBe(15);
  });
});

test('a region that the base does not know is added, and its pairs are said to be missing', () => {
  const products = [
    {
      sku: 'NEW',
      attributes: awsTransfer('InterRegion Outbound', 'APS9-USE1-AWS-Out-Bytes', 'Nowhere|ap-southeast-9', VIRGINIA),
      tiers: one('0.2'),
    },
  ];
  // The base prices pairs by name, so that it says nothing about a region that is new.
  const named = ['us-east-1', 'eu-west-1', 'ap-southeast-2'];
  const base = bookOf({
    ...{ provider: 'aws', regions: named },
    rates: [rate({ class: 'cross-region', regions: named, peerRegions: named, usdPerUnit: '0.8' })],
  });
  const { book, summary } = importPriceBook('aws', [documentOf(awsOffer(products))], base);
  expect(summary.newRegions).toEqual(['ap-southeast-9']);
  expect(book.regions).toEqual([...named, 'ap-southeast-9']);
  expect(book.missing).toEqual([
    {
      ...{ regions: named.toSorted(), peerRegions: ['ap-southeast-9'] },
      note: 'Neither the imported documents nor the base book have a rate.',
    },
    {
      ...{ regions: ['ap-southeast-9'], peerRegions: ['ap-southeast-2', 'eu-west-1'] },
      note: 'Neither the imported documents nor the base book have a rate.',
    },
  ]);
});

test('two different rates for the same traffic: neither counts, the base stays', () => {
  const products = [
    ...PRODUCTS,
    { ...PRODUCTS[4], sku: 'AGAIN' },
    { ...PRODUCTS[5], sku: 'OTHER', tiers: one('0.097') },
  ];
  const { book, summary } = importPriceBook('aws', [documentOf(awsOffer(products))], BASE);
  const pair = (region: string, peerRegion: string) =>
    pricesOf(book, { class: 'cross-region', direction: 'out', region, peerRegion });
  expect(pair('us-east-1', 'eu-west-1')).toEqual(['0.02']);
  expect(pair('ap-southeast-2', 'us-east-1')).toEqual(['0.8']);
  expect(summary.ignored).toEqual([
    { reason: 'rate was read twice', count: 1, examples: ['cross-region us-east-1 to eu-west-1 0.02'] },
    {
      reason: 'two different rates for the same traffic',
      ...{ count: 1, examples: ['cross-region ap-southeast-2 to us-east-1 0.097'] },
    },
  ]);
});

test('of rows for the same traffic the general and the priced one count', () => {
  const [internet, , , , pair] = PRODUCTS;
  const reading = readAwsOffers([
    documentOf(
      awsOffer([
        { ...internet, sku: 'FREETOO', tiers: one('0') },
        internet,
        { ...pair, sku: 'BATCH', attributes: { ...pair.attributes, operation: 'S3RTC-Out' }, tiers: one('0.035') },
        pair,
      ]),
    ),
  ]);
  expect(reading.rates.map(({ tiers: [first] }) => first!.usdPerUnit)).toEqual(['0.09', '0.02']);
  expect(reading.ignored).toEqual([
    { reason: 'row is free, and there is a priced one', count: 1, examples: ['DataTransfer-Out-Bytes'] },
    {
      reason: 'row is of a single operation, and there is a general one',
      ...{ count: 1, examples: ['USE1-EU-AWS-Out-Bytes'] },
    },
  ]);
});

test('CSV says the same as JSON', () => {
  const quote = (cells: readonly string[]) => cells.map((cell) => `"${cell}"`).join(',');
  const lines = PRODUCTS.flatMap(({ sku, attributes, tiers }) =>
    tiers.map(([begin, end, price]) =>
      quote([
        ...[sku, 'JRTCKXETXF', 'OnDemand', 'a price, "quoted"'.replaceAll('"', '""'), begin, end, 'GB', price, 'USD'],
        ...['Data Transfer', 'AWSDataTransfer', attributes['transferType']!, attributes['fromLocation']!],
        ...[attributes['fromLocationType']!, attributes['toLocation']!, attributes['toLocationType']!],
        ...[attributes['usagetype']!, '', attributes['fromRegionCode'] ?? '', attributes['toRegionCode'] ?? ''],
      ]),
    ),
  );
  const csv = [
    ...['"FormatVersion","v1.0"', '"Disclaimer","This pricing list is, as ever, for information"'],
    ...['"Publication Date","2026-09-16T13:22:08Z"', '"Version","20260916132208"', '"OfferCode","AWSDataTransfer"'],
    '"SKU","OfferTermCode","TermType","PriceDescription","StartingRange","EndingRange","Unit","PricePerUnit","Currency","Product Family","serviceCode","Transfer Type","From Location","From Location Type","To Location","To Location Type","usageType","operation","From Region Code","To Region Code"',
    ...lines,
    quote(['SKU9', 'X', 'Reserved', '', '0', 'Inf', 'GB', '1', 'USD', '', '', '', '', '', '', '', 'Box', '', '', '']),
    '"SKU8","too short"',
  ].join('\r\n');
  const [fromJson, fromCsv] = [awsOffer(PRODUCTS), csv].map((text) => readAwsOffers([documentOf(text)]));
  expect(fromCsv).toEqual({
    ...fromJson,
    rowCount: fromJson!.rowCount + 2,
    ignored: [
      { reason: 'price is not On-Demand', count: 1, examples: ['Box'] },
      { reason: 'row does not have the shape of an offer', count: 1, examples: ['SKU8,too short'] },
    ],
  });
});

test.each([
  ['{"Items":[]}'],
  ['{"formatVersion":"v2.0","products":{},"terms":{"OnDemand":{}}}'],
  ['<html>error</html>'],
  ['"FormatVersion","v1.0"\n'],
])('%s is no offer', (text) => {
  expect(() => readAwsOffers([documentOf(text, 'offer.json')])).toThrow(
    /^offer\.json is no offer file of the AWS Price List Bulk API .*docs\/importing-prices\.md/,
  );
});

test('documents without any rate are refused, with the reasons', () => {
  expect(() => importPriceBook('aws', [documentOf(awsOffer(TRAPS.slice(0, 2)))], BASE)).toThrow(
    'no rate of aws was understood in 2 rows (1 × S3 Multi-Region Access Point: a charge of S3, not of transfer between regions; 1 × usage type is unknown); check that these are the documents that docs/importing-prices.md names',
  );
});
