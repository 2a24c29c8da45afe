// What the pricing configuration does to rows. Prices of a small book, worked by hand: units of 1000 bytes.
import { describe, expect, it } from 'vitest';
import type { FlowRow } from '../model/flow-row.ts';
import type { PriceBook } from './book/format.ts';
import type { PricingConfig } from './config/format.ts';
import { createPricing } from './pricing.ts';
import { at, peerAt, TO_INTERNET, testBook, testRate, testRow } from './testing.ts';

const USD = 1_000_000_000_000n;
const usd = (text: string) => (BigInt(Math.round(Number(text) * 1e6)) * USD) / 1_000_000n;

const BOOK = testBook({
  switches: { kind: { values: ['plain', 'fancy'], default: 'plain', note: 'a kind' } },
  rates: [
    testRate({ class: 'same-zone', directions: ['out', 'in'], usdPerUnit: '0' }),
    testRate({ class: 'cross-zone', directions: ['out', 'in'], usdPerUnit: '0.01' }),
    testRate({ class: 'cross-zone', paths: ['transit-gateway'], directions: ['out', 'in'], usdPerUnit: '0' }),
    testRate({ class: 'cross-region', usdPerUnit: '0.02' }),
    testRate({ class: 'cross-region', directions: ['in'], usdPerUnit: '0' }),
    testRate({
      class: 'internet',
      usdPerUnit: undefined,
      tiers: [
        { from: 0, usdPerUnit: '0.09' },
        { from: 50, usdPerUnit: '0.05' },
      ],
    }),
    testRate({ class: 'internet', directions: ['in'], usdPerUnit: '0' }),
    testRate({
      class: 'provider-service',
      directions: ['out', 'in'],
      relations: ['same-zone', 'cross-zone', 'same-region'],
      usdPerUnit: '0',
    }),
    testRate({ class: 'peered', directions: ['out', 'in'], usdPerUnit: '0.03' }),
    testRate({ class: 'on-premises', paths: ['vpn'], usdPerUnit: '0.07' }),
    testRate({ class: 'on-premises', paths: ['vpn'], directions: ['in'], usdPerUnit: '0' }),
  ],
  treatAs: [
    {
      class: 'provider-service',
      relations: ['cross-region'],
      as: 'cross-region',
      basis: 'estimated',
      note: 'as machines',
    },
  ],
  processing: [
    testRate({ paths: ['nat-gateway'], directions: ['out', 'in'], usdPerUnit: '0.045' }),
    testRate({ paths: ['gateway-endpoint', 'vpc-peering', 'vpn'], directions: ['out', 'in'], usdPerUnit: '0' }),
    testRate({ paths: ['transit-gateway'], usdPerUnit: '0.02' }),
    testRate({ paths: ['load-balancer'], when: { kind: 'plain' }, usdPerUnit: '0.008' }),
    testRate({ paths: ['load-balancer'], when: { kind: 'fancy' }, usdPerUnit: '0.004' }),
  ],
});

const A = at('aws', 'r1', 'r1a');
const S3 = { ...TO_INTERNET, ...peerAt('aws', 'r1'), peerKind: 'provider-service', peerName: 'S3' } as const;
const NAT = { name: 'nat', path: 'nat-gateway' };

interface Case {
  readonly name: string;
  readonly config: Omit<PricingConfig, 'version'>;
  readonly row: Partial<FlowRow>;
  /** Class, path, costs of 1000 bytes sent and 2000 received, basis. */
  readonly expected: readonly [string, string | null, string | null, string | null, string | null, string];
}

const cases: Case[] = [
  {
    name: 'nothing',
    config: {},
    row: { ...A, ...TO_INTERNET },
    expected: ['internet', null, '0.09', '0', '0', 'exact'],
  },
  {
    name: 'a NAT gateway, both ways',
    config: { paths: [NAT] },
    row: { ...A, ...TO_INTERNET },
    expected: ['internet', 'nat-gateway', '0.09', '0', '0.135', 'exact'],
  },
  {
    name: 'a NAT gateway is not for IPv6',
    config: { paths: [NAT] },
    row: { ...A, ...TO_INTERNET, peerIp: '2600::1' },
    expected: ['internet', null, '0.09', '0', '0', 'exact'],
  },
  {
    name: 'a NAT gateway for IPv6, said',
    config: { paths: [{ ...NAT, family: 'any' }] },
    row: { ...A, ...TO_INTERNET, peerIp: '2600::1' },
    expected: ['internet', 'nat-gateway', '0.09', '0', '0.135', 'exact'],
  },
  {
    name: 'a NAT gateway is not inside the network',
    config: { paths: [{ ...NAT, to: { ranges: ['10.0.0.0/8'] } }] },
    row: { ...A, ...peerAt('aws', 'r1', 'r1b') },
    expected: ['cross-zone', null, '0.01', '0.02', '0', 'exact'],
  },
  {
    name: 'a NAT gateway in another zone: a cross-zone byte each way',
    config: { paths: [{ ...NAT, zone: 'r1b' }] },
    row: { ...A, ...TO_INTERNET },
    expected: ['internet', 'nat-gateway', '0.1', '0.02', '0.135', 'exact'],
  },
  {
    name: "the gateway's side of that way, if it is charged",
    config: { paths: [{ ...NAT, zone: 'r1b' }], charge: { gatewaySide: true } },
    row: { ...A, ...TO_INTERNET },
    expected: ['internet', 'nat-gateway', '0.1', '0.02', '0.165', 'exact'],
  },
  {
    name: 'a NAT gateway in the own zone',
    config: { paths: [{ ...NAT, zone: 'r1a' }] },
    row: { ...A, ...TO_INTERNET },
    expected: ['internet', 'nat-gateway', '0.09', '0', '0.135', 'exact'],
  },
  {
    name: 'a NAT gateway, from a node whose zone nobody knows',
    config: { paths: [{ ...NAT, zone: 'r1a' }] },
    row: { ...at('aws', 'r1'), ...TO_INTERNET },
    expected: ['internet', 'nat-gateway', '0.1', '0.02', '0.135', 'estimated'],
  },
  {
    name: 'a bucket in the region',
    config: {},
    row: { ...A, ...S3 },
    expected: ['provider-service', null, '0', '0', '0', 'exact'],
  },
  {
    name: 'a bucket through a NAT gateway',
    config: { paths: [NAT] },
    row: { ...A, ...S3 },
    expected: ['provider-service', 'nat-gateway', '0', '0', '0.135', 'exact'],
  },
  {
    name: 'a bucket through its endpoint, the rule before',
    config: { paths: [{ name: 's3', path: 'gateway-endpoint', to: { services: ['S3'] } }, NAT] },
    row: { ...A, ...S3 },
    expected: ['provider-service', 'gateway-endpoint', '0', '0', '0', 'exact'],
  },
  {
    name: 'the same where the operator calls the range by another name',
    config: { paths: [{ name: 's3', path: 'gateway-endpoint', to: { services: ['S3'] } }, NAT] },
    row: { ...A, ...S3, peerName: 'backups', peerWorkloadKind: 'S3' },
    expected: ['provider-service', 'gateway-endpoint', '0', '0', '0', 'exact'],
  },
  {
    name: 'a bucket in another region',
    config: {},
    row: { ...A, ...S3, peerRegion: 'r2' },
    expected: ['provider-service', null, '0.02', '0', '0', 'estimated'],
  },
  {
    name: 'an own bucket in another region: reads are charged',
    config: { charge: { readsFrom: ['S3'] } },
    row: { ...A, ...S3, peerRegion: 'r2' },
    expected: ['provider-service', null, '0.02', '0.04', '0', 'estimated'],
  },
  {
    name: 'a peered network',
    config: { networks: [{ name: 'data', kind: 'peered', ranges: ['10.8.0.0/16'] }] },
    row: { ...A, ...peerAt('aws', 'r1', 'r1a'), peerCluster: null, peerKind: 'private', peerIp: '10.8.1.1' },
    expected: ['peered', 'vpc-peering', '0.03', '0.06', '0', 'exact'],
  },
  {
    name: 'a network behind a transit gateway in another zone',
    config: { networks: [{ name: 'data', kind: 'own', ranges: ['10.8.0.0/16'], via: 'transit-gateway' }] },
    row: { ...A, ...peerAt('aws', 'r1', 'r1b'), peerCluster: null, peerKind: 'private', peerIp: '10.8.1.1' },
    expected: ['cross-zone', 'transit-gateway', '0', '0', '0.02', 'exact'],
  },
  {
    name: 'an office behind a VPN',
    config: { networks: [{ name: 'office', kind: 'on-premises', ranges: ['192.168.0.0/16'], via: 'vpn' }] },
    row: { ...A, ...TO_INTERNET, peerKind: 'private', peerIp: '192.168.7.7' },
    expected: ['on-premises', 'vpn', '0.07', '0', '0', 'exact'],
  },
  {
    name: 'an office behind a line that nobody prices',
    config: { networks: [{ name: 'office', kind: 'on-premises', ranges: ['192.168.0.0/16'], via: 'direct-connect' }] },
    row: { ...A, ...TO_INTERNET, peerKind: 'private', peerIp: '192.168.7.7' },
    expected: ['on-premises', 'direct-connect', null, null, null, 'none'],
  },
  {
    name: 'the line with a negotiated rate',
    config: {
      networks: [{ name: 'office', kind: 'on-premises', ranges: ['192.168.0.0/16'], via: 'direct-connect' }],
      privateRates: [
        {
          provider: 'aws',
          class: 'on-premises',
          paths: ['direct-connect'],
          directions: ['out'],
          usdPerUnit: '0.005',
          unitBytes: 1000,
        },
        {
          provider: 'aws',
          class: 'on-premises',
          paths: ['direct-connect'],
          directions: ['in'],
          usdPerUnit: '0',
          unitBytes: 1000,
        },
        {
          provider: 'aws',
          processing: true,
          paths: ['direct-connect'],
          directions: ['out', 'in'],
          usdPerUnit: '0',
          unitBytes: 1000,
        },
      ],
    },
    row: { ...A, ...TO_INTERNET, peerKind: 'private', peerIp: '192.168.7.7' },
    expected: ['on-premises', 'direct-connect', '0.005', '0', '0', 'exact'],
  },
  {
    name: 'a discount on everything',
    config: { paths: [NAT], discounts: [{ percent: '10', provider: 'aws' }] },
    row: { ...A, ...TO_INTERNET },
    expected: ['internet', 'nat-gateway', '0.081', '0', '0.1215', 'exact'],
  },
  {
    name: 'a discount on a class leaves processing alone',
    config: { paths: [NAT], discounts: [{ percent: '10', classes: ['internet'] }] },
    row: { ...A, ...TO_INTERNET },
    expected: ['internet', 'nat-gateway', '0.081', '0', '0.135', 'exact'],
  },
  {
    name: 'the discount that says more, alone',
    config: {
      discounts: [
        { percent: '10', provider: 'aws' },
        { percent: '50', provider: 'aws', classes: ['internet'] },
        { percent: '20', provider: 'aws', regions: ['r1'] },
      ],
    },
    row: { ...A, ...TO_INTERNET },
    expected: ['internet', null, '0.045', '0', '0', 'exact'],
  },
  {
    name: 'a private rate, which no discount touches',
    config: {
      discounts: [{ percent: '50' }],
      privateRates: [{ provider: 'aws', class: 'internet', directions: ['out'], usdPerUnit: '0.04', unitBytes: 1000 }],
    },
    row: { ...A, ...TO_INTERNET },
    expected: ['internet', null, '0.04', '0', '0', 'exact'],
  },
  {
    name: 'the tier of a monthly amount',
    config: { monthlyAmounts: [{ provider: 'aws', class: 'internet', units: 50 }] },
    row: { ...A, ...TO_INTERNET },
    expected: ['internet', null, '0.05', '0', '0', 'exact'],
  },
  {
    name: 'a switch that nobody set',
    config: { paths: [{ name: 'lb', path: 'load-balancer' }] },
    row: { ...A, ...TO_INTERNET },
    expected: ['internet', 'load-balancer', '0.09', '0', '0.008', 'estimated'],
  },
  {
    name: 'a switch, set',
    config: { paths: [{ name: 'lb', path: 'load-balancer' }], switches: { aws: { kind: 'fancy' } } },
    row: { ...A, ...TO_INTERNET },
    expected: ['internet', 'load-balancer', '0.09', '0', '0.004', 'exact'],
  },
  {
    name: 'a switch of the rule, before the one of the provider',
    config: {
      paths: [{ name: 'lb', path: 'load-balancer', switches: { kind: 'plain' } }],
      switches: { aws: { kind: 'fancy' } },
    },
    row: { ...A, ...TO_INTERNET },
    expected: ['internet', 'load-balancer', '0.09', '0', '0.008', 'exact'],
  },
  {
    name: 'a rule for a service of the cluster',
    config: {
      paths: [
        { name: 'lb', path: 'load-balancer', to: { kubernetesServices: ['shop/web'] }, switches: { kind: 'plain' } },
      ],
    },
    row: { ...A, ...TO_INTERNET, service: 'shop/web' },
    expected: ['internet', 'load-balancer', '0.09', '0', '0.008', 'exact'],
  },
  {
    name: 'the same rule, another service',
    config: { paths: [{ name: 'lb', path: 'load-balancer', to: { kubernetesServices: ['shop/web'] } }] },
    row: { ...A, ...TO_INTERNET, service: 'shop/db' },
    expected: ['internet', null, '0.09', '0', '0', 'exact'],
  },
  {
    name: 'a rule for a subnet',
    config: { paths: [{ ...NAT, from: { subnets: ['10.244.1.0/24'] } }] },
    row: { ...A, ...TO_INTERNET, ip: '10.244.1.9' },
    expected: ['internet', 'nat-gateway', '0.09', '0', '0.135', 'exact'],
  },
  {
    name: 'the same rule, another subnet',
    config: { paths: [{ ...NAT, from: { subnets: ['10.244.1.0/24'] } }] },
    row: { ...A, ...TO_INTERNET, ip: '10.244.2.9' },
    expected: ['internet', null, '0.09', '0', '0', 'exact'],
  },
  {
    name: 'a rule for nodes',
    config: { paths: [{ ...NAT, from: { nodes: ['private-*'] } }] },
    row: { ...A, ...TO_INTERNET, node: 'private-7' },
    expected: ['internet', 'nat-gateway', '0.09', '0', '0.135', 'exact'],
  },
  {
    name: 'clusters of one account: zone names can be compared',
    config: { accounts: [{ name: 'prod', clusters: ['test', 'other'] }] },
    row: { ...A, ...peerAt('aws', 'r1', 'r1b'), peerCluster: 'other' },
    expected: ['cross-zone', null, '0.01', '0.02', '0', 'exact'],
  },
  {
    name: 'ids of zones from the configuration',
    config: {
      accounts: [
        { name: 'a', clusters: ['test'], zoneIds: { r1a: 'r1-az1' } },
        { name: 'b', clusters: ['other'], zoneIds: { r1b: 'r1-az1' } },
      ],
    },
    row: { ...A, ...peerAt('aws', 'r1', 'r1b'), peerCluster: 'other' },
    expected: ['same-zone', null, '0', '0', '0', 'exact'],
  },
  {
    name: 'overlay headers, between pods: 50 bytes for each of 10 packets sent and 20 received',
    config: { overlayHeaderBytes: 50 },
    row: { ...A, ...peerAt('aws', 'r1', 'r1b'), txPackets: 10, rxPackets: 20 },
    expected: ['cross-zone', null, '0.015', '0.03', '0', 'exact'],
  },
  {
    name: 'no overlay headers to the internet',
    config: { overlayHeaderBytes: 50 },
    row: { ...A, ...TO_INTERNET, txPackets: 10, rxPackets: 20 },
    expected: ['internet', null, '0.09', '0', '0', 'exact'],
  },
  {
    name: 'a public address that the configuration calls the internet',
    config: { networks: [{ name: 'cdn', kind: 'internet', ranges: ['203.0.113.0/24'] }] },
    row: { ...A, ...TO_INTERNET, ...peerAt('gcp', 'x') },
    expected: ['internet', null, '0.09', '0', '0', 'exact'],
  },
  {
    name: 'a peer without a place, through a gateway: what is known stays',
    config: { paths: [NAT] },
    row: { ...A, peerCluster: null, peerKind: 'unknown', peerIp: '10.9.9.9' },
    expected: ['unknown', 'nat-gateway', null, null, '0.135', 'none'],
  },
];

function priced(
  config: Omit<PricingConfig, 'version'>,
  fields: Partial<FlowRow>,
  books: readonly PriceBook[] = [BOOK],
): FlowRow {
  const row = testRow({ txBytes: 1000, rxBytes: 2000, ...fields });
  createPricing({ books, config: { version: 1, ...config } }).price(row);
  return row;
}

describe('the configuration', () => {
  it.each(cases)('$name', ({ config, row, expected }) => {
    const { trafficClass, path, txCost, rxCost, processingCost, priceBasis } = priced(config, row);
    const [wantedClass, wantedPath, tx, rx, processing, basis] = expected;
    expect({ trafficClass, path, txCost, rxCost, processingCost, priceBasis }).toEqual({
      trafficClass: wantedClass,
      path: wantedPath,
      txCost: tx === null ? null : usd(tx),
      rxCost: rx === null ? null : usd(rx),
      processingCost: processing === null ? null : usd(processing),
      priceBasis: basis,
    });
  });

  const NEW_YEAR_US = Date.UTC(2027, 0, 1) * 1000;

  it('a discount ends with the day before', () => {
    const config = { discounts: [{ percent: '50', provider: 'aws', until: '2027-01-01' }] };
    const cost = (windowStartUs: number) => priced(config, { ...A, ...TO_INTERNET, windowStartUs }).txCost;
    expect(cost(NEW_YEAR_US - 1)).toBe(usd('0.045'));
    expect(cost(NEW_YEAR_US)).toBe(usd('0.09'));
  });

  it('a private rate has a first day', () => {
    const rate = {
      provider: 'aws',
      class: 'internet',
      directions: ['out'],
      usdPerUnit: '0.04',
      unitBytes: 1000,
    } as const;
    const config: Omit<PricingConfig, 'version'> = {
      privateRates: [{ ...rate, directions: ['out'], from: '2027-01-01' }],
    };
    const cost = (windowStartUs: number) => priced(config, { ...A, ...TO_INTERNET, windowStartUs }).txCost;
    expect(cost(NEW_YEAR_US - 1)).toBe(usd('0.09'));
    expect(cost(NEW_YEAR_US)).toBe(usd('0.04'));
  });

  it('a newer book holds from its first day on', () => {
    const newer = testBook({
      date: '2027-01-01',
      effectiveFrom: '2027-01-01',
      rates: [
        testRate({ class: 'internet', usdPerUnit: '0.11' }),
        testRate({ class: 'internet', directions: ['in'], usdPerUnit: '0' }),
      ],
    });
    const at2 = (windowStartUs: number) => priced({}, { ...A, ...TO_INTERNET, windowStartUs }, [newer, BOOK]);
    expect(at2(NEW_YEAR_US - 1)).toMatchObject({ txCost: usd('0.09'), priceBook: 'aws@2026-01-01' });
    expect(at2(NEW_YEAR_US)).toMatchObject({ txCost: usd('0.11'), priceBook: 'aws@2027-01-01' });
  });

  it('says why', () => {
    const pricing = createPricing({ books: [BOOK], config: { version: 1, paths: [{ ...NAT, zone: 'r1b' }] } });
    expect(pricing.decision(testRow({ ...A, ...TO_INTERNET })).reasons).toEqual([
      'the peer is a public address without a known place',
      'rule "nat" says that a nat-gateway lies between',
      "the nat-gateway is in zone r1b, not in the node's",
    ]);
  });
});
