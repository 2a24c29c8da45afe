// The laboratory's cluster in the format of the aggregator's topology file.
import type { LabCluster } from './cluster.ts';

/** The topology file's content. `cluster` is the name that the rows carry. */
export function topologyOf(shape: LabCluster, cluster: string): Record<string, unknown> {
  const range = (pick: 0 | 1): string[] => shape.nodes.map((node) => node.podRange[pick]);
  return {
    version: 1,
    cluster,
    ranges: {
      pods: [...range(0), ...range(1)],
      services: ['10.96.0.0/16', 'fd00:10:96::/112'],
      nodes: ['10.0.0.0/16', 'fd00:10:0::/48'],
    },
    nodes: shape.nodes.map((node) => ({
      name: node.name,
      provider: 'aws',
      region: node.region,
      zone: node.zone,
      addresses: [...node.address, ...node.podGateway, ...(shape.tunnelNodes.includes(node.name) ? node.tunnel : [])],
    })),
    pods: shape.pods.map((pod) => ({
      name: pod.name,
      namespace: pod.namespace,
      node: pod.node,
      workload: { kind: pod.workloadKind, name: pod.workload },
      addresses: pod.address,
      labels: { app: pod.workload },
    })),
    services: shape.services.map((service) => ({
      namespace: service.namespace,
      name: service.name,
      addresses: service.address,
      nodePorts: service.nodePort === undefined ? [] : [service.nodePort],
    })),
    external: externalOf(shape),
  };
}

/** The same without what Kubernetes can know: what is outside of the cluster. */
export function outsideTopologyOf(shape: LabCluster, cluster: string): Record<string, unknown> {
  return { version: 1, cluster, external: externalOf(shape) };
}

const externalOf = (shape: LabCluster) => [{ name: 'outside-host', addresses: shape.outside.flat() }];
