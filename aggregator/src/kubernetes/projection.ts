// Objects of the Kubernetes API → the objects of the model: what naming an address needs, nothing else. An object is projected
// right when it is parsed, so a page of pods is garbage before the next one comes. Texts that many objects have in common are
// kept once. Throws on nothing that the API may leave out; an object without what names it gives undefined.
import type {
  ClusterObjects,
  ClusterResource,
  EndpointSliceObject,
  NamespaceObject,
  NodeObject,
  OwnerObject,
  OwnerReference,
  PodObject,
  PodPhase,
  ServiceObject,
  ServicePort,
  SliceEndpoint,
} from '../model/cluster-objects.ts';
import { canonicalAddresses } from './addresses.ts';
import type {
  RawEndpointSlice,
  RawMetadata,
  RawNode,
  RawObject,
  RawOwnerReference,
  RawPod,
  RawService,
  RawTime,
} from './raw-objects.ts';
import { timeMs } from './raw-time.ts';
import { createSharedValues } from './shared-values.ts';

/** What is kept beyond what every installation needs. */
export interface ProjectionConfig {
  readonly podLabels: readonly string[];
  readonly namespaceLabels: readonly string[];
  /** Labels of nodes that say where they are, beside the usual ones. */
  readonly nodeLabels: readonly string[];
}

/** How each resource is projected. Undefined: the object lacks uid or name. */
export type Projections = {
  readonly [R in ClusterResource]: (raw: RawObject, kind: OwnerKind) => ClusterObjects[R] | undefined;
};

/** The kind of an object of an owner's resource: a metadata-only answer does not say it. */
export interface OwnerKind {
  readonly apiVersion: string;
  readonly kind: string;
}

/** Where a node is, as clouds and tools say it. */
const PLACE_LABELS = /^(topology\.kubernetes\.io|failure-domain\.beta\.kubernetes\.io|topology\.k8s\.aws)\//;

const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

/** Shared texts and owners: nodes, namespaces, and ReplicaSets of the largest cluster, some churn included. */
const SHARED_MAX = 65_536;

const NO_LABELS: Readonly<Record<string, string>> = Object.freeze({});

export function createProjections(config: ProjectionConfig): Projections {
  const texts = createSharedValues<string>(SHARED_MAX);
  const owners = createSharedValues<OwnerReference | null>(SHARED_MAX);
  const shared = (text: string): string => texts.of(text, () => text);

  const chosenLabels = (metadata: RawMetadata, keys: readonly string[]): Readonly<Record<string, string>> => {
    const { labels } = metadata;
    if (labels === undefined || keys.length === 0) return NO_LABELS;
    const chosen: Record<string, string> = {};
    for (const key of keys) {
      const value = labels[key];
      if (typeof value === 'string') chosen[key] = shared(value);
    }
    return chosen;
  };

  const ownerOf = (metadata: RawMetadata): OwnerReference | null => {
    const reference = metadata.ownerReferences?.find(({ controller }) => controller === true);
    return reference?.uid === undefined ? null : owners.of(reference.uid, () => ownerReference(reference));
  };

  const pod = (raw: RawPod): PodObject | undefined => {
    const { metadata, spec, status } = raw;
    if (metadata?.uid === undefined || metadata.name === undefined) return undefined;
    const phase = podPhase(status?.phase);
    return {
      uid: metadata.uid,
      namespace: shared(metadata.namespace ?? ''),
      name: metadata.name,
      nodeName: spec?.nodeName ? shared(spec.nodeName) : null,
      hostNetwork: spec?.hostNetwork === true,
      phase,
      addresses: canonicalAddresses(status?.podIPs?.map(({ ip }) => ip) ?? [status?.podIP]),
      createdUs: timeUs(metadata.creationTimestamp) ?? 0,
      startedUs: timeUs(status?.startTime),
      endedUs: phase === 'Succeeded' || phase === 'Failed' ? lastEndUs(status) : null,
      deletedUs: timeUs(metadata.deletionTimestamp),
      owner: ownerOf(metadata),
      labels: chosenLabels(metadata, config.podLabels),
    };
  };

  const node = (raw: RawNode): NodeObject | undefined => {
    const { metadata, spec, status } = raw;
    if (metadata?.uid === undefined || metadata.name === undefined) return undefined;
    const ofType = (wanted: string) =>
      status?.addresses?.filter(({ type }) => type === wanted).map(({ address }) => address) ?? [];
    const placeLabels = Object.keys(metadata.labels ?? {}).filter((key) => PLACE_LABELS.test(key));
    return {
      uid: metadata.uid,
      name: shared(metadata.name),
      addresses: canonicalAddresses([...ofType('InternalIP'), ...ofType('ExternalIP')]),
      podCidrs: spec?.podCIDRs ?? (spec?.podCIDR ? [spec.podCIDR] : []),
      providerId: spec?.providerID ? spec.providerID : null,
      labels: chosenLabels(metadata, [...placeLabels, ...config.nodeLabels]),
      createdUs: timeUs(metadata.creationTimestamp) ?? 0,
    };
  };

  const service = (raw: RawService): ServiceObject | undefined => {
    const { metadata, spec, status } = raw;
    if (metadata?.uid === undefined || metadata.name === undefined) return undefined;
    const ingress = status?.loadBalancer?.ingress?.map(({ ip }) => ip) ?? [];
    return {
      uid: metadata.uid,
      namespace: shared(metadata.namespace ?? ''),
      name: metadata.name,
      type: serviceType(spec?.type),
      // "None" of headless services is no address.
      clusterIps: canonicalAddresses(spec?.clusterIPs ?? [spec?.clusterIP]),
      externalIps: canonicalAddresses([...(spec?.externalIPs ?? []), ...ingress]),
      ports: (spec?.ports ?? []).map(servicePort),
      createdUs: timeUs(metadata.creationTimestamp) ?? 0,
    };
  };

  const endpointSlice = (raw: RawEndpointSlice): EndpointSliceObject | undefined => {
    const { metadata } = raw;
    if (metadata?.uid === undefined || metadata.name === undefined) return undefined;
    const namespace = shared(metadata.namespace ?? '');
    const endpoints: SliceEndpoint[] = [];
    for (const { addresses, nodeName, zone, targetRef } of raw.endpoints ?? []) {
      const target = targetRef?.kind === 'Pod' && targetRef.name !== undefined ? targetRef : undefined;
      for (const address of canonicalAddresses(addresses ?? [])) {
        endpoints.push({
          address,
          nodeName: nodeName ? shared(nodeName) : null,
          zone: zone ? shared(zone) : null,
          pod: target === undefined ? null : `${target.namespace ?? namespace}/${target.name}`,
        });
      }
    }
    return {
      uid: metadata.uid,
      namespace,
      name: metadata.name,
      service: metadata.labels?.[SERVICE_NAME_LABEL] ?? null,
      endpoints,
    };
  };

  const namespace = (raw: RawObject): NamespaceObject | undefined => {
    const { metadata } = raw;
    if (metadata?.uid === undefined || metadata.name === undefined) return undefined;
    return {
      uid: metadata.uid,
      name: shared(metadata.name),
      labels: chosenLabels(metadata, config.namespaceLabels),
    };
  };

  const owner = (raw: RawObject, { apiVersion, kind }: OwnerKind): OwnerObject | undefined => {
    const { metadata } = raw;
    if (metadata?.uid === undefined || metadata.name === undefined) return undefined;
    return {
      uid: metadata.uid,
      apiVersion,
      kind,
      namespace: shared(metadata.namespace ?? ''),
      name: metadata.name,
      owner: ownerOf(metadata),
    };
  };

  return {
    pods: pod,
    nodes: node,
    services: service,
    endpointslices: endpointSlice,
    namespaces: namespace,
    owners: owner,
  };
}

function ownerReference({ apiVersion, kind, name, uid }: RawOwnerReference): OwnerReference | null {
  return apiVersion === undefined || kind === undefined || name === undefined || uid === undefined
    ? null
    : { apiVersion, kind, name, uid };
}

function podPhase(text: string | undefined): PodPhase {
  switch (text) {
    case 'Running':
    case 'Succeeded':
    case 'Failed':
    case 'Pending':
      return text;
    // The scheduler and the kubelet have not said anything yet.
    case undefined:
    case '':
      return 'Pending';
    default:
      return 'Unknown';
  }
}

function serviceType(text: string | undefined): ServiceObject['type'] {
  return text === 'NodePort' || text === 'LoadBalancer' || text === 'ExternalName' ? text : 'ClusterIP';
}

function servicePort({
  protocol,
  port,
  nodePort,
}: {
  readonly protocol?: string;
  readonly port?: number;
  readonly nodePort?: number;
}): ServicePort {
  return { protocol: (protocol ?? 'TCP').toLowerCase(), port: port ?? 0, nodePort: nodePort ?? 0 };
}

/** When the last container of any sort ended; null if none says so. */
function lastEndUs(status: RawPod['status']): number | null {
  let lastUs: number | null = null;
  for (const container of [
    ...(status?.containerStatuses ?? []),
    ...(status?.initContainerStatuses ?? []),
    ...(status?.ephemeralContainerStatuses ?? []),
  ]) {
    const endUs = timeUs(container?.state?.terminated?.finishedAt);
    if (endUs !== null && (lastUs === null || endUs > lastUs)) lastUs = endUs;
  }
  return lastUs;
}

/** µs since the Unix epoch; null where there is no time. */
function timeUs(time: RawTime | undefined): number | null {
  const ms = timeMs(time);
  return ms === null ? null : ms * 1000;
}
