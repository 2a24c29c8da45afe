// The parts of Kubernetes' objects that are read, as its API says them in JSON. Everything may be missing: an API server of another
// version, or somebody's admission webhook, decides. Knows nothing of what is made of them.

/** RFC 3339; milliseconds since the Unix epoch where the answer was not JSON. */
export type RawTime = string | number;

export interface RawOwnerReference {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly name?: string;
  readonly uid?: string;
  readonly controller?: boolean;
}

export interface RawMetadata {
  readonly uid?: string;
  readonly name?: string;
  readonly namespace?: string;
  readonly resourceVersion?: string;
  readonly creationTimestamp?: RawTime;
  readonly deletionTimestamp?: RawTime;
  readonly labels?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly RawOwnerReference[];
}

/** Any object; all that a metadata-only request gives. */
export interface RawObject {
  readonly metadata?: RawMetadata;
}

interface RawContainerStatus {
  readonly state?: { readonly terminated?: { readonly finishedAt?: RawTime } };
}

export interface RawPod extends RawObject {
  readonly spec?: { readonly nodeName?: string; readonly hostNetwork?: boolean };
  readonly status?: {
    readonly phase?: string;
    readonly podIP?: string;
    readonly podIPs?: readonly { readonly ip?: string }[];
    readonly startTime?: RawTime;
    readonly containerStatuses?: readonly RawContainerStatus[];
    readonly initContainerStatuses?: readonly RawContainerStatus[];
    readonly ephemeralContainerStatuses?: readonly RawContainerStatus[];
  };
}

export interface RawNode extends RawObject {
  readonly spec?: { readonly podCIDR?: string; readonly podCIDRs?: readonly string[]; readonly providerID?: string };
  readonly status?: { readonly addresses?: readonly { readonly type?: string; readonly address?: string }[] };
}

export interface RawService extends RawObject {
  readonly spec?: {
    readonly type?: string;
    readonly clusterIP?: string;
    readonly clusterIPs?: readonly string[];
    readonly externalIPs?: readonly string[];
    readonly ports?: readonly { readonly protocol?: string; readonly port?: number; readonly nodePort?: number }[];
  };
  readonly status?: { readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string }[] } };
}

export interface RawEndpointSlice extends RawObject {
  readonly endpoints?: readonly {
    readonly addresses?: readonly string[];
    readonly nodeName?: string;
    readonly zone?: string;
    readonly targetRef?: { readonly kind?: string; readonly namespace?: string; readonly name?: string };
  }[];
}

/** What is around the items of one page of a list. */
export interface RawListEnvelope {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
}

/** What the API says instead of an object when something is wrong. */
export interface RawStatus {
  readonly code?: number;
  readonly reason?: string;
  readonly message?: string;
  readonly details?: { readonly retryAfterSeconds?: number };
}
