// Whether the table has the names that the API server has: reads the API's objects, says whose each address is and which service
// leads to it, and holds each row against that. Knows nothing of how the product finds names.
import type { KubeClient, KubeObject } from '../../support/kubernetes/kube-client.ts';
import type { LabCluster } from '../cluster.ts';
import { type StorePlace, sql } from '../product.ts';

/** What a row has to say of one of its sides. Null: nothing. */
export interface SideNames {
  readonly kind: string;
  readonly namespace: string | null;
  readonly workloadKind: string | null;
  readonly workload: string | null;
  readonly pod: string | null;
  readonly node: string | null;
  readonly provider: string | null;
  readonly region: string | null;
  readonly zone: string | null;
}

interface ApiService {
  /** namespace/name */
  readonly name: string;
  readonly addresses: readonly string[];
  readonly hasNodePort: boolean;
  /** Ports of its pods. */
  readonly targetPorts: ReadonlySet<number>;
  /** `address port` of its pods. */
  readonly targets: ReadonlySet<string>;
}

/** Names as the API server has them. */
export interface ApiNames {
  readonly sides: ReadonlyMap<string, SideNames>;
  readonly services: readonly ApiService[];
}

/** Reads all objects that have names and addresses. */
export async function readApiNames(client: KubeClient): Promise<ApiNames> {
  const sides = new Map<string, SideNames>();
  const nodes = new Map<string, SideNames>();
  for (const { metadata, spec, status } of await client.list('nodes')) {
    const names: SideNames = {
      ...{ kind: 'node', namespace: null, workloadKind: null, workload: null, pod: null, node: metadata.name },
      provider: (spec.providerID as string).split(':')[0]!,
      region: metadata.labels!['topology.kubernetes.io/region']!,
      zone: metadata.labels!['topology.kubernetes.io/zone']!,
    };
    nodes.set(metadata.name, names);
    for (const { type, address } of status.addresses) if (type === 'InternalIP') sides.set(address, names);
  }
  const pods = await client.list('pods');
  for (const pod of pods) {
    // It has its node's address, which names the node.
    if (pod['spec'].hostNetwork === true) continue;
    const owner = await topOwner(client, pod);
    const { namespace, name } = pod.metadata;
    const names: SideNames = {
      ...nodes.get(pod['spec'].nodeName)!,
      ...{ kind: 'pod', namespace: namespace!, workloadKind: owner.kind, workload: owner.name, pod: name },
    };
    for (const { ip } of pod['status'].podIPs) sides.set(ip, names);
  }
  return { sides, services: (await client.list('services')).map((service) => serviceOf(service, pods)) };
}

/** Kind and name of what is at the top of the pod's owners. */
async function topOwner(
  client: KubeClient,
  pod: KubeObject,
): Promise<{ readonly kind: string; readonly name: string }> {
  const owner = pod.metadata.ownerReferences?.[0];
  if (owner === undefined) return { kind: 'Pod', name: pod.metadata.name };
  if (owner.kind !== 'ReplicaSet') return owner;
  const replicaSet = await client.get('replicasets', pod.metadata.namespace, owner.name);
  return replicaSet.metadata.ownerReferences?.[0] ?? owner;
}

function serviceOf({ metadata, spec }: KubeObject, pods: readonly KubeObject[]): ApiService {
  const ports = spec.ports as { readonly nodePort?: number; readonly targetPort: number }[];
  const selector = Object.entries((spec.selector ?? {}) as Record<string, string>);
  const selected = pods.filter(
    (pod) =>
      selector.length > 0 &&
      pod.metadata.namespace === metadata.namespace &&
      selector.every(([key, value]) => pod.metadata.labels?.[key] === value),
  );
  return {
    name: `${metadata.namespace}/${metadata.name}`,
    addresses: spec.clusterIPs,
    hasNodePort: ports.some(({ nodePort }) => nodePort !== undefined),
    targetPorts: new Set(ports.map(({ targetPort }) => targetPort)),
    targets: new Set(
      selected.flatMap((pod) =>
        (pod['status'].podIPs as { ip: string }[]).flatMap(({ ip }) =>
          ports.map(({ targetPort }) => `${ip} ${targetPort}`),
        ),
      ),
    ),
  };
}

/** Rows that have all names in common, and the addresses that they have them for. */
export interface NamedRow {
  readonly reporter: string;
  readonly ip: string;
  readonly local: SideNames;
  readonly peerIp: string;
  readonly peer: SideNames;
  readonly peerName: string | null;
  readonly port: number;
  readonly initiator: 'local' | 'peer';
  readonly service: string | null;
  readonly resolution: string;
  /** How many rows of the table these are. */
  readonly rows: number;
}

const SIDE = ['kind', 'namespace', 'workload_kind', 'workload', 'pod', 'node', 'provider', 'region', 'zone'] as const;

/** All rows but those of losses. */
export async function namedRows(place: string | StorePlace): Promise<NamedRow[]> {
  const local = SIDE.map((column) => (column === 'kind' ? 'local_kind' : column));
  const peer = SIDE.map((column) => `peer_${column}`);
  const columns = [...local, ...peer, 'ip', 'peer_ip', 'peer_name', 'port', 'initiator', 'service', 'resolution'];
  const found = await sql<Record<string, string | null>>(
    place,
    `SELECT ${columns.join(', ')}, count(*) AS rows FROM flows WHERE traffic_class <> 'lost' GROUP BY ALL ORDER BY ALL`,
  );
  return found.map((row) => ({
    reporter: row['node']!,
    ip: row['ip']!,
    local: sideOf(local.map((column) => row[column]!)),
    peerIp: row['peer_ip']!,
    peer: sideOf(peer.map((column) => row[column]!)),
    peerName: row['peer_name']!,
    port: Number(row['port']),
    initiator: row['initiator'] as NamedRow['initiator'],
    service: row['service']!,
    resolution: row['resolution']!,
    rows: Number(row['rows']),
  }));
}

function sideOf([kind, namespace, workloadKind, workload, pod, node, provider, region, zone]: string[]): SideNames {
  return {
    kind: kind!,
    namespace: namespace!,
    workloadKind: workloadKind!,
    workload: workload!,
    pod: pod!,
    node: node!,
    provider: provider!,
    region: region!,
    zone: zone!,
  };
}

const OUTSIDE: SideNames = {
  ...{ kind: 'internet', namespace: null, workloadKind: null, workload: null, pod: null, node: null },
  ...{ provider: null, region: null, zone: null },
};

/** Where rows and API differ, one line each; empty when the table has just the names of the API. */
export function nameDifferences(cluster: LabCluster, names: ApiNames, rows: readonly NamedRow[]): string[] {
  const outside = new Set(cluster.outside.flat());
  return rows.flatMap((row) => {
    const lines: string[] = [];
    const check = (what: string, expected: unknown, actual: unknown): void => {
      const [want, have] = [JSON.stringify(expected), JSON.stringify(actual)];
      if (want !== have)
        lines.push(`${row.reporter}: ${row.ip} ⇄ ${row.peerIp}/${row.port}: ${what}: API ${want}, table ${have}`);
    };
    check('local side', names.sides.get(row.ip), row.local);
    check('peer', names.sides.get(row.peerIp) ?? OUTSIDE, row.peer);
    check('name of the peer', outside.has(row.peerIp) ? 'outside-host' : null, row.peerName);
    check('resolution', 'exact', row.resolution);
    const services = servicesOf(names, row);
    if (!services.includes(row.service)) check('service', services, row.service);
    return lines;
  });
}

/**
 * What a row may say of a service. The node that translates knows which; for other nodes the connection is to a pod, or to a
 * port of another node. In the laboratory nothing but services uses the ports that services lead to.
 */
function servicesOf({ sides, services }: ApiNames, row: NamedRow): (string | null)[] {
  const responder = row.initiator === 'local' ? row.peerIp : row.ip;
  const initiatorNode = row.initiator === 'local' ? row.local.node : row.peer.node;
  const passedOn = row.initiator === 'peer' && sides.get(row.ip)?.kind === 'node';
  // Who comes from outside comes through a port of a node; who is of another node was translated there.
  const translated = passedOn || initiatorNode === row.reporter || initiatorNode === null;
  if (!translated) return [null];
  const reached = services.filter(({ targets, hasNodePort, targetPorts }) =>
    passedOn ? hasNodePort && targetPorts.has(row.port) : targets.has(`${responder} ${row.port}`),
  );
  return reached.length > 0 ? reached.map(({ name }) => name) : [null];
}
