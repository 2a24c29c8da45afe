// What is known about the addresses, nodes and services of one cluster, as enrichment reads it. A topology file is one
// source, the Kubernetes API another: both sit behind this interface. Addresses are canonical text (RFC 5952 for IPv6).

/** Where something is, as the cloud that bills it names it; null where nobody said. */
export interface Place {
  /** "aws", "gcp", "azure" or another word of the operator's. */
  readonly provider: string | null;
  readonly region: string | null;
  /** Cloud availability zone, by the name that its account has for it. */
  readonly zone: string | null;
  /** Id of the zone, the same in all accounts, where the provider has such ("use1-az1"); null or absent where it is not known. */
  readonly zoneId?: string | null;
}

/**
 * How sure it is that an address had this identity in the interval asked for. `exact`: nobody else can have had it. `ambiguous`:
 * others may have had it as well. `stale`: it had it before, and nothing newer is known.
 */
export type Certainty = 'exact' | 'ambiguous' | 'stale';

export interface NodeIdentity extends Place {
  readonly kind: 'node';
  readonly name: string;
  /** The cluster it is in, of a node of another one. */
  readonly cluster?: string;
  /** The first of each family is the node's main address. */
  readonly addresses: readonly string[];
}

export interface PodIdentity {
  readonly kind: 'pod';
  readonly namespace: string;
  readonly name: string;
  readonly node: NodeIdentity;
  readonly workloadKind: string | null;
  readonly workload: string | null;
  readonly labels: Readonly<Record<string, string>>;
}

export interface ServiceIdentity {
  readonly kind: 'service';
  readonly namespace: string;
  readonly name: string;
}

/** An address outside the cluster to which the operator gave a name, and perhaps a place. */
export interface ExternalIdentity extends Place {
  readonly kind: 'external';
  readonly name: string;
}

export type Identity = NodeIdentity | PodIdentity | ServiceIdentity | ExternalIdentity;

/** Whose address it was. */
export interface AddressOwner {
  readonly identity: Identity;
  readonly certainty: Certainty;
}

/** What the known pods and nodes with an address in one prefix have in common. */
export interface PrefixSummary extends Place {
  /** Names of the nodes that they are or run on; never empty. */
  readonly nodes: ReadonlySet<string>;
  /** Their kind, where all are of one kind. */
  readonly kind: 'pod' | 'node' | null;
}

/**
 * Everything known at one moment. Gives the same answers for as long as its user does not wait for anything: whoever does takes
 * a new one. So a source may go on changing one topology between two turns of the event loop instead of copying it.
 */
export interface Topology {
  /** What it says holds for all time: answers do not depend on the interval asked for. */
  readonly isTimeless?: boolean;
  /** The node of that name, also for some time after it is gone. */
  lookupNode(name: string): NodeIdentity | undefined;
  /**
   * Whose address this was in the interval from `startUs`, inclusive, to `endUs`, exclusive (µs since the Unix epoch).
   * A pod on the host network is its node. A prefix ("198.51.100.0/24") has only names of the operator's.
   */
  lookupAddress(address: string, startUs: number, endUs: number): AddressOwner | undefined;
  /** What has an address in this prefix; undefined if nothing known does. */
  lookupPrefix(prefix: string, startUs: number, endUs: number): PrefixSummary | undefined;
  /**
   * The service that listens on this port of an address of a node in the interval: as a node port, or because the address is one
   * of its own besides. `protocol`: IANA number.
   */
  lookupNodePort(
    port: number,
    protocol: number,
    address: string,
    startUs: number,
    endUs: number,
  ): ServiceIdentity | undefined;
  /** Whether the address or prefix lies in the ranges that belong to the cluster. */
  inClusterRanges(address: string): boolean;
}

/** Where topologies come from. */
export interface TopologySource {
  /** The newest topology. */
  snapshot(): Topology;
}
