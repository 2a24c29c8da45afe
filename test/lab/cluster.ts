// The shape of the laboratory's cluster as plain data: nodes, pods, services, an outside host, and who has which address.
// Everything else (wiring, rules, traffic, expectations, the topology file) is derived from this.

/** An IPv4 and an IPv6 address of one thing. */
export type Dual = readonly [v4: string, v6: string];

export interface LabNode {
  readonly name: string;
  readonly index: number;
  readonly region: string;
  readonly zone: string;
  readonly address: Dual;
  /** The router's addresses on the node's underlay link. */
  readonly gateway: Dual;
  /** The node's own addresses towards its pods: what a masqueraded hairpin comes from. */
  readonly podGateway: Dual;
  /** The node's addresses on its tunnel device. */
  readonly tunnel: Dual;
  readonly podRange: Dual;
}

export interface LabPod {
  readonly name: string;
  readonly namespace: string;
  readonly workloadKind: string;
  readonly workload: string;
  readonly node: string;
  readonly address: Dual;
  /** True when the node carries this pod's traffic through a second conntrack zone as well. */
  readonly twoZones: boolean;
}

export interface LabService {
  readonly name: string;
  readonly namespace: string;
  readonly address: Dual;
  readonly port: number;
  readonly targetPort: number;
  /** Names of the pods behind it. */
  readonly backends: readonly string[];
  readonly nodePort?: number;
  /** `cluster`: any node forwards, with source translation; `local`: only nodes that have a backend answer, without. */
  readonly trafficPolicy?: 'cluster' | 'local';
}

export interface LabCluster {
  readonly nodes: readonly LabNode[];
  readonly pods: readonly LabPod[];
  readonly services: readonly LabService[];
  readonly outside: readonly Dual[];
  /** The router's addresses on the link to the outside host. */
  readonly outsideGateway: Dual;
  /** Names of the two nodes with a VXLAN tunnel between them. */
  readonly tunnelNodes: readonly [string, string];
}

/** UDP port of the VXLAN tunnel (the Linux kernel's, and flannel's, default). */
export const VXLAN_PORT = 8472;
/** Conntrack zone of the second pass. */
export const SECOND_CONNTRACK_ZONE = 7;
/** Ports on which every pod answers TCP, UDP and SCTP. */
export const POD_PORTS = [8080, 8081, 5432, 7001, 7002, 7003] as const;
/** Ports on which the outside host answers TCP, UDP and SCTP. */
export const OUTSIDE_PORTS = [443, 8443, 53] as const;
/** Ranges that hold everything of the cluster. */
export const CLUSTER_RANGES: Dual = ['10.0.0.0/8', 'fd00::/8'];

function node(index: number, region: string, zone: string): LabNode {
  return {
    name: `n${index}`,
    index,
    region,
    zone,
    address: [`10.0.${index}.10`, `fd00:10:0:${index}::10`],
    gateway: [`10.0.${index}.1`, `fd00:10:0:${index}::1`],
    podGateway: [`10.244.${index}.1`, `fd00:10:244:${index}::1`],
    tunnel: [`10.244.${index}.2`, `fd00:10:244:${index}::2`],
    podRange: [`10.244.${index}.0/24`, `fd00:10:244:${index}::/64`],
  };
}

function pod(nodeIndex: number, host: number, namespace: string, workloadKind: string, name: string): LabPod {
  return {
    name,
    namespace,
    workloadKind,
    workload: name.replace(/-\d+$/, ''),
    node: `n${nodeIndex}`,
    address: [`10.244.${nodeIndex}.${host}`, `fd00:10:244:${nodeIndex}::${host}`],
    twoZones: name === 'etl-1',
  };
}

/** Three nodes, two regions, three zones. Pods of n1 and n2 reach each other through VXLAN, all others by routes. */
export const CLUSTER: LabCluster = {
  nodes: [node(1, 'us-east-1', 'us-east-1a'), node(2, 'us-east-1', 'us-east-1b'), node(3, 'us-west-2', 'us-west-2a')],
  pods: [
    pod(1, 11, 'shop', 'Deployment', 'web-0'),
    pod(1, 12, 'shop', 'Deployment', 'cart-0'),
    pod(2, 11, 'shop', 'Deployment', 'web-1'),
    pod(2, 12, 'data', 'StatefulSet', 'postgres-0'),
    pod(3, 11, 'batch', 'Job', 'etl-0'),
    pod(3, 12, 'batch', 'Job', 'etl-1'),
  ],
  services: [
    {
      name: 'web',
      namespace: 'shop',
      address: ['10.96.0.10', 'fd00:10:96::10'],
      port: 80,
      targetPort: 8080,
      backends: ['web-0', 'web-1'],
    },
    {
      name: 'cart',
      namespace: 'shop',
      address: ['10.96.0.11', 'fd00:10:96::11'],
      port: 80,
      targetPort: 8080,
      backends: ['cart-0'],
      nodePort: 30080,
      trafficPolicy: 'cluster',
    },
    {
      name: 'cart-edge',
      namespace: 'shop',
      address: ['10.96.0.12', 'fd00:10:96::12'],
      port: 80,
      targetPort: 8081,
      backends: ['cart-0'],
      nodePort: 30081,
      trafficPolicy: 'local',
    },
    {
      name: 'postgres',
      namespace: 'data',
      address: ['10.96.0.20', 'fd00:10:96::20'],
      port: 5432,
      targetPort: 5432,
      backends: ['postgres-0'],
    },
  ],
  outside: [
    ['198.51.100.7', '2001:db8:7::7'],
    ['203.0.113.9', '2001:db8:9::9'],
  ],
  outsideGateway: ['198.51.100.1', '2001:db8:7::1'],
  tunnelNodes: ['n1', 'n2'],
};

/** The node of that name; the name must exist. */
export function nodeOf(cluster: LabCluster, name: string): LabNode {
  return cluster.nodes.find((candidate) => candidate.name === name)!;
}

/** The pod of that name; the name must exist. */
export function podOf(cluster: LabCluster, name: string): LabPod {
  return cluster.pods.find((candidate) => candidate.name === name)!;
}
