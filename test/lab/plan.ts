// Random traffic from a seed: which host talks to which address, over what, how much and when. Pure.
import { type LabCluster, nodeOf, podOf } from './cluster.ts';
import { type ConnectionSpec, type Exchange, HEADER_BYTES } from './helper-process.ts';
import type { Random } from './random.ts';

/** A connection, and the host that opens it. */
export interface PlannedConnection extends ConnectionSpec {
  readonly host: string;
  readonly path: PathName;
}

/** The ways through the cluster that a plan may take. */
export type PathName = (typeof PATHS)[number]['name'];

interface Path {
  readonly name: string;
  /** How often, relative to the others. */
  readonly weight: number;
  /** Initiating hosts: pods, or `outside`. */
  readonly from: readonly string[];
  /** Target: `pod:NAME`, `service:NAME`, `nodeport:NODE:SERVICE`, `outside`. */
  readonly to: readonly string[];
}

const PATHS = [
  { name: 'same-node', weight: 6, from: ['web-0'], to: ['pod:cart-0'] },
  { name: 'same-node', weight: 3, from: ['cart-0'], to: ['pod:web-0'] },
  { name: 'tunnel', weight: 6, from: ['web-0', 'cart-0'], to: ['pod:postgres-0', 'pod:web-1'] },
  { name: 'tunnel', weight: 3, from: ['web-1', 'postgres-0'], to: ['pod:cart-0', 'pod:web-0'] },
  { name: 'routed', weight: 6, from: ['etl-0'], to: ['pod:postgres-0', 'pod:web-0'] },
  { name: 'routed', weight: 3, from: ['web-1', 'cart-0'], to: ['pod:etl-0'] },
  { name: 'service', weight: 6, from: ['web-0', 'web-1', 'etl-0'], to: ['service:postgres', 'service:cart'] },
  { name: 'service', weight: 6, from: ['cart-0', 'etl-0', 'postgres-0'], to: ['service:web'] },
  { name: 'hairpin', weight: 3, from: ['web-0', 'web-1'], to: ['service:web'] },
  { name: 'hairpin', weight: 2, from: ['cart-0'], to: ['service:cart'] },
  { name: 'egress', weight: 6, from: ['web-0', 'web-1', 'etl-0', 'postgres-0'], to: ['outside'] },
  { name: 'node-port', weight: 5, from: ['outside'], to: ['nodeport:n3:cart'] },
  { name: 'node-port', weight: 3, from: ['web-0', 'web-1', 'postgres-0'], to: ['nodeport:n3:cart'] },
  { name: 'node-port-own-node', weight: 2, from: ['etl-0'], to: ['nodeport:n3:cart'] },
  { name: 'node-port-local', weight: 3, from: ['outside'], to: ['nodeport:n1:cart-edge'] },
  { name: 'two-zones', weight: 4, from: ['etl-1'], to: ['pod:postgres-0', 'pod:cart-0'] },
  { name: 'two-zones', weight: 3, from: ['web-0', 'etl-0'], to: ['pod:etl-1'] },
] as const satisfies readonly Path[];

/** Every path has a name here; a test can ask for some of them only. */
export const PATH_NAMES: readonly PathName[] = [...new Set(PATHS.map((path) => path.name))];

/** A plan of `count` connections that start within `spreadMs`. */
export function planTraffic(
  cluster: LabCluster,
  random: Random,
  options: { readonly count: number; readonly spreadMs: number; readonly paths?: readonly PathName[] },
): PlannedConnection[] {
  const paths = PATHS.filter((path) => options.paths?.includes(path.name) ?? true);
  const wheel = paths.flatMap((path) => Array.from({ length: path.weight }, () => path));
  const plan: PlannedConnection[] = [];
  for (let index = 0; index < options.count; index++) {
    const path = random.pick(wheel);
    const host = random.pick<string>(path.from);
    const target = random.pick<string>(path.to);
    const v = random.pick([0, 1] as const);
    const protocol = pickProtocol(random, target);
    plan.push({
      index,
      host,
      path: path.name,
      protocol,
      source: host === 'outside' ? random.pick(cluster.outside)[v] : podOf(cluster, host).address[v],
      ...destination(cluster, random, target, v),
      atMs: random.integer(0, options.spreadMs),
      ...exchangesOf(random, protocol),
      close: random.pick(SOURCE_HIDDEN.has(path.name) ? CLOSES_BY_CLIENT : CLOSES),
    });
  }
  return plan;
}

function pickProtocol(random: Random, target: string): ConnectionSpec['protocol'] {
  // Nobody answers an echo to a service's address.
  const echoes = target.startsWith('pod:') || target === 'outside';
  const protocol = random.pick(['tcp', 'tcp', 'tcp', 'tcp', 'tcp', 'udp', 'udp', 'udp', 'sctp', 'icmp'] as const);
  return protocol === 'icmp' && !echoes ? 'udp' : protocol;
}

function destination(
  cluster: LabCluster,
  random: Random,
  target: string,
  v: 0 | 1,
): { destination: string; port: number } {
  const [kind, first, second] = target.split(':');
  const service = (name: string) => cluster.services.find((candidate) => candidate.name === name)!;
  switch (kind) {
    case 'pod':
      return { destination: podOf(cluster, first!).address[v], port: random.pick([7001, 7002, 7003]) };
    case 'service':
      return { destination: service(first!).address[v], port: service(first!).port };
    case 'nodeport':
      return { destination: nodeOf(cluster, first!).address[v], port: service(second!).nodePort! };
    default:
      return { destination: random.pick(cluster.outside)[v], port: random.pick([443, 8443, 53]) };
  }
}

/**
 * Paths on which a node hides the initiator's address. The side that closes first remembers the connection for a minute; a
 * server would then answer another pod's SYN, which came to it from the same address and port, with an acknowledgement that
 * conntrack lets pass without counting it (TCP_CONNTRACK_IGNORE, case c, in nf_conntrack_proto_tcp.c; measured: 72 bytes on
 * both nodes). So on these paths clients close first.
 */
const SOURCE_HIDDEN: ReadonlySet<PathName> = new Set(['hairpin', 'egress', 'node-port', 'node-port-own-node']);
const CLOSES_BY_CLIENT = ['client', 'client', 'reset'] as const;
const CLOSES = [...CLOSES_BY_CLIENT, 'server'] as const;

function exchangesOf(random: Random, protocol: ConnectionSpec['protocol']): Pick<ConnectionSpec, 'exchanges'> {
  // Most connections are one exchange and gone; some go on for seconds; a few idle long enough for their entry to die
  // (UDP: the next packet then makes a new entry of the same 5-tuple).
  const rounds = random.chance(0.7) ? 1 : random.integer(2, 6);
  const idle = rounds > 1 && random.chance(0.2) ? random.integer(1, rounds - 1) : -1;
  const exchanges: Exchange[] = [];
  for (let i = 0; i < rounds; i++) {
    const pauseMs = i === 0 ? 0 : i === idle ? random.integer(3600, 4200) : random.integer(0, 500);
    exchanges.push({ ...sizes(random, protocol), pauseMs });
  }
  return { exchanges };
}

function sizes(random: Random, protocol: ConnectionSpec['protocol']): { send: number; receive: number } {
  switch (protocol) {
    case 'tcp':
      return { send: HEADER_BYTES + random.logarithmic(1, 60_000), receive: random.logarithmic(1, 200_000) };
    case 'udp':
      return {
        send: random.integer(HEADER_BYTES, 1200),
        receive: random.chance(0.2) ? 0 : random.logarithmic(1, 12_000),
      };
    case 'sctp':
      return { send: random.logarithmic(HEADER_BYTES, 5000), receive: random.logarithmic(1, 5000) };
    case 'icmp':
      return { send: random.integer(0, 1200), receive: 0 };
  }
}
