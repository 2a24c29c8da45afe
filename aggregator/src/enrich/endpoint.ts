// Resolves addresses: who it was, where, and whether it can be on the reporting node. An address that is still whose it was
// keeps its endpoint from batch to batch; it is found by the address's number. Reads the topology, and what providers say of public
// addresses; knows nothing of flows and directions.
import type { AddressPlace, PlacesOfAddresses } from '../model/address-place.ts';
import type { FlowBatch } from '../model/flow-batch.ts';
import type { LocalKind, PeerKind, Resolution } from '../model/flow-row.ts';
import type {
  AddressOwner,
  ExternalIdentity,
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

/** One address or prefix, resolved: everything a row says about it, whichever side it is on. */
export interface Endpoint {
  /** A number of its own, from 1. */
  readonly key: number;
  readonly address: string;
  /** The node or nodes where it is; null where no node is known to have it. */
  readonly home: string | ReadonlySet<string> | null;
  /** Where it is, as seen from any node, when it has no home. */
  readonly homeless: Whereabouts;
  /** An address of a node (the reporting one or another). */
  readonly isNodeAddress: boolean;
  /** Every machine has it for itself: it stands for another endpoint for each reporting node. */
  readonly isLoopback: boolean;
  /** The service whose address it is. */
  readonly service: ServiceIdentity | undefined;
  readonly localKind: LocalKind | null;
  readonly peerKind: PeerKind;
  /** Whether it belongs to the cluster's own topology. */
  readonly inCluster: boolean;
  /** The other cluster that it belongs to. */
  readonly otherCluster: string | null;
  readonly provider: string | null;
  readonly region: string | null;
  readonly zone: string | null;
  /** Id of the zone, the same in all accounts of the provider. */
  readonly zoneId: string | null;
  readonly node: string | null;
  readonly namespace: string | null;
  /** Of a pod its owner's kind; of a provider's service the provider's word for it, whatever name the operator gives the address. */
  readonly workloadKind: string | null;
  readonly workload: string | null;
  readonly pod: string | null;
  readonly labels: string | null;
  /** Name of a service or of an outside address. */
  readonly name: string | null;
  readonly resolution: Resolution;
}

/** Resolves all addresses of a batch: element i of `into` becomes address i. */
export type ResolveEndpoints = (batch: FlowBatch, topology: Topology, into: Endpoint[]) => void;

/** Loopback and bridge addresses of 5,000 nodes. */
const OWN_MAX = 32_768;

let lastKey = 0;

/**
 * What is not said there is not. What every flow reads comes first, in one or two lines of the processor's cache: there are more
 * endpoints than it has room for.
 */
function endpointOf(said: Pick<Endpoint, 'address' | 'peerKind' | 'resolution'> & Partial<Endpoint>): Endpoint {
  return {
    key: ++lastKey,
    address: said.address,
    home: said.home ?? null,
    homeless: said.homeless ?? 'elsewhere',
    localKind: said.localKind ?? null,
    peerKind: said.peerKind,
    node: said.node ?? null,
    inCluster: said.inCluster ?? false,
    isLoopback: said.isLoopback ?? false,
    resolution: said.resolution,
    service: said.service,
    isNodeAddress: said.isNodeAddress ?? false,
    otherCluster: said.otherCluster ?? null,
    provider: said.provider ?? null,
    region: said.region ?? null,
    zone: said.zone ?? null,
    zoneId: said.zoneId ?? null,
    namespace: said.namespace ?? null,
    workloadKind: said.workloadKind ?? null,
    workload: said.workload ?? null,
    pod: said.pod ?? null,
    labels: said.labels ?? null,
    name: said.name ?? null,
  };
}

/** An endpoint, and what the topology said when it was made. */
interface Kept {
  readonly endpoint: Endpoint;
  readonly topology: Topology;
  readonly owner: AddressOwner | undefined;
  readonly summary: PrefixSummary | undefined;
  /** Of the places of addresses outside; ANY of what has its place from the topology. */
  readonly placesVersion: number;
}

const ANY = -1;

const NO_PLACES: PlacesOfAddresses = { version: 0, lookup: () => undefined };

/**
 * @param labelKeys the pod labels that rows carry
 * @param places where addresses are that nobody in the cluster has; default: nobody knows
 */
export function createResolveEndpoints(
  labelKeys: readonly string[],
  places: PlacesOfAddresses = NO_PLACES,
): ResolveEndpoints {
  const labelText = createLabelText(labelKeys);
  const own = new OwnEndpoints();
  /** By the numbers of addresses, of which there are not too many. */
  const kept: (Kept | undefined)[] = [];
  /** The same without questions, while nothing can have changed: the topology knows one time only. */
  const fixed: (Endpoint | undefined)[] = [];
  let current = { texts: [] as readonly string[], topology: undefined as Topology | undefined, placesVersion: ANY };

  /** Forgets what is not of these any more. */
  function turnTo({ addressTexts: texts }: FlowBatch, topology: Topology): void {
    const { version: placesVersion } = places;
    if (texts !== current.texts) kept.fill(undefined);
    else if (topology === current.topology && placesVersion === current.placesVersion) return;
    fixed.fill(undefined);
    current = { texts, topology, placesVersion };
  }

  function resolve(number: number, batch: FlowBatch, topology: Topology): Endpoint {
    const address = batch.addressTexts[number]!;
    const known = keptOf(number);
    const owner = topology.lookupAddress(address, batch.windowStartUs, batch.windowEndUs);
    const summary =
      owner === undefined && address.includes('/')
        ? topology.lookupPrefix(address, batch.windowStartUs, batch.windowEndUs)
        : undefined;
    if (known !== undefined && isStill(known, owner, summary, topology)) {
      return known.endpoint;
    }
    const endpoint = makeEndpoint(address, owner, summary, topology);
    const isNamed = endpoint.inCluster || endpoint.otherCluster !== null;
    reserve(kept, number);
    kept[number] = { endpoint, topology, owner, summary, placesVersion: isNamed ? ANY : places.version };
    return endpoint;
  }

  /** An address outside may have another place by now. */
  function keptOf(number: number): Kept | undefined {
    const known = kept[number];
    return known?.placesVersion === ANY || known?.placesVersion === places.version ? known : undefined;
  }

  function makeEndpoint(
    address: string,
    owner: AddressOwner | undefined,
    summary: PrefixSummary | undefined,
    topology: Topology,
  ): Endpoint {
    const identity = owner?.identity;
    switch (identity?.kind) {
      case 'pod':
        return podEndpoint(address, identity, owner!, labelText(identity));
      case 'node':
        return nodeEndpoint(address, identity, owner!);
      case 'service':
        return serviceEndpoint(address, identity, owner!);
    }
    const scope = addressScope(address);
    if (scope === 'loopback') {
      return endpointOf({ address, peerKind: 'node', resolution: 'exact', isLoopback: true });
    }
    return summary === undefined
      ? outsideEndpoint(address, scope, owner, topology.inClusterRanges(address), places)
      : prefixEndpoint(address, summary);
  }

  return (batch, topology, into) => {
    turnTo(batch, topology);
    const reporter = topology.lookupNode(batch.node);
    const { addressNumbers, nodeAddresses } = batch;
    for (let i = 0; i < addressNumbers.length; i++) {
      const number = addressNumbers[i]!;
      let endpoint = fixed[number];
      if (endpoint === undefined) {
        endpoint = resolve(number, batch, topology);
        if (topology.isTimeless === true) {
          reserve(fixed, number);
          fixed[number] = endpoint;
        }
      }
      // Who is known to have it is known better: what serves all service addresses has them on an interface, too.
      const isOwn = endpoint.isLoopback || (!endpoint.inCluster && nodeAddresses?.has(endpoint.address));
      into[i] = isOwn ? own.of(endpoint.address, batch.node, reporter) : endpoint;
    }
  };
}

/** An array with holes would be looked up as a table. */
function reserve<T>(array: (T | undefined)[], index: number): void {
  while (array.length <= index) array.push(undefined);
}

/** Whether the endpoint would be made the same again. What nobody owns depends on the cluster's ranges, which are the topology's. */
function isStill(
  known: Kept,
  owner: AddressOwner | undefined,
  summary: PrefixSummary | undefined,
  topology: Topology,
): boolean {
  return (
    known.owner?.identity === owner?.identity &&
    known.owner?.certainty === owner?.certainty &&
    known.summary === summary &&
    (known.topology === topology || known.endpoint.inCluster)
  );
}

/** Where the endpoint is, as seen from the node of this name. */
export function whereaboutsFrom(reporter: string, { home, homeless }: Endpoint): Whereabouts {
  if (home === null) {
    return homeless;
  }
  if (typeof home === 'string') {
    return home === reporter ? 'here' : 'elsewhere';
  }
  if (!home.has(reporter)) {
    return 'elsewhere';
  }
  return home.size === 1 ? 'here' : 'possibly-here';
}

function podEndpoint(address: string, pod: PodIdentity, owner: AddressOwner, labels: string | null): Endpoint {
  return endpointOf({
    address,
    peerKind: 'pod',
    ...sideOf(pod.node, 'pod'),
    provider: pod.node.provider,
    region: pod.node.region,
    zone: pod.node.zone,
    zoneId: pod.node.zoneId ?? null,
    node: pod.node.name,
    namespace: pod.namespace,
    workloadKind: pod.workloadKind,
    workload: pod.workload,
    pod: pod.name,
    labels,
    resolution: owner.certainty,
  });
}

/** What is on a node of another cluster is never local, although a node here may have the same name. */
function sideOf({ name, cluster }: NodeIdentity, localKind: LocalKind) {
  return cluster === undefined
    ? { home: name, localKind, inCluster: true }
    : { inCluster: false, otherCluster: cluster };
}

function nodeEndpoint(address: string, node: NodeIdentity, owner: AddressOwner): Endpoint {
  return endpointOf({
    address,
    isNodeAddress: node.cluster === undefined,
    peerKind: 'node',
    ...sideOf(node, 'node'),
    provider: node.provider,
    region: node.region,
    zone: node.zone,
    zoneId: node.zoneId ?? null,
    node: node.name,
    resolution: owner.certainty,
  });
}

/** A service address that was not translated: nobody answers there, or something outside the kernel translates it. */
function serviceEndpoint(address: string, service: ServiceIdentity, owner: AddressOwner): Endpoint {
  return endpointOf({
    address,
    service,
    peerKind: 'service',
    inCluster: true,
    namespace: service.namespace,
    name: service.name,
    resolution: owner.certainty,
  });
}

/** Endpoints that are a node's own, each kept while the topology says the same of its node. */
class OwnEndpoints {
  readonly #kept = new Map<string, { readonly endpoint: Endpoint; readonly node: NodeIdentity | undefined }>();

  of(address: string, reporter: string, node: NodeIdentity | undefined): Endpoint {
    const key = `${reporter} ${address}`;
    const known = this.#kept.get(key);
    if (known !== undefined && known.node === node) return known.endpoint;
    const endpoint = ownEndpoint(address, reporter, node);
    if (this.#kept.size >= OWN_MAX) this.#kept.clear();
    this.#kept.set(key, { endpoint, node });
    return endpoint;
  }
}

/** An address of the reporting node that nobody else names: a loopback one, which every machine has, or one of an interface. */
function ownEndpoint(address: string, reporter: string, node: NodeIdentity | undefined): Endpoint {
  return endpointOf({
    address,
    home: reporter,
    isNodeAddress: true,
    localKind: 'node',
    peerKind: 'node',
    inCluster: true,
    provider: node?.provider ?? null,
    region: node?.region ?? null,
    zone: node?.zone ?? null,
    zoneId: node?.zoneId ?? null,
    node: reporter,
    resolution: 'exact',
  });
}

/** Known pods and nodes folded into one prefix: they keep what they have in common. */
function prefixEndpoint(address: string, summary: PrefixSummary): Endpoint {
  const [node] = summary.nodes;
  return endpointOf({
    address,
    home: summary.nodes,
    isNodeAddress: summary.kind === 'node',
    localKind: summary.kind,
    peerKind: summary.kind ?? 'private',
    inCluster: true,
    provider: summary.provider,
    region: summary.region,
    zone: summary.zone,
    zoneId: summary.zoneId ?? null,
    node: summary.nodes.size === 1 ? (node ?? null) : null,
    resolution: 'folded',
  });
}

/** Nobody of the cluster, as far as is known; perhaps with a name of the operator's, or a place that a provider tells. */
function outsideEndpoint(
  address: string,
  scope: AddressScope,
  owner: AddressOwner | undefined,
  inClusterRanges: boolean,
  places: PlacesOfAddresses,
): Endpoint {
  const external = owner?.identity.kind === 'external' ? owner.identity : undefined;
  const isPrefix = address.includes('/');
  // Ranges that the operator calls the cluster's are private to it, whatever their bits say.
  const isInternet = scope === 'internet' && !inClusterRanges;
  const place = isInternet ? placeBeside(external, places.lookup(address)) : undefined;
  return endpointOf({
    address,
    homeless: outsideWhereabouts(scope, external !== undefined, inClusterRanges && isPrefix),
    peerKind: outsideKind(scope, isInternet, place),
    provider: external?.provider ?? place?.provider ?? null,
    region: external?.region ?? place?.region ?? null,
    zone: external?.zone ?? null,
    zoneId: external?.zoneId ?? null,
    // The operator's name is for people; the provider's word stays beside it, because prices go by it.
    workloadKind: place?.service ?? null,
    name: external?.name ?? place?.service ?? null,
    resolution: outsideResolution(scope, owner, inClusterRanges, isPrefix),
  });
}

/** The provider's word, unless the operator says something else of the place: then all of it is wrong, or of another time. */
function placeBeside(
  external: ExternalIdentity | undefined,
  place: AddressPlace | undefined,
): AddressPlace | undefined {
  if (external === undefined || place === undefined) {
    return place;
  }
  const agrees = (said: string | null, listed: string | null) => said === null || listed === null || said === listed;
  return agrees(external.provider, place.provider) && agrees(external.region, place.region) ? place : undefined;
}

function outsideKind(scope: AddressScope, isInternet: boolean, place: AddressPlace | undefined): PeerKind {
  if (scope === 'internet' && !isInternet) {
    return 'private';
  }
  return typeof place?.service === 'string' ? 'provider-service' : peerKindOf(scope);
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
