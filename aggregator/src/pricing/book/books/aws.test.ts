// The book of AWS against figures typed in from the price pages and feeds that it names.
import { describe, expect, it } from 'vitest';
import { parsePriceBook } from '../read.ts';
import { priceText, processingFor, processingText, ratesFor, type Traffic } from '../testing.ts';
import type { Direction } from '../words.ts';
import aws from './aws.json' with { type: 'json' };

const BOOK = parsePriceBook(aws, 'aws.json');

const EUROPE = 'eu-central-1 eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3';
const NEAR_AMERICA = 'ca-central-1 us-east-1 us-east-2 us-gov-east-1 us-gov-west-1 us-west-1 us-west-2';
const MIDDLE = 'af-south-1 il-central-1 me-central-1 me-south-1';

/** Between regions: the rate of a source, and the destinations that have another. */
const BETWEEN_REGIONS: [sources: string, usd: string, exceptions: Record<string, string>][] = [
  [EUROPE, '0.02', { '0.05': 'ca-west-1 mx-central-1', '0.08': 'ap-southeast-7' }],
  ['us-east-1', '0.02', { '0.01': 'us-east-2', '0.08': 'ap-southeast-7' }],
  ['us-east-2', '0.02', { '0.01': 'us-east-1', '0.08': 'ap-southeast-7' }],
  ['ca-central-1 us-west-1 us-west-2', '0.02', { '0.08': 'ap-southeast-7' }],
  ['us-gov-east-1 us-gov-west-1', '0.03', { '0.08': 'ap-southeast-7' }],
  ['ap-east-2', '0.08', { '0.09': 'ap-northeast-3', '0.11': MIDDLE, '0.14': 'mx-central-1 sa-east-1' }],
  ['ap-northeast-2', '0.08', {}],
  ['ap-southeast-5 ap-southeast-7', '0.08', { '0.11': MIDDLE, '0.14': 'sa-east-1' }],
  ['ca-west-1', '0.08', { '0.02': `${NEAR_AMERICA} mx-central-1`, '0.05': `${EUROPE} sa-east-1`, '0.14': MIDDLE }],
  ['il-central-1', '0.08', { '0.15': 'ap-southeast-2 ap-southeast-4' }],
  ['mx-central-1', '0.08', { '0.02': `${NEAR_AMERICA} ca-west-1`, '0.05': `${EUROPE} sa-east-1`, '0.14': MIDDLE }],
  ['me-central-1', '0.085', { '0.1105': 'ap-southeast-7' }],
  ['ap-south-1 ap-south-2', '0.086', {}],
  ['ap-east-1 ap-northeast-1', '0.09', {}],
  ['ap-northeast-3', '0.09', { '0.08': 'ap-east-2' }],
  ['ap-southeast-1', '0.09', { '0.08': 'ap-southeast-5 ap-southeast-7' }],
  ['ap-southeast-2', '0.098', { '0.08': 'ap-southeast-4' }],
  ['ap-southeast-3', '0.1', { unread: 'ap-northeast-3 sa-east-1' }],
  ['ap-southeast-4', '0.1', { '0.08': 'ap-southeast-2', '0.14': 'il-central-1 me-central-1 me-south-1' }],
  ['me-south-1', '0.1105', {}],
  ['sa-east-1', '0.138', { '0.14': 'ap-southeast-7' }],
  ['af-south-1', '0.147', {}],
];
const REGIONS = BETWEEN_REGIONS.flatMap(([sources]) => sources.split(' '));
const GOVCLOUD = ['us-gov-east-1', 'us-gov-west-1'];

/** To the internet, up to 10, 50, 150 TB of a month and beyond. */
const INTERNET: [regions: string, usd: string][] = [
  [`ca-central-1 ca-west-1 ${EUROPE} mx-central-1 us-east-1 us-east-2 us-west-1 us-west-2`, '0.09 0.085 0.07 0.05'],
  ['ap-southeast-5 ap-southeast-7', '0.108 0.0765 0.0738 0.072'],
  ['ap-east-2', '0.1083 0.08455 0.0817 0.0798'],
  ['ap-south-1 ap-south-2', '0.1093 0.085 0.082 0.08'],
  ['il-central-1 me-central-1', '0.11 0.085 0.077 0.055'],
  ['ap-northeast-1 ap-northeast-3', '0.114 0.089 0.086 0.084'],
  ['ap-southeast-2 ap-southeast-4', '0.114 0.098 0.094 0.092'],
  ['me-south-1', '0.117 0.1105 0.091 0.065'],
  ['ap-east-1 ap-southeast-1', '0.12 0.085 0.082 0.08'],
  ['ap-northeast-2', '0.126 0.122 0.117 0.108'],
  ['ap-southeast-3', '0.132 0.1 0.095 0.09'],
  ['sa-east-1', '0.15 0.138 0.126 0.114'],
  ['af-south-1', '0.154 0.147 0.126 0.112'],
  ['us-gov-east-1 us-gov-west-1', '0.155 0.115 0.09 0.065'],
];

const NAT: [usd: string, regions: string][] = [
  ['0.045', 'us-east-1 us-east-2 us-west-2'],
  ['0.046', 'eu-north-1'],
  ['0.04725', 'mx-central-1'],
  ['0.048', 'eu-south-2 eu-west-1 us-west-1'],
  ['0.05', 'ca-central-1 ca-west-1 eu-south-1 eu-west-2 eu-west-3'],
  ['0.05015', 'ap-southeast-5 ap-southeast-7'],
  ['0.0504', 'il-central-1'],
  ['0.052', 'eu-central-1'],
  ['0.0528', 'me-central-1 me-south-1'],
  ['0.054', 'us-gov-east-1 us-gov-west-1'],
  ['0.0558', 'ap-east-2'],
  ['0.056', 'ap-south-1 ap-south-2'],
  ['0.057', 'af-south-1'],
  ['0.0572', 'eu-central-2'],
  ['0.059', 'ap-northeast-2 ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-4'],
  ['0.06195', 'ap-southeast-6'],
  ['0.062', 'ap-northeast-1 ap-northeast-3'],
  ['0.065', 'ap-east-1'],
  ['0.093', 'sa-east-1'],
];

describe('between regions', () => {
  it('35 regions were read', () => expect(new Set(REGIONS).size).toBe(35));

  const pairs = BETWEEN_REGIONS.flatMap(([sources, usd, exceptions]) =>
    sources.split(' ').map((from) => ({ from, usd, exceptions })),
  );
  it.each(pairs)('from $from to each other region', ({ from, usd, exceptions }) => {
    const expected = REGIONS.filter((to) => to !== from).map((to) => {
      const other = Object.entries(exceptions).find(([, regions]) => regions.split(' ').includes(to));
      return [to, other?.[0] ?? usd];
    });
    const found = expected.map(([to]) => {
      const rates = ratesFor(BOOK, { class: 'cross-region', region: from, peerRegion: to! }, 'out');
      expect(rates.length).toBeLessThan(2);
      return [to, rates[0]?.usdPerUnit ?? 'unread'];
    });
    expect(found).toEqual(expected);
  });

  it.each(['us-east-1', 'ap-southeast-3'])('what comes to %s is free', (region) => {
    const traffic: Traffic = { class: 'cross-region', region, peerRegion: 'sa-east-1' };
    expect(ratesFor(BOOK, traffic, 'in').map((rate) => rate.usdPerUnit)).toEqual(['0']);
  });

  it('no rate for a region that was not read', () => {
    for (const peerRegion of ['ap-southeast-6', 'me-west-1', 'cn-north-1']) {
      expect(ratesFor(BOOK, { class: 'cross-region', region: 'us-east-1', peerRegion }, 'out')).toEqual([]);
    }
  });
});

describe('internet', () => {
  it('covers the 35 regions', () => {
    expect(INTERNET.flatMap(([regions]) => regions.split(' ')).toSorted()).toEqual(REGIONS.toSorted());
  });

  it.each(INTERNET.flatMap(([regions, usd]) => regions.split(' ').map((region) => ({ region, usd }))))(
    'tiers of $region, each region by itself',
    ({ region, usd }) => {
      const [rate, ...others] = ratesFor(BOOK, { class: 'internet', region }, 'out');
      expect(others).toEqual([]);
      expect(rate).toMatchObject({ basis: 'exact', pool: 'region' });
      const bounds = [0, 10_240, 51_200, 153_600];
      expect(rate!.tiers).toEqual(usd.split(' ').map((usdPerUnit, index) => ({ from: bounds[index], usdPerUnit })));
    },
  );

  it('100 GB are free before the tiers, but not for GovCloud', () => {
    expect(BOOK.allowances).toMatchObject([
      { amount: 100, unit: 'GB', class: 'internet', regions: ['*', '!@govcloud'], counts: 'before-tiers' },
    ]);
    expect(BOOK.groups!['govcloud']).toEqual(GOVCLOUD);
  });
});

describe('middleboxes', () => {
  it.each(NAT.flatMap(([usd, regions]) => regions.split(' ').map((region) => ({ region, usd }))))(
    'NAT gateway of $region: $usd',
    ({ region, usd }) => {
      expect(processingText(BOOK, { path: 'nat-gateway', region })).toBe(`${usd} exact, ${usd} exact`);
    },
  );

  it('a NAT gateway is priced in 36 regions, and in no other', () => {
    expect(NAT.flatMap(([, regions]) => regions.split(' ')).toSorted()).toEqual(BOOK.regions.toSorted());
    expect(processingText(BOOK, { path: 'nat-gateway', region: 'me-west-1' })).toBe('none, none');
  });

  const endpoints = [
    { from: 0, usdPerUnit: '0.01' },
    { from: 1_048_576, usdPerUnit: '0.006' },
    { from: 5_242_880, usdPerUnit: '0.004' },
  ];
  it.each(['interface-endpoint', 'resource-endpoint'])('tiers of %s', (path) => {
    for (const direction of ['out', 'in'] satisfies Direction[]) {
      const entries = processingFor(BOOK, { path, region: 'eu-west-1' }, direction);
      expect(entries.map((entry) => entry.tiers)).toEqual([endpoints]);
    }
  });

  const cases: [path: string, kind: string | undefined, region: string, price: string][] = [
    ['interface-endpoint', undefined, 'us-gov-west-1', 'tiers exact, tiers exact'],
    ['interface-endpoint', undefined, 'ap-southeast-6', 'none, none'],
    ['resource-endpoint', undefined, 'us-gov-west-1', 'none, none'],
    ['gateway-load-balancer-endpoint', undefined, 'us-east-1', '0.0035 exact, 0.0035 exact'],
    ['gateway-load-balancer-endpoint', undefined, 'us-gov-east-1', '0.0044 exact, 0.0044 exact'],
    ['transit-gateway', undefined, 'sa-east-1', '0.02 exact, 0 exact'],
    ['transit-gateway-peering', undefined, 'us-east-1', '0.02 exact, 0 estimated'],
    ['vpc-lattice', undefined, 'us-west-2', '0.025 estimated, 0.025 estimated'],
    ['vpc-lattice', undefined, 'me-south-1', '0.0275 estimated, 0.0275 estimated'],
    ['vpc-lattice', undefined, 'me-central-1', '0.03 estimated, 0.03 estimated'],
    ['vpc-lattice', undefined, 'ca-central-1', '0.03 estimated, 0.03 estimated'],
    ['vpc-lattice', undefined, 'eu-central-1', '0.0325 estimated, 0.0325 estimated'],
    ['vpc-lattice', undefined, 'ap-east-1', '0.0375 estimated, 0.0375 estimated'],
    ['vpc-lattice', undefined, 'sa-east-1', '0.04 estimated, 0.04 estimated'],
    ['vpc-lattice', undefined, 'us-gov-east-1', 'none, none'],
    ['gateway-endpoint', undefined, 'us-east-1', '0 exact, 0 exact'],
    ['vpc-peering', undefined, 'us-east-1', '0 exact, 0 exact'],
    ['direct-connect', undefined, 'us-east-1', '0 estimated, 0 estimated'],
    ['vpn', undefined, 'us-east-1', '0 estimated, 0 estimated'],
    ['load-balancer', 'classic', 'us-east-1', '0.008 exact, 0.008 exact'],
    ['load-balancer', 'classic', 'eu-north-1', '0.0076 exact, 0.0076 exact'],
    ['load-balancer', 'classic', 'eu-west-3', '0.0084 exact, 0.0084 exact'],
    ['load-balancer', 'classic', 'eu-west-2', '0.0084 exact, 0.0084 exact'],
    ['load-balancer', 'classic', 'eu-central-2', '0.0088 exact, 0.0088 exact'],
    ['load-balancer', 'classic', 'ap-east-1', '0.0088 exact, 0.0088 exact'],
    ['load-balancer', 'classic', 'me-central-1', '0.00896 exact, 0.00896 exact'],
    ['load-balancer', 'classic', 'af-south-1', '0.0095 exact, 0.0095 exact'],
    ['load-balancer', 'classic', 'sa-east-1', '0.011 exact, 0.011 exact'],
    ['load-balancer', 'classic', 'us-gov-east-1', '0.01 exact, 0.01 exact'],
    ['load-balancer', 'classic', 'ap-southeast-6', 'none, none'],
    ['load-balancer', undefined, 'us-east-1', '0.008 estimated, 0.008 estimated'],
    ['load-balancer', 'application', 'sa-east-1', '0.011 estimated, 0.011 estimated'],
    ['load-balancer', 'network', 'us-east-1', '0.006 estimated, 0.006 estimated'],
    ['load-balancer', 'network', 'eu-north-1', '0.0057 estimated, 0.0057 estimated'],
    ['load-balancer', 'network', 'eu-west-2', '0.006 estimated, 0.006 estimated'],
    ['load-balancer', 'network', 'il-central-1', '0.0063 estimated, 0.0063 estimated'],
    ['load-balancer', 'network', 'me-south-1', '0.0066 estimated, 0.0066 estimated'],
    ['load-balancer', 'network', 'me-central-1', '0.00672 estimated, 0.00672 estimated'],
    ['load-balancer', 'network', 'af-south-1', '0.0071 estimated, 0.0071 estimated'],
    ['load-balancer', 'network', 'sa-east-1', '0.00825 estimated, 0.00825 estimated'],
    ['load-balancer', 'network', 'us-gov-west-1', '0.0075 estimated, 0.0075 estimated'],
    ['load-balancer', 'gateway', 'us-east-1', '0.004 estimated, 0.004 estimated'],
    ['load-balancer', 'gateway', 'eu-central-2', '0.00462 estimated, 0.00462 estimated'],
  ];
  it.each(cases)('%s (%s) of %s: %s', (path, kind, region, price) => {
    expect(processingText(BOOK, { path, region, switches: kind === undefined ? {} : { 'load-balancer': kind } })).toBe(
      price,
    );
  });
});

describe('load balancers', () => {
  it.each(['classic', 'application', 'network', 'gateway'])('%s ones are priced in 35 regions', (kind) => {
    const switches = { 'load-balancer': kind };
    for (const region of REGIONS) {
      const [entry, ...others] = processingFor(BOOK, { path: 'load-balancer', region, switches }, 'in');
      expect([region, entry?.basis, others]).toEqual([region, kind === 'classic' ? 'exact' : 'estimated', []]);
    }
  });
});

describe('inside a region, services, networks', () => {
  const here = { region: 'us-east-1', peerRegion: 'us-east-1' } as const;
  const both = (rate: string) => `${rate}, ${rate}`;
  const cases: [name: string, traffic: Traffic, price: string][] = [
    ['one zone', { ...here, class: 'same-zone' }, both('0 exact')],
    ['two zones', { ...here, class: 'cross-zone' }, both('0.01 exact')],
    ['two zones behind a NAT gateway', { ...here, class: 'cross-zone', path: 'nat-gateway' }, both('0.01 exact')],
    ['two zones of GovCloud', { class: 'cross-zone', region: GOVCLOUD[0]!, peerRegion: GOVCLOUD[0]! }, both('none')],
    [
      'two zones of the youngest region',
      { class: 'cross-zone', region: 'ap-southeast-6', peerRegion: 'ap-southeast-6' },
      both('0.01 estimated'),
    ],
    ['zones not known', { ...here, class: 'same-region' }, both('none')],
    ['public addresses', { ...here, class: 'same-region-public' }, both('0.01 exact')],
    ['PrivateLink, two zones', { ...here, class: 'cross-zone', path: 'interface-endpoint' }, both('0 estimated')],
    ['Transit Gateway, two zones', { ...here, class: 'cross-zone', path: 'transit-gateway' }, both('0 estimated')],
    ['Client VPN, two zones', { ...here, class: 'cross-zone', path: 'client-vpn' }, both('0 estimated')],
    ['Transit Gateway, one zone', { ...here, class: 'same-zone', path: 'transit-gateway' }, both('0 exact')],
    [
      'peered transit gateways',
      { ...here, class: 'same-zone', path: 'transit-gateway-peering' },
      '0.01 exact, 0 exact',
    ],
    ['Application Load Balancer', { ...here, class: 'cross-zone', path: 'load-balancer' }, both('0 exact')],
    [
      'Network Load Balancer',
      { ...here, class: 'cross-zone', path: 'load-balancer', switches: { 'load-balancer': 'network' } },
      both('0.01 exact'),
    ],
    ['from the internet', { class: 'internet' }, 'none, 0 exact'],
    ['peered, one zone', { ...here, class: 'peered', relation: 'same-zone' }, both('0 exact')],
    ['peered, two zones', { ...here, class: 'peered', relation: 'cross-zone' }, both('0.01 exact')],
    ['peered, zones not known', { ...here, class: 'peered', relation: 'same-region' }, both('none')],
    [
      'peered, by Transit Gateway',
      { ...here, class: 'peered', relation: 'same-region', path: 'transit-gateway' },
      both('0 estimated'),
    ],
    ['S3', { ...here, class: 'provider-service', relation: 'same-region', service: 'S3' }, both('0 exact')],
    [
      'S3 behind a NAT gateway',
      { ...here, class: 'provider-service', relation: 'same-region', service: 'S3', path: 'nat-gateway' },
      both('0 exact'),
    ],
    [
      'S3 by an interface endpoint',
      { ...here, class: 'provider-service', relation: 'same-region', service: 'S3', path: 'interface-endpoint' },
      both('0 exact'),
    ],
    ['DynamoDB', { ...here, class: 'provider-service', relation: 'same-region', service: 'DYNAMODB' }, both('0 exact')],
    [
      'ECR, SQS, …',
      { ...here, class: 'provider-service', relation: 'same-region', service: 'AMAZON' },
      both('0 estimated'),
    ],
    [
      'another service',
      { ...here, class: 'provider-service', relation: 'same-region', service: 'API_GATEWAY' },
      both('none'),
    ],
    [
      'another service by an endpoint',
      {
        ...here,
        class: 'provider-service',
        relation: 'same-region',
        service: 'API_GATEWAY',
        path: 'interface-endpoint',
      },
      both('0 estimated'),
    ],
    [
      'on premises',
      { class: 'on-premises', relation: 'unknown', path: 'direct-connect', region: 'us-east-1' },
      'none, 0 exact',
    ],
    ['SQS', { ...here, class: 'provider-service', relation: 'same-region', service: 'SQS' }, both('0 exact')],
    [
      'a service without a region',
      { class: 'provider-service', relation: 'unknown', service: 'CLOUDFRONT', region: 'us-east-1' },
      'none, 0 exact',
    ],
  ];
  it.each(cases)('%s', (_name, traffic, price) => {
    expect(priceText(BOOK, traffic)).toBe(price);
  });

  it('what has no rate of its own is priced like something else', () => {
    expect(
      BOOK.treatAs!.map(({ class: from, relations, paths, as, basis }) => [from, relations ?? paths, as, basis]),
    ).toEqual([
      ['other-provider', undefined, 'internet', 'estimated'],
      ['provider-service', ['cross-region'], 'cross-region', 'exact'],
      ['provider-service', ['same-zone', 'cross-zone', 'same-region'], 'same-region-public', 'estimated'],
      ['peered', ['cross-region'], 'cross-region', 'estimated'],
      ['on-premises', ['vpn', 'client-vpn'], 'internet', 'estimated'],
    ]);
  });

  it('IPv6 between two networks is billed like public addresses', () => {
    expect(BOOK.ipv6BetweenNetworksIsPublic).toBe(true);
  });
});
