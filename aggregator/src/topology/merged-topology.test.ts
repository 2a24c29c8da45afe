import { expect, test } from 'vitest';
import { indexOf, nodeOf, podOf, S, serviceOf } from './cluster/testing.ts';
import { parseTopology } from './file-topology.ts';
import { mergeTopologies } from './merged-topology.ts';

const FILE = `
version: 1
ranges: { services: [10.96.0.0/16] }
nodes: [{ name: bastion, addresses: [172.30.0.1] }, { name: n1, addresses: [172.30.0.2] }]
services: [{ namespace: legacy, name: gate, addresses: [], nodePorts: [30099] }]
external:
  - { name: vpc, addresses: [172.16.0.0/12, 10.1.0.0/16], provider: aws, region: eu-west-1 }
  - { name: partners, addresses: [198.51.100.0/24] }
`;

const index = indexOf();
index.put('nodes', nodeOf('n1', { podCidrs: ['10.1.0.0/24'] }), S);
index.put('pods', podOf('web-1'), S);
index.put('services', serviceOf('web', { ports: [{ protocol: 'tcp', port: 80, nodePort: 30080 }] }), S);
const source = mergeTopologies(index, parseTopology(FILE, 'test.yaml').source);
const topology = source.snapshot();
const WINDOW = [60 * S, 120 * S] as const;

test.each([
  ['10.1.0.5', 'web-1'],
  ['172.20.0.1', 'n1'],
  ['10.1.0.77', 'n1'], // in the node's pod range, which is more than the operator's word for the network
  ['10.1.9.9', 'vpc'],
  ['172.30.0.1', 'bastion'],
  ['198.51.100.0/24', 'partners'],
  ['203.0.113.1', undefined],
])('%s is %s', (address, name) => {
  expect(topology.lookupAddress(address, ...WINDOW)?.identity.name).toBe(name);
});

test('nodes, node ports, prefixes and ranges of either', () => {
  expect(topology.lookupNode('n1')?.zone).toBe('eu-west-1a');
  expect(topology.lookupNode('bastion')?.name).toBe('bastion');
  expect(topology.lookupNodePort(30080, 6, '172.20.0.1', ...WINDOW)?.name).toBe('web');
  expect(topology.lookupNodePort(30099, 6, '172.20.0.1', ...WINDOW)?.name).toBe('gate');
  expect(topology.lookupPrefix('10.1.0.0/24', ...WINDOW)?.nodes).toEqual(new Set(['n1']));
  expect(topology.lookupPrefix('172.30.0.1/32', ...WINDOW)?.nodes).toEqual(new Set(['bastion']));
  expect(topology.inClusterRanges('10.1.0.9')).toBe(true);
  expect(topology.inClusterRanges('10.96.3.4')).toBe(true);
  expect(topology.inClusterRanges('10.97.3.4')).toBe(false);
});

test('what is heard later is in it', () => {
  index.put('pods', podOf('new', { addresses: ['10.1.9.8'] }), S);
  expect(topology.lookupAddress('10.1.9.8', ...WINDOW)?.identity.name).toBe('new');
});

test('it is the same object as long as both are, and another one when one is', () => {
  expect(source.snapshot()).toBe(topology);
  const other = indexOf();
  let current = index;
  const merged = mergeTopologies({ snapshot: () => current.snapshot() }, source);
  const before = merged.snapshot();
  current = other;
  expect(merged.snapshot()).not.toBe(before);
});
