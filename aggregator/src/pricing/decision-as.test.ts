// Prices of rows that were summed up: class and path are stored, addresses, nodes and ports are gone. They cost what they cost when they
// were decided in full.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FlowRow } from '../model/flow-row.ts';
import type { PricingConfig } from './config/format.ts';
import { roundHalfEven } from './money.ts';
import { createPricing, type Pricing } from './pricing.ts';
import { acmeBook, boltBook, GB } from './small-books.testing.ts';
import { type SummedCosts, summedCosts } from './summed-costs.ts';
import { at, peerAt, TO_INTERNET, testRow } from './testing.ts';
import { countedOf } from './usage.ts';

const books = [acmeBook(), boltBook()];
const HEADER = 50;

const CONFIG: PricingConfig = {
  version: 1,
  overlayHeaderBytes: HEADER,
  accounts: [{ name: 'far', zoneIds: { a: 'id-1', b: 'id-2' } }],
  networks: [
    {
      ...{ name: 'friends', kind: 'peered', ranges: ['10.50.0.0/16'], provider: 'acme', region: 'r1', zone: 'b' },
      account: 'far',
    },
    { name: 'office', kind: 'on-premises', ranges: ['10.60.0.0/16'], via: 'vpn' },
  ],
  paths: [
    { name: 'nat in a', path: 'nat-gateway', from: { zones: ['a'] }, zone: 'a', to: { classes: ['internet'] } },
    { name: 'nat in b', path: 'nat-gateway', from: { zones: ['b'] }, zone: 'a', to: { classes: ['internet'] } },
    { name: 'queue', path: 'interface-endpoint', to: { services: ['QUEUE'] } },
  ],
  discounts: [{ percent: '10', provider: 'acme', classes: ['internet'], until: '2026-01-15' }],
  charge: { gatewaySide: true, readsFrom: ['STORE'] },
};

/** What the row would be in a table of sums. */
function summedUp(row: FlowRow): FlowRow {
  return { ...row, node: '', ip: null, peerNode: null, peerIp: null, peerPod: null, protocol: null, port: null };
}

const rounded = ({ tx, rx, processing, basis }: SummedCosts) => ({
  txCost: tx && roundHalfEven(tx),
  rxCost: rx && roundHalfEven(rx),
  processingCost: processing && roundHalfEven(processing),
  priceBasis: basis,
});

const costs = ({ txCost, rxCost, processingCost, priceBasis }: FlowRow) => ({
  ...{ txCost, rxCost, processingCost, priceBasis },
});

function again(pricing: Pricing, row: FlowRow) {
  const stored = summedUp(row);
  return rounded(summedCosts(pricing.decisionAs(stored), countedOf(stored), HEADER));
}

const place = fc.constantFrom(
  at('acme', 'r1', 'a'),
  at('acme', 'r1', 'b'),
  at('acme', 'r1'),
  at('acme', 'r2', 'c'),
  at('bolt', 'b1', 'x'),
  at('bolt', 'b1'),
  at('acme', null),
  at(null, null),
);

const peer = fc.oneof(
  fc.constantFrom(
    peerAt('acme', 'r1', 'a'),
    peerAt('acme', 'r1', 'b'),
    peerAt('acme', 'r2', 'c'),
    peerAt('acme', 'r9', 'z'),
    peerAt('bolt', 'b1', 'y'),
    peerAt('bolt', 'b1'),
    peerAt(null, null),
    { ...peerAt('acme', 'r1', 'b'), peerNode: 'n1' },
    { ...peerAt('acme', 'r1', 'a'), peerCluster: 'other' },
    { ...peerAt('acme', 'r1', 'a'), peerKind: 'node' as const, peerIp: '54.1.2.3' },
  ),
  fc.constantFrom(
    TO_INTERNET,
    { ...TO_INTERNET, peerIp: '10.50.1.1', peerName: 'friends', peerKind: 'private', ...peerAt('acme', 'r1', 'b') },
    { ...TO_INTERNET, peerIp: '10.60.1.1', peerName: 'office', peerKind: 'private' },
    { ...TO_INTERNET, peerKind: 'provider-service', peerName: 'QUEUE', ...peerAt('acme', 'r1') },
    {
      ...{ ...TO_INTERNET, peerKind: 'provider-service', peerName: 'orders', peerWorkloadKind: 'QUEUE' },
      ...peerAt('acme', 'r1'),
    },
    { ...TO_INTERNET, peerKind: 'provider-service', peerName: 'STORE', ...peerAt('acme', 'r2') },
  ) as fc.Arbitrary<Partial<FlowRow>>,
);

const counter = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 5 * GB }));

test('any row costs, class and path as stored, what it cost when it was decided', () => {
  const pricing = createPricing({ books, config: CONFIG });
  const classes = new Set<string>();
  fc.assert(
    fc.property(
      place,
      peer,
      fc.constantFrom<FlowRow['localKind']>('pod', 'node'),
      fc.tuple(counter, counter, fc.nat(1000), fc.nat(1000)),
      fc.constantFrom('2026-01-10', '2026-01-20'),
      (local, remote, localKind, [txBytes, rxBytes, txPackets, rxPackets], day) => {
        const windowStartUs = Date.parse(day) * 1000;
        const counters = { txBytes, rxBytes, txPackets, rxPackets };
        const row = testRow({ ...local, ...remote, ...counters, localKind, windowStartUs });
        pricing.price(row);
        classes.add(`${row.trafficClass} ${row.path}`);
        expect(again(pricing, row)).toEqual(costs(row));
      },
    ),
    { numRuns: 3000 },
  );
  expect([...classes].sort()).toEqual(
    expect.arrayContaining([
      ...['cross-region null', 'cross-zone null', 'internet nat-gateway', 'on-premises vpn', 'other-provider null'],
      ...['peered vpc-peering', 'provider-service interface-endpoint', 'provider-service null', 'same-node null'],
      ...['same-region null', 'same-region-public null', 'same-zone null', 'unknown null'],
    ]),
  );
});

test('sums of any size are exact', () => {
  const pricing = createPricing({ books });
  const row = testRow({ ...at('acme', 'r1', 'a'), ...TO_INTERNET, trafficClass: 'internet' });
  const counted = { txBytes: 10n ** 24n + 1n, txPackets: 0n, rxBytes: 1n, rxPackets: 0n };
  // 10^24 + 1 bytes × 0.10 / 10^9: 100 picodollars each.
  expect(rounded(summedCosts(pricing.decisionAs(row), counted))).toMatchObject({ txCost: 10n ** 26n + 100n });
});

describe('what a summed row cannot say', () => {
  const toInternet = testRow({ ...at('acme', 'r1', 'b'), ...TO_INTERNET, txBytes: GB, trafficClass: 'internet' });
  const nat = { ...toInternet, path: 'nat-gateway' };

  test('rules that differ: the first that may have said the path counts, as an estimate', () => {
    const config: PricingConfig = {
      version: 1,
      paths: [
        { name: 'by subnet', path: 'nat-gateway', from: { subnets: ['10.0.0.0/9'] }, zone: 'a' },
        { name: 'other', path: 'nat-gateway', zone: 'b' },
      ],
    };
    const decided = createPricing({ books, config }).decisionAs(nat);
    expect(decided.out.terms.map(({ charge, basis }) => [charge.key.trafficClass, basis])).toEqual([
      ['internet', 'estimated'],
      ['cross-zone', 'estimated'],
    ]);
    expect(decided.out.terms[0]?.doubts.join()).toContain('"by subnet" is taken');
  });

  test('a path that no rule says any more is priced all the same', () => {
    // 1 GB × 0.04 for the gateway.
    const priced = rounded(summedCosts(createPricing({ books }).decisionAs(nat), countedOf(nat)));
    expect(priced).toEqual({
      ...{ txCost: 10n ** 11n, rxCost: 0n, processingCost: 4n * 10n ** 10n, priceBasis: 'exact' },
    });
  });

  test.each(['lost', 'unknown'] as const)('%s has no price', (trafficClass) => {
    const row = { ...toInternet, trafficClass, lossReason: trafficClass === 'lost' ? 'vanished' : null };
    expect(rounded(summedCosts(createPricing({ books }).decisionAs(row), countedOf(row)))).toMatchObject({
      ...{ txCost: null, rxCost: null, processingCost: null, priceBasis: 'none' },
    });
  });
});
