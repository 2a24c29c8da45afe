// The demo's traffic: in each round some large transfers, of sizes that cost money, and many small connections, most of
// them over before the next reading of conntrack. TCP and UDP, IPv4 and IPv6.
import { type LabCluster, nodeOf, podOf } from '../lab/cluster.ts';
import { type PlannedConnection, planTraffic } from '../lab/plan.ts';
import type { Random } from '../lab/random.ts';

const MB = 1_000_000;
const SMALL_CONNECTIONS = 120;
/** Small connections pause for no longer than this, so that a round is soon over. */
const PAUSE_MAX_MS = 200;

/** One large transfer of each round; bytes of payload. */
interface Transfer {
  readonly from: string;
  readonly to: (cluster: LabCluster, v: 0 | 1) => { destination: string; port: number };
  readonly send: number;
  readonly receive: number;
}

const pod = (name: string) => (cluster: LabCluster, v: 0 | 1) => ({
  destination: podOf(cluster, name).address[v],
  port: 7001,
});
const service = (name: string) => (cluster: LabCluster, v: 0 | 1) => {
  const found = cluster.services.find((candidate) => candidate.name === name)!;
  return { destination: found.address[v], port: found.port };
};
const nodePort = (node: string, name: string) => (cluster: LabCluster, v: 0 | 1) => {
  const found = cluster.services.find((candidate) => candidate.name === name)!;
  return { destination: nodeOf(cluster, node).address[v], port: found.nodePort! };
};
const outside = (cluster: LabCluster, v: 0 | 1) => ({ destination: cluster.outside[0]![v], port: 443 });

const TRANSFERS: readonly Transfer[] = [
  { from: 'web-0', to: service('postgres'), send: 20 * MB, receive: 160 * MB }, // another zone, through VXLAN
  { from: 'web-0', to: service('cart'), send: 60 * MB, receive: 60 * MB }, // the same node
  { from: 'web-1', to: service('cart'), send: 40 * MB, receive: 40 * MB }, // another zone, through VXLAN
  { from: 'etl-0', to: pod('postgres-0'), send: 5 * MB, receive: 140 * MB }, // another region
  { from: 'etl-0', to: pod('etl-1'), send: 50 * MB, receive: 10 * MB }, // the same node, two conntrack zones
  { from: 'cart-0', to: outside, send: 60 * MB, receive: 10 * MB }, // the internet, masqueraded
  { from: 'outside', to: nodePort('n3', 'cart'), send: 5 * MB, receive: 30 * MB }, // a node port, the pod elsewhere
];

/** The connections of one round. Rounds alternate between IPv4 and IPv6 for the large transfers. */
export function planRound(cluster: LabCluster, random: Random, round: number): PlannedConnection[] {
  const v = (round % 2) as 0 | 1;
  const large = TRANSFERS.map((transfer): Omit<PlannedConnection, 'index'> => {
    const addresses = transfer.from === 'outside' ? cluster.outside[0]! : podOf(cluster, transfer.from).address;
    return {
      host: transfer.from,
      path: 'service',
      protocol: 'tcp',
      source: addresses[v],
      ...transfer.to(cluster, v),
      atMs: 0,
      close: 'client',
      timeoutMs: 60_000,
      exchanges: [{ send: transfer.send, receive: transfer.receive, pauseMs: 0 }],
    };
  });
  const small = planTraffic(cluster, random, { count: SMALL_CONNECTIONS, spreadMs: 1500 })
    .filter(({ protocol }) => protocol === 'tcp' || protocol === 'udp')
    .map((connection) => ({
      ...connection,
      exchanges: connection.exchanges.map((exchange) => ({
        ...exchange,
        pauseMs: Math.min(exchange.pauseMs, PAUSE_MAX_MS),
      })),
    }));
  return [...large, ...small].map((connection, index) => ({ ...connection, index }));
}
