// Kubernetes objects for the tests of this directory, with what a test does not say filled in. Times in tests are seconds.
import type { ClusterResource, NodeObject, PodObject, ServiceObject } from '../../model/cluster-objects.ts';
import type { Identity } from '../../model/topology.ts';
import { ClusterIndex, type ClusterIndexOptions } from './cluster-index.ts';

export const S = 1_000_000;

export const RESOURCES: readonly ClusterResource[] = [
  'pods',
  'nodes',
  'services',
  'endpointslices',
  'namespaces',
  'owners',
];

export function podOf(name: string, more: Partial<PodObject> = {}): PodObject {
  return {
    uid: `uid-${name}`,
    namespace: 'shop',
    name,
    nodeName: 'n1',
    hostNetwork: false,
    phase: 'Running',
    addresses: ['10.1.0.5'],
    createdUs: 0,
    startedUs: 0,
    endedUs: null,
    deletedUs: null,
    owner: null,
    labels: {},
    ...more,
  };
}

export function nodeOf(name: string, more: Partial<NodeObject> = {}): NodeObject {
  return {
    uid: `uid-${name}`,
    name,
    addresses: ['172.20.0.1'],
    podCidrs: [],
    providerId: 'aws:///eu-west-1a/i-0123',
    labels: {},
    createdUs: 0,
    ...more,
  };
}

export function serviceOf(name: string, more: Partial<ServiceObject> = {}): ServiceObject {
  return {
    uid: `uid-${name}`,
    namespace: 'shop',
    name,
    type: 'ClusterIP',
    clusterIps: [],
    externalIps: [],
    ports: [{ protocol: 'tcp', port: 80, nodePort: 0 }],
    createdUs: 0,
    ...more,
  };
}

/** An index that is heard of in full until `untilS`: as long as a test takes unless it says otherwise. */
export function indexOf(options: ClusterIndexOptions = {}, untilS = 1e9): ClusterIndex {
  const index = new ClusterIndex(options);
  hear(index, untilS);
  return index;
}

/** All caches have heard everything until `untilS`. */
export function hear(index: ClusterIndex, untilS: number): void {
  for (const resource of RESOURCES) index.heard(resource, untilS * S);
}

/** Who had the address in the window of these seconds: "shop/web-1 exact", or undefined. */
export function named(index: ClusterIndex, address: string, startS: number, endS: number): string | undefined {
  const owner = index.lookupAddress(address, startS * S, endS * S);
  return owner && `${nameOf(owner.identity)} ${owner.certainty}`;
}

function nameOf(identity: Identity): string {
  return identity.kind === 'pod' || identity.kind === 'service'
    ? `${identity.namespace}/${identity.name}`
    : identity.name;
}
