// The simulated cluster: nodes in three zones, ten pods each, services, and the outside that they talk to. Addresses follow
// from numbers, so that nothing is kept but the numbers. As a topology file for the aggregator, and for the traffic.

export const PODS_PER_NODE = 10;
export const SERVICES = 100;
export const OUTSIDE = 50_000;

const NAMESPACES = 20;
const WORKLOADS = 200;
const REGION = 'us-east-1';
const ZONES = ['a', 'b', 'c'];

export const nodeName = (node: number): string => `node-${String(node).padStart(4, '0')}`;

/** Address bytes of a pod: its node's /24 in 10.64.0.0/10, or its node's /64. */
export function podAddress(pod: number, isV6: boolean): number[] {
  const node = Math.floor(pod / PODS_PER_NODE);
  const host = 2 + (pod % PODS_PER_NODE);
  const [high, low] = [node >>> 8, node & 255];
  return isV6 ? [0xfd, 0, 0, 0x64, 0, 0, high, low, 0, 0, 0, 0, 0, 0, 0, host] : [10, 64 + high, low, host];
}

/** Address bytes of a service. */
export const serviceAddress = (service: number): number[] => [10, 32, 0, 1 + service];

/** Address bytes of somebody on the internet. */
export function outsideAddress(index: number, isV6: boolean): number[] {
  const [high, low] = [index >>> 8, index & 255];
  return isV6 ? [0x2a, 0x05, 0, 1, high, low, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1] : [52, 20, high, low];
}

/** The cluster as a topology file has it. */
export function topologyDocument(nodes: number): unknown {
  return {
    version: 1,
    cluster: 'outage',
    ranges: { pods: ['10.64.0.0/10', 'fd00:64::/32'], services: ['10.32.0.0/16'], nodes: ['10.0.0.0/16'] },
    nodes: Array.from({ length: nodes }, (_, node) => ({
      name: nodeName(node),
      provider: 'aws',
      region: REGION,
      zone: `${REGION}${ZONES[node % ZONES.length]}`,
      addresses: [`10.0.${node >>> 8}.${node & 255}`],
    })),
    pods: Array.from({ length: nodes * PODS_PER_NODE }, (_, pod) => {
      const workload = pod % WORKLOADS;
      return {
        name: `app-${workload}-${pod}`,
        namespace: `team-${workload % NAMESPACES}`,
        node: nodeName(Math.floor(pod / PODS_PER_NODE)),
        workload: { kind: 'Deployment', name: `app-${workload}` },
        addresses: [podAddress(pod, false).join('.'), v6Text(podAddress(pod, true))],
      };
    }),
    services: Array.from({ length: SERVICES }, (_, service) => ({
      namespace: `team-${service % NAMESPACES}`,
      name: `service-${service}`,
      addresses: [serviceAddress(service).join('.')],
    })),
  };
}

function v6Text(bytes: readonly number[]): string {
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i]! << 8) | bytes[2 * i + 1]!).toString(16));
  return groups.join(':');
}
