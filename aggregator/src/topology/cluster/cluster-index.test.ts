// What rows say beside who: workloads, labels, places, services, prefixes; in whatever order it is heard of. The rules of time are
// in pod-lives.test.ts.
import { describe, expect, test } from 'vitest';
import type { EndpointSliceObject, OwnerObject, OwnerReference } from '../../model/cluster-objects.ts';
import type { PodIdentity } from '../../model/topology.ts';
import type { ClusterIndex } from './cluster-index.ts';
import { indexOf, named, nodeOf, podOf, S, serviceOf } from './testing.ts';

const IP = '10.1.0.5';
const WINDOW = [600 * S, 660 * S] as const;

function ref(kind: string, name: string, apiVersion = 'apps/v1'): OwnerReference {
  return { apiVersion, kind, name, uid: `uid-${kind}-${name}` };
}

function owner({ apiVersion, kind, name, uid }: OwnerReference, above: OwnerReference | null): OwnerObject {
  return { uid, apiVersion, kind, namespace: 'shop', name, owner: above };
}

function podAt(index: ClusterIndex, address = IP): PodIdentity {
  const identity = index.lookupAddress(address, ...WINDOW)?.identity;
  if (identity?.kind !== 'pod') throw new Error(`no pod at ${address}`);
  return identity;
}

function workload(index: ClusterIndex): string {
  const { workloadKind, workload: name } = podAt(index);
  return `${workloadKind} ${name}`;
}

describe('workloads', () => {
  const deployment = ref('Deployment', 'web');
  const replicaSet = ref('ReplicaSet', 'web-5d4f');

  test('Deployment by way of its ReplicaSet, which may be heard of later than the pod', () => {
    const index = indexOf();
    index.put('owners', owner(ref('ReplicaSet', 'other'), null), S);
    index.put('pods', podOf('web-5d4f-x', { owner: replicaSet }), S);
    expect(workload(index)).toBe('ReplicaSet web-5d4f');
    index.put('owners', owner(replicaSet, deployment), 2 * S);
    expect(workload(index)).toBe('Deployment web');
    index.remove('owners', replicaSet.uid, undefined, 3 * S);
    expect(workload(index)).toBe('Deployment web');
  });

  test('the first of its kind, too, may be heard of later', () => {
    const index = indexOf();
    index.put('pods', podOf('web-5d4f-x', { owner: replicaSet }), S);
    expect(workload(index)).toBe('ReplicaSet web-5d4f');
    index.put('owners', owner(replicaSet, deployment), 2 * S);
    expect(workload(index)).toBe('Deployment web');
  });

  test('CronJob by way of its Job', () => {
    const index = indexOf();
    const job = ref('Job', 'backup-1', 'batch/v1');
    index.put('owners', owner(job, ref('CronJob', 'backup', 'batch/v1')), S);
    index.put('pods', podOf('backup-1-x', { owner: job }), S);
    expect(workload(index)).toBe('CronJob backup');
  });

  test('a Rollout, and what owns it where that is watched', () => {
    const index = indexOf();
    const rollout = ref('Rollout', 'web', 'argoproj.io/v1alpha1');
    index.put('owners', owner(replicaSet, rollout), S);
    index.put('pods', podOf('web-5d4f-x', { owner: replicaSet }), S);
    expect(workload(index)).toBe('Rollout web');
    index.put('owners', owner(rollout, ref('Shop', 'main', 'example.com/v1')), 2 * S);
    expect(workload(index)).toBe('Shop main');
  });

  test.each(['StatefulSet', 'DaemonSet', 'Job', 'Anything'])('%s by the reference alone', (kind) => {
    const index = indexOf();
    index.put('pods', podOf('x-0', { owner: ref(kind, 'x') }), S);
    expect(workload(index)).toBe(`${kind} x`);
  });

  test('a pod that nobody owns is its own', () => {
    const index = indexOf();
    index.put('pods', podOf('bare'), S);
    expect(workload(index)).toBe('Pod bare');
  });

  test('static pods of all nodes are one workload', () => {
    const index = indexOf();
    index.put('pods', podOf('dns-n1', { owner: ref('Node', 'n1', 'v1') }), S);
    expect(workload(index)).toBe('StaticPod dns');
  });

  test('owners that own each other have an end', () => {
    const index = indexOf();
    const [a, b] = [ref('ReplicaSet', 'a'), ref('ReplicaSet', 'b')];
    index.put('owners', owner(a, b), S);
    index.put('owners', owner(b, a), S);
    index.put('pods', podOf('x', { owner: a }), S);
    expect(workload(index)).toMatch(/^ReplicaSet [ab]$/);
  });

  test('an owner that is given to another', () => {
    const index = indexOf();
    index.put('owners', owner(replicaSet, null), S);
    index.put('pods', podOf('web-5d4f-x', { owner: replicaSet }), S);
    expect(workload(index)).toBe('ReplicaSet web-5d4f');
    index.put('owners', owner(replicaSet, deployment), 2 * S);
    expect(workload(index)).toBe('Deployment web');
  });

  test('the identity is the same object for as long as nothing is different', () => {
    const index = indexOf();
    index.put('owners', owner(replicaSet, deployment), S);
    index.put('pods', podOf('web-5d4f-x', { owner: replicaSet }), S);
    const identity = podAt(index);
    index.put('owners', owner(ref('ReplicaSet', 'more'), deployment), S);
    index.put('nodes', nodeOf('n9', { addresses: [] }), S);
    index.put('pods', podOf('web-5d4f-x', { owner: replicaSet }), 2 * S);
    expect(podAt(index)).toBe(identity);
  });
});

describe('labels', () => {
  test('of the pod and of its namespace, told apart', () => {
    const index = indexOf();
    index.put('pods', podOf('web-1', { labels: { team: 'a' } }), S);
    expect(podAt(index).labels).toEqual({ team: 'a' });
    index.put('namespaces', { uid: 'ns', name: 'shop', labels: { team: 'b', stage: 'prod' } }, S);
    expect(podAt(index).labels).toEqual({ team: 'a', 'namespace:team': 'b', 'namespace:stage': 'prod' });
    index.put('namespaces', { uid: 'ns', name: 'shop', labels: { team: 'c' } }, 2 * S);
    expect(podAt(index).labels).toEqual({ team: 'a', 'namespace:team': 'c' });
    index.put('pods', podOf('web-1', { labels: { team: 'z' } }), 3 * S);
    expect(podAt(index).labels).toEqual({ team: 'z', 'namespace:team': 'c' });
    index.put('namespaces', { uid: 'ns', name: 'shop', labels: {} }, 4 * S);
    expect(podAt(index).labels).toEqual({ team: 'z' });
  });

  test('of a namespace that is gone, for its last batches, and not for ever', () => {
    const index = indexOf({ keepMs: 100_000 });
    index.put('pods', podOf('web-1'), S);
    index.put('namespaces', { uid: 'ns', name: 'shop', labels: { team: 'b' } }, S);
    index.remove('namespaces', 'ns', undefined, 10 * S);
    expect(podAt(index).labels).toEqual({ 'namespace:team': 'b' });
    index.put('pods', podOf('web-1'), 111 * S);
    expect(podAt(index).labels).toEqual({});
  });
});

describe('places', () => {
  test('of a pod: its node’s, heard of before or after it', () => {
    const index = indexOf();
    index.put('pods', podOf('web-1'), S);
    expect(podAt(index).node).toMatchObject({ name: 'n1', provider: null, zone: null });
    index.put('nodes', nodeOf('n1'), 2 * S);
    expect(podAt(index).node).toMatchObject({ name: 'n1', provider: 'aws', region: 'eu-west-1', zone: 'eu-west-1a' });
    index.put('nodes', nodeOf('n1', { providerId: 'gce://p/us-central1-b/n1' }), 3 * S);
    expect(podAt(index).node).toMatchObject({ provider: 'gcp', zone: 'us-central1-b' });
  });

  test('of a node that is gone, and of one that has its name since', () => {
    const index = indexOf();
    index.put('nodes', nodeOf('n1'), S);
    index.put('pods', podOf('old'), S);
    index.remove('pods', 'uid-old', podOf('old'), 700 * S);
    index.remove('nodes', 'uid-n1', nodeOf('n1'), 701 * S);
    expect(index.lookupNode('n1')?.zone).toBe('eu-west-1a');
    index.put(
      'nodes',
      nodeOf('n1', {
        uid: 'second',
        providerId: 'aws:///eu-west-1c/i-9',
        createdUs: 800 * S,
        addresses: ['172.20.0.9'],
      }),
      801 * S,
    );
    index.put('pods', podOf('new', { addresses: ['10.1.0.6'], startedUs: 810 * S }), 811 * S);
    expect(podAt(index).node.zone).toBe('eu-west-1a');
    expect(index.lookupNode('n1')?.zone).toBe('eu-west-1c');
    expect(index.lookupAddress('10.1.0.6', 840 * S, 900 * S)?.identity).toMatchObject({ node: { zone: 'eu-west-1c' } });
    expect(named(index, '172.20.0.1', 600, 660)).toBe('n1 exact');
    expect(named(index, '172.20.0.1', 900, 960)).toBeUndefined();
  });

  test('zones of AWS are names where anybody knows one for the id', () => {
    const index = indexOf();
    const byId = { providerId: 'aws:///use1-az2/sagemaker/c/h' };
    index.put('nodes', nodeOf('n1', byId), S);
    expect(index.lookupNode('n1')?.zone).toBe('use1-az2');
    const labels = { 'topology.k8s.aws/zone-id': 'use1-az6' };
    index.put('nodes', nodeOf('n2', { providerId: 'aws:///us-east-1a/i-1', labels }), S);
    expect(index.lookupNode('n1')?.zone).toBeNull();
    index.put(
      'nodes',
      nodeOf('n3', { providerId: 'aws:///us-east-1b/i-1', labels: { 'topology.k8s.aws/zone-id': 'use1-az2' } }),
      S,
    );
    expect(index.lookupNode('n1')?.zone).toBe('us-east-1b');
  });

  const inZone = (name: string, id?: string) => ({
    providerId: `aws:///${name}/i-1`,
    labels: id === undefined ? {} : { 'topology.k8s.aws/zone-id': id },
  });
  const idsOf = (index: ReturnType<typeof indexOf>, names: readonly string[]) =>
    names.map((name) => index.lookupNode(name)?.zoneId);

  test('zones have their ids, also of nodes of which another node of the zone says it later, and of their pods', () => {
    const index = indexOf();
    index.put('nodes', nodeOf('n1', inZone('us-east-1a')), S);
    index.put('nodes', nodeOf('n2', { providerId: 'aws:///use1-az2/sagemaker/c/h' }), S);
    index.put('pods', podOf('web-1'), S);
    expect(podAt(index).node).toMatchObject({ zone: 'us-east-1a', zoneId: null });
    expect(idsOf(index, ['n1', 'n2'])).toEqual([null, 'use1-az2']);
    index.put('nodes', nodeOf('n3', inZone('us-east-1a', 'use1-az6')), S);
    expect(idsOf(index, ['n1', 'n2', 'n3'])).toEqual(['use1-az6', 'use1-az2', 'use1-az6']);
    expect(podAt(index).node).toMatchObject({ zone: 'us-east-1a', zoneId: 'use1-az6' });
    index.put('nodes', nodeOf('n4', inZone('us-east-1a')), S);
    index.put('nodes', nodeOf('n5', inZone('us-east-1c')), S);
    expect(idsOf(index, ['n4', 'n5'])).toEqual(['use1-az6', null]);
    expect(index.lookupPrefix('10.1.0.0/24', ...WINDOW)).toMatchObject({ zone: 'us-east-1a', zoneId: 'use1-az6' });
  });

  test('a zone of which nodes say two ids has the id that each node says, and none where it says none', () => {
    const index = indexOf();
    index.put('nodes', nodeOf('n1', inZone('us-east-1a', 'use1-az6')), S);
    index.put('nodes', nodeOf('n2', inZone('us-east-1a')), S);
    expect(idsOf(index, ['n1', 'n2'])).toEqual(['use1-az6', 'use1-az6']);
    index.put('nodes', nodeOf('n3', inZone('us-east-1a', 'use1-az4')), S);
    index.put('nodes', nodeOf('n1', inZone('us-east-1a', 'use1-az6')), S);
    expect(idsOf(index, ['n1', 'n2', 'n3'])).toEqual(['use1-az6', null, 'use1-az4']);
  });

  test('zones of others than AWS have no ids', () => {
    const index = indexOf();
    const labels = { 'topology.kubernetes.io/zone': 'dc1-az1', 'topology.kubernetes.io/region': 'dc1' };
    index.put('nodes', nodeOf('n1', { providerId: 'openstack:///i-1', labels }), S);
    index.put('nodes', nodeOf('n2', { providerId: null, labels }), S);
    index.put('nodes', nodeOf('n3', { providerId: 'gce://p/us-central1-a/x', labels }), S);
    expect(idsOf(index, ['n1', 'n2', 'n3'])).toEqual([null, null, null]);
    expect(index.lookupNode('n1')?.zone).toBe('dc1-az1');
  });
});

describe('services', () => {
  test('by cluster address, external address and load balancer, while they exist', () => {
    const index = indexOf();
    index.put(
      'services',
      serviceOf('web', { clusterIps: ['10.96.0.1', 'fd96::1'], externalIps: ['198.51.100.1'], createdUs: 100 * S }),
      110 * S,
    );
    for (const address of ['10.96.0.1', 'fd96::1', '198.51.100.1'])
      expect(named(index, address, 600, 660)).toBe('shop/web exact');
    expect(named(index, '10.96.0.1', 0, 60)).toBeUndefined();
    index.remove('services', 'uid-web', serviceOf('web'), 1000 * S);
    index.put('services', serviceOf('api', { clusterIps: ['10.96.0.1'], createdUs: 2000 * S }), 2001 * S);
    expect(named(index, '10.96.0.1', 600, 660)).toBe('shop/web exact');
    expect(named(index, '10.96.0.1', 2100, 2160)).toBe('shop/api exact');
  });

  test('by node port, protocol by protocol', () => {
    const index = indexOf();
    index.put('services', serviceOf('dns', { ports: [{ protocol: 'udp', port: 53, nodePort: 30053 }] }), S);
    index.put('services', serviceOf('web', { ports: [{ protocol: 'tcp', port: 80, nodePort: 30053 }] }), S);
    expect(index.lookupNodePort(30053, 17, '172.20.0.1', ...WINDOW)?.name).toBe('dns');
    expect(index.lookupNodePort(30053, 6, '172.20.0.1', ...WINDOW)?.name).toBe('web');
    expect(index.lookupNodePort(30054, 6, '172.20.0.1', ...WINDOW)).toBeUndefined();
    expect(index.lookupNodePort(80, 6, '172.20.0.1', ...WINDOW)).toBeUndefined();
  });

  test('that share an address, by port', () => {
    const index = indexOf();
    const at = (port: number) => ({ externalIps: ['198.51.100.1'], ports: [{ protocol: 'tcp', port, nodePort: 0 }] });
    index.put('services', serviceOf('web', at(443)), S);
    index.put('services', serviceOf('ssh', at(22)), S);
    expect(named(index, '198.51.100.1', 600, 660)).toMatch(/^shop\/(web|ssh) ambiguous$/);
    expect(index.lookupNodePort(443, 6, '198.51.100.1', ...WINDOW)?.name).toBe('web');
    expect(index.lookupNodePort(22, 6, '198.51.100.1', ...WINDOW)?.name).toBe('ssh');
  });

  test('whose external address is a node’s: the node has it, the port tells the service', () => {
    const index = indexOf();
    index.put('nodes', nodeOf('n1'), S);
    index.put('services', serviceOf('web', { externalIps: ['172.20.0.1'] }), S);
    expect(named(index, '172.20.0.1', 600, 660)).toBe('n1 exact');
    expect(index.lookupNodePort(80, 6, '172.20.0.1', ...WINDOW)?.name).toBe('web');
  });
});

describe('endpoints', () => {
  const slice = (
    endpoints: EndpointSliceObject['endpoints'],
    service: string | null = 'orders-db',
  ): EndpointSliceObject => ({
    uid: 'slice',
    namespace: 'shop',
    name: 'orders-db-x',
    service,
    endpoints,
  });

  test('that somebody wrote have the name of their service, and a place by zone or node', () => {
    const index = indexOf();
    index.put('nodes', nodeOf('n1'), S);
    index.put(
      'endpointslices',
      slice([
        { address: '10.9.0.1', nodeName: null, zone: 'eu-west-1a', pod: null },
        { address: '10.9.0.2', nodeName: 'n1', zone: null, pod: null },
        { address: '10.9.0.3', nodeName: null, zone: 'mars', pod: null },
        { address: IP, nodeName: 'n1', zone: 'eu-west-1a', pod: 'shop/web-1' },
      ]),
      S,
    );
    const place = { provider: 'aws', region: 'eu-west-1', zone: 'eu-west-1a' };
    expect(index.lookupAddress('10.9.0.1', ...WINDOW)?.identity).toEqual({
      kind: 'external',
      name: 'shop/orders-db',
      ...place,
      zoneId: null,
    });
    expect(index.lookupAddress('10.9.0.2', ...WINDOW)?.identity).toMatchObject(place);
    expect(index.lookupAddress('10.9.0.3', ...WINDOW)?.identity).toMatchObject({
      provider: null,
      region: null,
      zone: 'mars',
    });
    expect(index.lookupAddress(IP, ...WINDOW)).toBeUndefined();
  });

  test('whose zone is said by its id, or that are in a zone with one, have name and id', () => {
    const index = indexOf();
    const labels = { 'topology.k8s.aws/zone-id': 'euw1-az3' };
    index.put('nodes', nodeOf('n1', { labels }), S);
    const at = (address: string, zone: string) => ({ address, nodeName: null, zone, pod: null });
    index.put('endpointslices', slice([at('10.9.0.1', 'eu-west-1a'), at('10.9.0.2', 'euw1-az3')]), S);
    const place = { provider: 'aws', region: 'eu-west-1', zone: 'eu-west-1a', zoneId: 'euw1-az3' };
    for (const address of ['10.9.0.1', '10.9.0.2']) {
      expect(index.lookupAddress(address, ...WINDOW)?.identity).toMatchObject(place);
    }
  });

  test('that are taken out of their slice, or go with it, are named until then', () => {
    const index = indexOf();
    const one = { address: '10.9.0.1', nodeName: null, zone: null, pod: null };
    const two = { ...one, address: '10.9.0.2' };
    index.put('endpointslices', slice([one, two]), S);
    index.put('endpointslices', slice([two]), 700 * S);
    expect(named(index, '10.9.0.1', 600, 660)).toBe('shop/orders-db exact');
    expect(named(index, '10.9.0.1', 1000, 1060)).toBeUndefined();
    index.remove('endpointslices', 'slice', slice([two]), 2000 * S);
    expect(named(index, '10.9.0.2', 1000, 1060)).toBe('shop/orders-db exact');
    expect(named(index, '10.9.0.2', 3000, 3060)).toBeUndefined();
  });

  test('without a service have the slice’s name', () => {
    const index = indexOf();
    index.put('endpointslices', slice([{ address: '10.9.0.1', nodeName: null, zone: null, pod: null }], null), S);
    expect(named(index, '10.9.0.1', 600, 660)).toBe('shop/orders-db-x exact');
  });

  test('that are a pod’s or a node’s have its name', () => {
    const index = indexOf();
    index.put('endpointslices', slice([{ address: IP, nodeName: null, zone: null, pod: null }]), S);
    index.put('pods', podOf('web-1'), S);
    expect(named(index, IP, 600, 660)).toBe('shop/web-1 exact');
  });
});

describe('ranges of nodes', () => {
  const index = indexOf();
  index.put('nodes', nodeOf('n1', { podCidrs: ['10.1.0.0/24', 'fd00:1::/64'] }), S);
  index.put(
    'nodes',
    nodeOf('n2', { addresses: ['172.20.0.2'], podCidrs: ['10.1.1.0/24'], providerId: 'aws:///eu-west-1b/i-2' }),
    S,
  );
  index.put('pods', podOf('a', { addresses: [IP, 'fd00:1::5'] }), S);
  index.put('pods', podOf('b', { addresses: ['10.1.0.6'] }), S);
  index.put('pods', podOf('c', { addresses: ['10.1.1.7'], nodeName: 'n2' }), S);

  test.each([
    ['10.1.0.0', 'n1 exact'], // a VXLAN device
    ['10.1.0.1', 'n1 exact'], // a bridge
    ['fd00:1::1', 'n1 exact'],
    ['10.1.0.77', 'n1 ambiguous'],
    ['10.1.1.77', 'n2 ambiguous'],
    ['10.1.2.77', undefined],
    [IP, 'shop/a exact'],
  ])('%s is %s', (address, expected) => {
    expect(named(index, address, 600, 660)).toBe(expected);
  });

  test.each([
    ['10.1.0.77', true],
    ['10.1.0.128/25', true],
    ['10.1.0.0/16', false],
    ['10.2.0.1', false],
    ['fd00:1::99', true],
    ['fd00:2::1', false],
    ['203.0.113.1', false],
  ])('%s is in them: %s', (text, expected) => {
    expect(index.inClusterRanges(text)).toBe(expected);
  });

  test.each([
    ['10.1.0.0/24', ['n1'], 'pod', 'eu-west-1a'],
    ['10.1.0.0/16', ['n1', 'n2'], 'pod', null],
    ['10.0.0.0/8', ['n1', 'n2'], 'pod', null],
    ['0.0.0.0/0', ['n1', 'n2'], null, null],
    ['10.1.0.4/30', ['n1'], 'pod', 'eu-west-1a'],
    ['10.1.1.128/25', ['n2'], null, 'eu-west-1b'], // in a range, nobody's
    ['fd00:1::/64', ['n1'], 'pod', 'eu-west-1a'],
    ['fd00::/16', ['n1'], 'pod', 'eu-west-1a'],
  ])('prefix %s: nodes %s', (prefix, nodes, kind, zone) => {
    const summary = index.lookupPrefix(prefix, ...WINDOW);
    expect([...(summary?.nodes ?? [])].sort()).toEqual(nodes);
    expect(summary).toMatchObject({ kind, zone });
  });

  test('a prefix where nobody is', () => {
    expect(index.lookupPrefix('192.0.2.0/24', ...WINDOW)).toBeUndefined();
    expect(index.lookupAddress('10.1.0.0/24', ...WINDOW)).toBeUndefined();
  });

  test('a range that is another node’s since', () => {
    const changing = indexOf();
    const first = nodeOf('n1', { podCidrs: ['10.1.0.0/24'] });
    changing.put('nodes', first, S);
    changing.remove('nodes', 'uid-n1', first, 1000 * S);
    changing.put('nodes', nodeOf('n2', { addresses: [], podCidrs: ['10.1.0.0/24'], createdUs: 1100 * S }), 1101 * S);
    expect(named(changing, '10.1.0.1', 600, 660)).toBe('n1 exact');
    expect(named(changing, '10.1.0.1', 1200, 1260)).toBe('n2 exact');
  });
});

test('counts', () => {
  const index = indexOf();
  index.put('nodes', nodeOf('n1'), S);
  index.put('pods', podOf('a'), S);
  index.put('pods', podOf('host', { hostNetwork: true }), S);
  index.put('services', serviceOf('web'), S);
  index.put('namespaces', { uid: 'ns', name: 'shop', labels: {} }, S);
  index.put('owners', owner(ref('ReplicaSet', 'x'), null), S);
  expect(index.counts).toEqual({
    ...{ pods: 1, nodes: 1, services: 1, namespaces: 1, owners: 1 },
    ...{ addresses: 2, ended: 0, droppedForRoom: 0 },
  });
  expect([...index.nodesCreatedUs.keys()]).toEqual(['n1']);
});
