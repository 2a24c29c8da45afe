// A cluster as large as wanted, made from a seed: nodes in three zones, workloads of which few have many pods, and a service
// for each. The names are as long and as varied as Kubernetes makes them: they are most of what a dictionary holds. Knows
// the topology file's format; knows no traffic.
import { createRandom, type Random } from '../../lab/random.ts';
import { ipText } from './ip-text.ts';

/** How large a cluster is. */
export interface ClusterSize {
  readonly seed: number;
  readonly nodes: number;
  readonly pods: number;
  readonly workloads: number;
  readonly namespaces: number;
}

export interface ModelNode {
  readonly name: string;
  readonly zone: string;
  readonly address: number;
}

export interface ModelWorkload {
  readonly namespace: string;
  readonly name: string;
  readonly kind: string;
  /** Address of its service. */
  readonly serviceAddress: number;
  readonly port: number;
  /** Indices of its pods. */
  readonly pods: readonly number[];
}

export interface ModelPod {
  readonly name: string;
  readonly workload: number;
  readonly node: number;
  readonly address: number;
}

export interface ClusterModel {
  readonly size: ClusterSize;
  readonly nodes: readonly ModelNode[];
  readonly workloads: readonly ModelWorkload[];
  readonly pods: readonly ModelPod[];
}

export const REGION = 'eu-central-1';
const ZONES = ['a', 'b', 'c'];
const LETTERS = 'bcdfghjklmnpqrstvwxz2456789';
const KINDS = ['Deployment', 'Deployment', 'Deployment', 'Deployment', 'Deployment', 'StatefulSet', 'Job'];
const PORTS = [8080, 8080, 80, 443, 9090, 5432, 6379, 9092, 50051, 3000];
const DOMAINS = [
  'payments',
  'search',
  'catalog',
  'orders',
  'identity',
  'billing',
  'media',
  'feed',
  'metrics',
  'events',
];
const ROLES = ['api', 'worker', 'gateway', 'cache', 'consumer', 'indexer', 'scheduler', 'frontend', 'proxy', 'store'];

/** Zipf's exponent for the number of pods of a workload. */
const REPLICAS_EXPONENT = 0.8;

/** The same cluster for the same size. */
export function createClusterModel(size: ClusterSize): ClusterModel {
  const random = createRandom(size.seed);
  const nodes = Array.from({ length: size.nodes }, (_, i): ModelNode => {
    const address = 172 * 2 ** 24 + (16 << 16) + i * 200 + random.integer(4, 199);
    return {
      name: `ip-${ipText(address).replaceAll('.', '-')}.${REGION}.compute.internal`,
      zone: `${REGION}${ZONES[i % ZONES.length]}`,
      address,
    };
  });
  const replicas = replicasOf(size);
  const usedOnNode = new Uint8Array(size.nodes);
  const pods: ModelPod[] = [];
  const workloads = replicas.map((count, workload): ModelWorkload => {
    const role = `${DOMAINS[workload % DOMAINS.length]}-${ROLES[random.integer(0, ROLES.length - 1)]}`;
    const name = `${role}-${workload.toString(36)}`;
    const kind = random.pick(KINDS);
    const template = word(random, 10);
    const indices: number[] = [];
    for (let replica = 0; replica < count; replica++) {
      const node = freeNode(random, usedOnNode);
      indices.push(pods.length);
      pods.push({
        name: kind === 'StatefulSet' ? `${name}-${replica}` : `${name}-${template}-${suffix(random, replica)}`,
        workload,
        node,
        // A /24 a node, as most network plugins give.
        address: 10 * 2 ** 24 + (64 << 16) + (node << 8) + ++usedOnNode[node]! + 1,
      });
    }
    return {
      ...{ namespace: `team-${DOMAINS[workload % DOMAINS.length]}-${workload % size.namespaces}`, name, kind },
      ...{ serviceAddress: 10 * 2 ** 24 + workload + 256, port: random.pick(PORTS), pods: indices },
    };
  });
  return { size, nodes, workloads, pods };
}

/** Pods of each workload: Zipf, at least one, in all as many as asked for. */
function replicasOf({ workloads, pods }: ClusterSize): number[] {
  const weights = Array.from({ length: workloads }, (_, i) => (i + 1) ** -REPLICAS_EXPONENT);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const replicas = weights.map((weight) => 1 + Math.floor(((pods - workloads) * weight) / total));
  for (let i = 0, left = pods - replicas.reduce((sum, count) => sum + count, 0); i < left; i++)
    replicas[i % workloads]!++;
  return replicas;
}

/** A node with room: at most 250 pods. */
function freeNode(random: Random, used: Uint8Array): number {
  for (;;) {
    const node = random.integer(0, used.length - 1);
    if (used[node]! < 250) return node;
  }
}

function word(random: Random, length: number): string {
  let text = '';
  for (let i = 0; i < length; i++) text += LETTERS[random.integer(0, LETTERS.length - 1)];
  return text;
}

/** Five letters as Kubernetes draws them, different for each replica. */
function suffix(random: Random, replica: number): string {
  const letters = LETTERS.length;
  return (
    word(random, 2) +
    [replica / letters ** 2, replica / letters, replica].map((n) => LETTERS[Math.floor(n) % letters]).join('')
  );
}

/** The topology file. */
export function topologyText({ nodes, workloads, pods }: ClusterModel, cluster: string): string {
  return JSON.stringify({
    version: 1,
    cluster,
    ranges: { pods: ['10.64.0.0/10'], services: ['10.0.0.0/12'], nodes: ['172.16.0.0/12'] },
    nodes: nodes.map(({ name, zone, address }) => ({
      ...{ name, provider: 'aws', region: REGION, zone, addresses: [ipText(address)] },
    })),
    pods: pods.map(({ name, workload, node, address }) => ({
      ...{ name, namespace: workloads[workload]!.namespace, node: nodes[node]!.name },
      ...{
        workload: { kind: workloads[workload]!.kind, name: workloads[workload]!.name },
        addresses: [ipText(address)],
      },
    })),
    services: workloads.map(({ name, namespace, serviceAddress }) => ({
      ...{ name, namespace, addresses: [ipText(serviceAddress)] },
    })),
  });
}
