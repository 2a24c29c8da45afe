// What the API server says when it is asked directly, and what the caches told, as tables that can be compared. The columns are read from
// the API's JSON here, not by the product's projection.
import type { KubeClient, KubeObject } from '../support/kubernetes/kube-client.ts';
import type { RecordingSink } from '../support/kubernetes/recording-sink.ts';

/** Resource and name → its columns as text. */
export type Truth = Readonly<Record<string, string>>;

export async function truthOf(client: KubeClient): Promise<Truth> {
  const [pods, nodes, services, slices, namespaces, replicaSets, jobs] = await Promise.all(
    (['pods', 'nodes', 'services', 'endpointslices', 'namespaces', 'replicasets', 'jobs'] as const).map((resource) =>
      client.list(resource),
    ),
  );
  return table([
    ...pods!.map((pod) =>
      row('pod', pod, [
        pod['spec'].nodeName ?? null,
        pod['status'].phase,
        (pod['status'].podIPs ?? []).map(({ ip }: { ip: string }) => ip),
        pod['spec'].hostNetwork === true,
        owner(pod),
        pod.metadata.labels?.['app'] ?? null,
        seconds(pod.metadata.creationTimestamp),
        seconds(pod.metadata.deletionTimestamp),
        seconds(pod['status'].startTime),
        seconds(pod['status'].containerStatuses?.[0]?.state.terminated?.finishedAt),
      ]),
    ),
    ...nodes!.map((node) =>
      row('node', node, [
        (node['status'].addresses as { type: string; address: string }[])
          .filter(({ type }) => type === 'InternalIP')
          .map(({ address }) => address),
        node['spec'].podCIDRs,
        node['spec'].providerID,
        node.metadata.labels?.['topology.kubernetes.io/zone'],
      ]),
    ),
    ...services!.map((service) =>
      row('service', service, [
        service['spec'].type,
        (service['spec'].clusterIPs as string[]).filter((ip) => ip !== 'None'),
        service['spec'].ports.map((port: Record<string, unknown>) => [
          port['protocol'],
          port['port'],
          port['nodePort'] ?? 0,
        ]),
      ]),
    ),
    ...slices!.map((slice) =>
      row('endpointslice', slice, [
        slice.metadata.labels?.['kubernetes.io/service-name'] ?? null,
        ((slice['endpoints'] ?? []) as { addresses: string[]; nodeName?: string; targetRef?: { name: string } }[])
          .map(({ addresses, nodeName, targetRef }) => [addresses[0], nodeName ?? null, targetRef?.name ?? null].join())
          .sort(),
      ]),
    ),
    ...namespaces!.map((namespace) => row('namespace', namespace, [])),
    ...replicaSets!.map((replicaSet) => row('ReplicaSet', replicaSet, [owner(replicaSet)])),
    ...jobs!.map((job) => row('Job', job, [owner(job)])),
  ]);
}

export function toldBy(sink: RecordingSink): Truth {
  return table([
    ...sink
      .objects('pods')
      .map((pod) =>
        row('pod', { metadata: pod }, [
          pod.nodeName,
          pod.phase,
          pod.addresses,
          pod.hostNetwork,
          pod.owner === null ? null : [pod.owner.kind, pod.owner.name, pod.owner.uid],
          pod.labels['app'] ?? null,
          pod.createdUs / 1e6,
          pod.deletedUs === null ? null : pod.deletedUs / 1e6,
          pod.startedUs === null ? null : pod.startedUs / 1e6,
          pod.endedUs === null ? null : pod.endedUs / 1e6,
        ]),
      ),
    ...sink
      .objects('nodes')
      .map((node) =>
        row('node', { metadata: node }, [
          node.addresses,
          node.podCidrs,
          node.providerId,
          node.labels['topology.kubernetes.io/zone'],
        ]),
      ),
    ...sink
      .objects('services')
      .map((service) =>
        row('service', { metadata: service }, [
          service.type,
          service.clusterIps,
          service.ports.map(({ protocol, port, nodePort }) => [protocol.toUpperCase(), port, nodePort]),
        ]),
      ),
    ...sink
      .objects('endpointslices')
      .map((slice) =>
        row('endpointslice', { metadata: slice }, [
          slice.service,
          slice.endpoints
            .map(({ address, nodeName, pod }) => [address, nodeName, pod?.split('/')[1] ?? null].join())
            .sort(),
        ]),
      ),
    ...sink.objects('namespaces').map((namespace) => row('namespace', { metadata: namespace }, [])),
    ...sink
      .objects('owners')
      .map((object) =>
        row(object.kind, { metadata: object }, [
          object.owner === null ? null : [object.owner.kind, object.owner.name, object.owner.uid],
        ]),
      ),
  ]);
}

type Named = { readonly metadata: { readonly namespace?: string; readonly name: string; readonly uid: string } };

function row(kind: string, { metadata }: Named, columns: readonly unknown[]): [string, string] {
  return [`${kind} ${metadata.namespace ?? ''}/${metadata.name} ${metadata.uid}`, JSON.stringify(columns)];
}

function owner({ metadata }: KubeObject): unknown {
  const reference = metadata.ownerReferences?.[0];
  return reference === undefined ? null : [reference.kind, reference.name, reference.uid];
}

function seconds(text: string | undefined): number | null {
  return text === undefined ? null : Date.parse(text) / 1000;
}

function table(rows: readonly [string, string][]): Truth {
  return Object.fromEntries([...rows].sort(([a], [b]) => (a < b ? -1 : 1)));
}
