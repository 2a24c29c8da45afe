import { describe, expect, it } from 'vitest';
import type { FlowRow, TrafficClass } from '../model/flow-row.ts';
import { defaultPriceBooks } from './book/default-books.ts';
import { createPricing, type PricingOptions } from './pricing.ts';
import { at, peerAt, TO_INTERNET, testRow } from './testing.ts';

function classifier(options: Partial<PricingOptions> = {}): (row: FlowRow) => void {
  return createPricing({ books: defaultPriceBooks(), ...options }).price;
}

const classify = classifier();

const A1A = ['aws', 'us-east-1', 'us-east-1a'] as const;
const A1B = ['aws', 'us-east-1', 'us-east-1b'] as const;
const A2A = ['aws', 'us-east-2', 'us-east-2a'] as const;
const NODES: Partial<FlowRow> = { localKind: 'node', peerKind: 'node', ip: '172.20.1.1', peerIp: '172.20.2.1' };

const rows: { name: string; row: Partial<FlowRow>; expected: TrafficClass }[] = [
  { name: 'one zone', row: { ...at(...A1A), ...peerAt(...A1A) }, expected: 'same-zone' },
  { name: 'two zones', row: { ...at(...A1A), ...peerAt(...A1B) }, expected: 'cross-zone' },
  { name: 'two regions', row: { ...at(...A1A), ...peerAt(...A2A) }, expected: 'cross-region' },
  { name: 'two regions, zones unknown', row: { ...at('aws', 'a'), ...peerAt('aws', 'b') }, expected: 'cross-region' },
  { name: 'one node', row: { ...at(...A1A), ...peerAt(...A1A), peerNode: 'n1' }, expected: 'same-node' },
  { name: 'one node, places unknown', row: { peerNode: 'n1' }, expected: 'same-node' },
  {
    name: 'a node of the same name in another cluster',
    row: { ...at(...A1A), ...peerAt(...A2A), peerNode: 'n1', peerCluster: 'other' },
    expected: 'cross-region',
  },
  {
    name: 'another cluster in one region: zone names may mean other zones there',
    row: { ...at(...A1A), ...peerAt(...A1A), peerCluster: 'other' },
    expected: 'unknown',
  },
  {
    name: 'another cluster in one zone, by the ids of zones',
    row: {
      ...at(...A1A),
      zoneId: 'use1-az4',
      ...peerAt('aws', 'us-east-1', 'us-east-1c'),
      peerZoneId: 'use1-az4',
      peerCluster: 'other',
    },
    expected: 'same-zone',
  },
  {
    name: 'zones of one name in two accounts, by their ids',
    row: { ...at(...A1A), zoneId: 'use1-az4', ...peerAt(...A1A), peerZoneId: 'use1-az6', peerCluster: 'other' },
    expected: 'cross-zone',
  },
  { name: 'the internet', row: { ...at(...A1A), ...TO_INTERNET }, expected: 'internet' },
  { name: 'the internet, own place unknown', row: TO_INTERNET, expected: 'internet' },
  {
    name: 'a public address in the own region',
    row: { ...at(...A1A), ...TO_INTERNET, ...peerAt('aws', 'us-east-1') },
    expected: 'same-region-public',
  },
  {
    name: 'the public address of a node in the own zone',
    row: { ...at(...A1A), ...peerAt(...A1A), peerKind: 'node', peerIp: '54.1.2.3' },
    expected: 'same-region-public',
  },
  {
    name: 'a public prefix of the own region',
    row: { ...at(...A1A), ...TO_INTERNET, ...peerAt('aws', 'us-east-1'), peerIp: '54.1.2.0/24' },
    expected: 'same-region-public',
  },
  {
    name: 'a public IPv6 address of a pod in another zone',
    row: { ...at(...A1A), ...peerAt(...A1B), ip: '2600:1f18::1', peerIp: '2600:1f18::2' },
    expected: 'cross-zone',
  },
  {
    name: 'another provider',
    row: { ...at(...A1A), ...peerAt('gcp', 'us-east1', 'us-east1-b') },
    expected: 'other-provider',
  },
  { name: 'AWS, one zone unknown', row: { ...at(...A1A), ...peerAt('aws', 'us-east-1') }, expected: 'unknown' },
  {
    name: 'Google, one zone unknown',
    row: { ...at('gcp', 'us-east1', 'us-east1-b'), ...peerAt('gcp', 'us-east1') },
    expected: 'unknown',
  },
  {
    name: 'Azure, zones unknown: all rates are equal',
    row: { ...at('azure', 'eastus'), ...peerAt('azure', 'eastus') },
    expected: 'same-region',
  },
  { name: 'peer region unknown', row: { ...at(...A1A), ...peerAt('aws', null) }, expected: 'unknown' },
  { name: 'peer place unknown', row: at(...A1A), expected: 'unknown' },
  { name: 'own place unknown', row: peerAt(...A1A), expected: 'unknown' },
  {
    name: 'no cloud, two zones',
    row: { ...at(null, 'home', 'r1'), ...peerAt(null, 'home', 'r2') },
    expected: 'cross-zone',
  },
  { name: 'no cloud, no places', row: {}, expected: 'unknown' },
  {
    name: 'a private address that nobody has',
    row: { ...at(...A1A), ...TO_INTERNET, peerKind: 'private', peerIp: '10.9.9.9' },
    expected: 'unknown',
  },
  {
    name: 'VXLAN between nodes',
    row: { ...at(...A1A), ...peerAt(...A1B), ...NODES, protocol: 'udp', port: 8472 },
    expected: 'encapsulation',
  },
  {
    name: 'Geneve between regions',
    row: { ...at(...A1A), ...peerAt(...A2A), ...NODES, protocol: 'udp', port: 6081 },
    expected: 'encapsulation',
  },
  {
    name: 'IPIP between nodes',
    row: { ...at(...A1A), ...peerAt(...A1B), ...NODES, protocol: 'ipv4', port: 0 },
    expected: 'encapsulation',
  },
  {
    name: 'ESP between nodes',
    row: { ...at(...A1A), ...peerAt(...A1B), ...NODES, protocol: 'esp', port: 0 },
    expected: 'encapsulation',
  },
  {
    name: 'TCP on a tunnel port',
    row: { ...at(...A1A), ...peerAt(...A1B), ...NODES, protocol: 'tcp', port: 8472 },
    expected: 'cross-zone',
  },
  {
    name: 'a pod that speaks UDP to 4789',
    row: { ...at(...A1A), ...peerAt(...A1B), protocol: 'udp', port: 4789 },
    expected: 'cross-zone',
  },
  { name: 'a loss', row: { ...at(...A1A), ...peerAt(...A1A), lossReason: 'vanished' }, expected: 'lost' },
];

describe('classify', () => {
  it.each(rows)('$name: $expected', ({ row, expected }) => {
    const filled = testRow(row);
    classify(filled);
    expect(filled.trafficClass).toBe(expected);
  });

  it('takes other tunnels', () => {
    const own = classifier({ tunnels: { protocols: ['gre'], udpPorts: [9999] } });
    const between = { ...at(...A1A), ...peerAt(...A1B), ...NODES };
    const classes = [
      { protocol: 'gre', port: 0 },
      { protocol: 'udp', port: 9999 },
      { protocol: 'udp', port: 8472 },
    ].map((fields) => {
      const row = testRow({ ...between, ...fields });
      own(row);
      return row.trafficClass;
    });
    expect(classes).toEqual(['encapsulation', 'encapsulation', 'cross-zone']);
  });

  it('believes the cluster that an address which looks public is private', () => {
    const own = classifier({ inClusterRanges: (address) => address.startsWith('54.') });
    const row = testRow({ ...at(...A1A), ...peerAt(...A1B), peerIp: '54.1.2.3' });
    own(row);
    expect(row.trafficClass).toBe('cross-zone');
  });

  it('asks anew whether an address is the cluster’s: ranges come with nodes', () => {
    const ranges: string[] = [];
    const own = classifier({ inClusterRanges: (address) => ranges.some((range) => address.startsWith(range)) });
    const row = testRow({ ...at(...A1A), ...peerAt(...A1B), peerIp: '54.1.2.3' });
    own(row);
    expect(row.trafficClass).toBe('same-region-public');
    ranges.push('54.');
    own(row);
    expect(row.trafficClass).toBe('cross-zone');
  });
});
