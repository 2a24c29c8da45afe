// What is kept of Kubernetes objects: what naming an address needs, nothing else. The Kubernetes caches make these from what
// the API says; the time index keeps them. Addresses are canonical text (RFC 5952 for IPv6); times are µs since the Unix epoch, of
// the cluster's clock.

/** The next object up in a chain of owners, as `ownerReferences` names it (the one with `controller: true`). */
export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
}

export type PodPhase = 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown';

export interface PodObject {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** Null until it is bound to a node. */
  readonly nodeName: string | null;
  /** On the host network its addresses are its node's. */
  readonly hostNetwork: boolean;
  readonly phase: PodPhase;
  /** `status.podIPs`: one of each family at most. */
  readonly addresses: readonly string[];
  readonly createdUs: number;
  /** When the kubelet first saw it (`status.startTime`); null before that. */
  readonly startedUs: number | null;
  /** When its last container ended, in phases Succeeded and Failed, as far as its status says. */
  readonly endedUs: number | null;
  /** When it is to be gone at the latest (`metadata.deletionTimestamp`, which has the grace period in it); null while nobody deletes it. */
  readonly deletedUs: number | null;
  readonly owner: OwnerReference | null;
  /** Configured labels only. */
  readonly labels: Readonly<Record<string, string>>;
}

export interface NodeObject {
  readonly uid: string;
  readonly name: string;
  /** InternalIP, then ExternalIP, in the order of the status. */
  readonly addresses: readonly string[];
  /** `spec.podCIDRs`. */
  readonly podCidrs: readonly string[];
  /** `spec.providerID`, such as "aws:///eu-west-1a/i-0123"; null where no cloud set it. */
  readonly providerId: string | null;
  /** Only labels that say where it is: topology.kubernetes.io/*, topology.k8s.aws/zone-id, and the like. */
  readonly labels: Readonly<Record<string, string>>;
  readonly createdUs: number;
}

export interface ServicePort {
  /** Lower-case: "tcp", "udp", "sctp". */
  readonly protocol: string;
  readonly port: number;
  /** 0 where there is none. */
  readonly nodePort: number;
}

export interface ServiceObject {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';
  /** Empty for headless services. */
  readonly clusterIps: readonly string[];
  /** `spec.externalIPs` and the addresses in `status.loadBalancer.ingress`. */
  readonly externalIps: readonly string[];
  readonly ports: readonly ServicePort[];
  readonly createdUs: number;
}

export interface SliceEndpoint {
  readonly address: string;
  readonly nodeName: string | null;
  readonly zone: string | null;
  /** The pod behind it, as "namespace/name"; null where the endpoint was written by hand. */
  readonly pod: string | null;
}

export interface EndpointSliceObject {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** Label kubernetes.io/service-name; null where there is none. */
  readonly service: string | null;
  readonly endpoints: readonly SliceEndpoint[];
}

export interface NamespaceObject {
  readonly uid: string;
  readonly name: string;
  /** Configured labels only. */
  readonly labels: Readonly<Record<string, string>>;
}

/** A ReplicaSet, a Job, or an object of a configured kind: something between a pod and its workload. */
export interface OwnerObject {
  readonly uid: string;
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly owner: OwnerReference | null;
}

/** Objects by resource. All kinds of owners are one resource here. */
export interface ClusterObjects {
  readonly pods: PodObject;
  readonly nodes: NodeObject;
  readonly services: ServiceObject;
  readonly endpointslices: EndpointSliceObject;
  readonly namespaces: NamespaceObject;
  readonly owners: OwnerObject;
}

export type ClusterResource = keyof ClusterObjects;

/** Where the caches put what they hear. Calls come in the order in which the API server said it, resource by resource. */
export interface ClusterSink {
  /** An object is new or has changed. `atUs`: when this was heard, by our clock. */
  put<R extends ClusterResource>(resource: R, object: ClusterObjects[R], atUs: number): void;
  /** An object is gone; `last` is how it was at its end, undefined where that was not heard (found missing in a new list). */
  remove<R extends ClusterResource>(resource: R, uid: string, last: ClusterObjects[R] | undefined, atUs: number): void;
  /**
   * All that happened to this resource before `atUs` has been told by now. Called when a list is complete (after its puts and
   * removes), and while its watch lives: after each event and bookmark, so about once a minute at least; not for what a watch tells
   * belatedly, after a gap. What was heard of longer
   * ago may be otherwise by now.
   */
  heard(resource: ClusterResource, atUs: number): void;
}
