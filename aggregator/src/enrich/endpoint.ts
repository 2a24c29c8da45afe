// Resolves the addresses of a batch, each once: who it was, where, and whether it can be on the reporting node. Reads the
// topology; knows nothing of flows and directions.
import type { FlowBatch } from '../model/flow-batch.ts';
import type { LocalKind, PeerKind, Resolution } from '../model/flow-row.ts';
import type {
  AddressOwner,
  NodeIdentity,
  PodIdentity,
  PrefixSummary,
  ServiceIdentity,
  Topology,
} from '../model/topology.ts';
import { type AddressScope, addressScope } from './address-scope.ts';
import { createLabelText } from './label-text.ts';

/**
 * Where the address is, as seen from the reporting node: on it; somewhere else for certain; probably somewhere else (an
 * address that nobody is known to have); or possibly on it (never forwarded, or a prefix that holds several nodes).
 */
export type Whereabouts = 'here' | 'elsewhere' | 'probably-elsewhere' | 'possibly-here';

/** One address or prefix of a batch, resolved: everything a row says about it, whichever side it is on. */
export interface Endpoint {
  readonly address: string;
  readonly whereabouts: Whereabouts;
  /** An address of a node (the reporting one or another). */
  readonly isNodeAddress: boolean;
  /** The service whose address it is. */
  readonly service: ServiceIdentity | undefined;
  readonly localKind: LocalKind | null;
  readonly peerKind: PeerKind;
  /** Whether it belongs to the cluster's own topology. */
  readonly inCluster: boolean;
  readonly provider: string | null;
  readonly region: string | null;
  readonly zone: string | null;
  readonly node: string | null;
  readonly namespace: string | null;
  readonly workloadKind: string | null;
  readonly workload: string | null;
  readonly pod: string | null;
  readonly labels: string | null;
  /** Name of a service or of an outside address. */
  readonly name: string | null;
  readonly resolution: Resolution;
}

/** Resolves all addresses of a batch; element i is address i. */
export type ResolveEndpoints = (batch: FlowBatch, topology: Topology) => Endpoint[];

/** Scopes kept at most: outside addresses repeat from batch to batch, and there may be any number of them. */
const SCOPE_CACHE_ENTRIES_MAX = 100_000;

const NOWHERE = { provider: null, region: null, zone: null };
const NOBODY = {
  isNodeAddress: false,
  service: undefined,
  localKind: null,
  inCluster: false,
  node: null,
  namespace: null,
  workloadKind: null,
  workload: null,
  pod: null,
  labels: null,
  name: null,
};

/** `labelKeys`: the pod labels that rows carry. */
export function createResolveEndpoints(labelKeys: readonly string[]): ResolveEndpoints {
  const labelText = createLabelText(labelKeys);
  const scopeOf = createScopeCache();

  function resolve(
    address: string,
    batch: FlowBatch,
    topology: Topology,
    reporter: NodeIdentity | undefined,
  ): Endpoint {
    const owner = topology.lookupAddress(address, batch.windowStartUs, batch.windowEndUs);
    const identity = owner?.identity;
    switch (identity?.kind) {
      case 'pod':
        return podEndpoint(address, identity, owner!, batch.node, labelText(identity));
      case 'node':
        return nodeEndpoint(address, identity, owner!, batch.node);
      case 'service':
        return serviceEndpoint(address, identity, owner!);
    }
    const scope = scopeOf(address);
    if (scope === 'loopback') {
      return loopbackEndpoint(address, batch.node, reporter);
    }
    const summary = address.includes('/')
      ? topology.lookupPrefix(address, batch.windowStartUs, batch.windowEndUs)
      : undefined;
    if (summary !== undefined) {
      return prefixEndpoint(address, summary, batch.node);
    }
    return outsideEndpoint(address, scope, owner, topology.inClusterRanges(address));
  }

  return (batch, topology) => {
    const reporter = topology.lookupNode(batch.node);
    return batch.addresses.map((address) => resolve(address, batch, topology, reporter));
  };
}

function podEndpoint(
  address: string,
  pod: PodIdentity,
  owner: AddressOwner,
  reporter: string,
  labels: string | null,
): Endpoint {
  return {
    ...NOBODY,
    address,
    whereabouts: pod.node.name === reporter ? 'here' : 'elsewhere',
    localKind: 'pod',
    peerKind: 'pod',
    inCluster: true,
    provider: pod.node.provider,
    region: pod.node.region,
    zone: pod.node.zone,
    node: pod.node.name,
    namespace: pod.namespace,
    workloadKind: pod.workloadKind,
    workload: pod.workload,
    pod: pod.name,
    labels,
    resolution: owner.certainty,
  };
}

function nodeEndpoint(address: string, node: NodeIdentity, owner: AddressOwner, reporter: string): Endpoint {
  return {
    ...NOBODY,
    address,
    whereabouts: node.name === reporter ? 'here' : 'elsewhere',
    isNodeAddress: true,
    localKind: 'node',
    peerKind: 'node',
    inCluster: true,
    provider: node.provider,
    region: node.region,
    zone: node.zone,
    node: node.name,
    resolution: owner.certainty,
  };
}

/** A service address that was not translated: nobody answers there, or something outside the kernel translates it. */
function serviceEndpoint(address: string, service: ServiceIdentity, owner: AddressOwner): Endpoint {
  return {
    ...NOBODY,
    ...NOWHERE,
    address,
    whereabouts: 'elsewhere',
    service,
    peerKind: 'service',
    inCluster: true,
    namespace: service.namespace,
    name: service.name,
    resolution: owner.certainty,
  };
}

/** Every machine has these addresses; what the reporting node sees of them is its own. */
function loopbackEndpoint(address: string, reporter: string, node: NodeIdentity | undefined): Endpoint {
  return {
    ...NOBODY,
    address,
    whereabouts: 'here',
    isNodeAddress: true,
    localKind: 'node',
    peerKind: 'node',
    inCluster: true,
    provider: node?.provider ?? null,
    region: node?.region ?? null,
    zone: node?.zone ?? null,
    node: reporter,
    resolution: 'exact',
  };
}

/** Known pods and nodes folded into one prefix: they keep what they have in common. */
function prefixEndpoint(address: string, summary: PrefixSummary, reporter: string): Endpoint {
  const [node] = summary.nodes;
  return {
    ...NOBODY,
    address,
    whereabouts: !summary.nodes.has(reporter) ? 'elsewhere' : summary.nodes.size === 1 ? 'here' : 'possibly-here',
    isNodeAddress: summary.kind === 'node',
    localKind: summary.kind,
    peerKind: summary.kind ?? 'private',
    inCluster: true,
    provider: summary.provider,
    region: summary.region,
    zone: summary.zone,
    node: summary.nodes.size === 1 ? (node ?? null) : null,
    resolution: 'folded',
  };
}

/** Nobody of the cluster, as far as is known; perhaps with a name of the operator's. */
function outsideEndpoint(
  address: string,
  scope: AddressScope,
  owner: AddressOwner | undefined,
  inClusterRanges: boolean,
): Endpoint {
  const external = owner?.identity.kind === 'external' ? owner.identity : undefined;
  const isPrefix = address.includes('/');
  return {
    ...NOBODY,
    address,
    whereabouts: outsideWhereabouts(scope, external !== undefined, inClusterRanges && isPrefix),
    // Ranges that the operator calls the cluster's are private to it, whatever their bits say.
    peerKind: inClusterRanges && scope === 'internet' ? 'private' : peerKindOf(scope),
    provider: external?.provider ?? null,
    region: external?.region ?? null,
    zone: external?.zone ?? null,
    name: external?.name ?? null,
    resolution: outsideResolution(scope, owner, inClusterRanges, isPrefix),
  };
}

function outsideWhereabouts(scope: AddressScope, isNamed: boolean, isClusterPrefix: boolean): Whereabouts {
  if (isNamed) {
    return 'elsewhere';
  }
  if (isClusterPrefix) {
    return 'possibly-here';
  }
  switch (scope) {
    case 'internet':
      return 'elsewhere';
    case 'private':
      return 'probably-elsewhere';
    default:
      return 'possibly-here';
  }
}

function outsideResolution(
  scope: AddressScope,
  owner: AddressOwner | undefined,
  inClusterRanges: boolean,
  isPrefix: boolean,
): Resolution {
  if (owner !== undefined) {
    return owner.certainty;
  }
  if (inClusterRanges) {
    return isPrefix ? 'folded' : 'none';
  }
  // On the internet nobody needs a name: the address is the whole identity.
  return scope === 'internet' ? 'exact' : 'none';
}

function peerKindOf(scope: AddressScope): PeerKind {
  switch (scope) {
    case 'internet':
      return 'internet';
    case 'private':
    case 'loopback':
    case 'link-local':
      return 'private';
    default:
      return 'unknown';
  }
}

function createScopeCache(): (address: string) => AddressScope {
  const scopes = new Map<string, AddressScope>();
  return (address) => {
    let scope = scopes.get(address);
    if (scope === undefined) {
      if (scopes.size >= SCOPE_CACHE_ENTRIES_MAX) {
        scopes.clear();
      }
      scope = addressScope(address);
      scopes.set(address, scope);
    }
    return scope;
  };
}
