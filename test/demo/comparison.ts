// Beside each other, for each pair of workloads: the payload that the traffic generator says it moved, and the bytes of the
// table, which are IP bytes. The difference is headers; the table's own packet counts say how many.
import type { LabCluster } from '../lab/cluster.ts';
import type { ConnectionResult } from '../lab/helper-process.ts';
import type { PlannedConnection } from '../lab/plan.ts';
import { sql } from '../lab/product.ts';
import { bytesText, table } from './progress.ts';

/** Payload moved between two parties, both directions together, by the label of the pair. */
export type Payloads = Map<string, number>;

/** IP and transport header of one packet. TCP carries time stamps; the first packet of each side carries 8 bytes more. */
const HEADER_BYTES: Readonly<Record<string, number>> = { 'tcp v4': 52, 'tcp v6': 72, 'udp v4': 28, 'udp v6': 48 };
const TCP_HANDSHAKE_BYTES = 2 * 8;

/** Adds what the generator moved. */
export function addPayloads(
  payloads: Payloads,
  cluster: LabCluster,
  plan: readonly PlannedConnection[],
  results: readonly ConnectionResult[],
): void {
  plan.forEach((connection, i) => {
    const { sent, received } = results[i]!;
    const pair = pairOf(cluster, connection);
    payloads.set(pair, (payloads.get(pair) ?? 0) + sent + received);
  });
}

/** "initiator → responder", as the initiator's node can know them. */
function pairOf(cluster: LabCluster, { host, destination, port }: PlannedConnection): string {
  const workload = (name: string): string => {
    const pod = cluster.pods.find((candidate) => candidate.name === name)!;
    return `${pod.namespace}/${pod.workload}`;
  };
  const initiatorNode = cluster.pods.find((pod) => pod.name === host)?.node;
  const initiator = host === 'outside' ? 'outside' : workload(host);
  const pod = cluster.pods.find((candidate) => candidate.address.includes(destination));
  if (pod !== undefined) return `${initiator} → ${workload(pod.name)}`;
  const node = cluster.nodes.find((candidate) => candidate.address.includes(destination));
  const service = cluster.services.find(
    (s) => s.address.includes(destination) || (node !== undefined && s.nodePort === port),
  );
  if (service === undefined) return `${initiator} → outside`;
  // Another node's port is all that the initiator's node sees; which pod is behind it, only that node knows.
  const hidden = node !== undefined && service.trafficPolicy === 'cluster' && node.name !== initiatorNode;
  return `${initiator} → ${hidden ? `port of node ${node.name}` : workload(service.backends[0]!)}`;
}

interface PairRow {
  readonly pair: string;
  readonly header: string;
  readonly bytes: string | number;
  readonly packets: string | number;
  readonly connections: string | number;
}

/** Rows of the initiator's side, or, where the initiator is outside, of the side that it reached. */
const PAIRS = `
  SELECT
    CASE WHEN initiator = 'local' THEN namespace || '/' || workload ELSE 'outside' END || ' → ' ||
    CASE WHEN initiator = 'local' AND peer_kind = 'pod' THEN peer_namespace || '/' || peer_workload
         WHEN initiator = 'local' AND peer_kind = 'node' THEN 'port of node ' || peer_node
         WHEN initiator = 'local' THEN 'outside'
         WHEN local_kind = 'pod' THEN namespace || '/' || workload
         ELSE 'port of node ' || node END AS pair,
    protocol || CASE WHEN contains(ip, ':') THEN ' v6' ELSE ' v4' END AS header,
    sum(tx_bytes + rx_bytes) AS bytes, sum(tx_packets + rx_packets) AS packets, sum(connections) AS connections
  FROM flows
  WHERE traffic_class NOT IN ('lost', 'encapsulation')
    AND (initiator = 'local' AND local_kind = 'pod' OR initiator = 'peer' AND peer_kind NOT IN ('pod', 'node'))
  GROUP BY ALL`;

export interface Comparison {
  /** Bytes that headers do not explain. */
  readonly restBytes: number;
  /** Pairs that only the generator or only the table knows. */
  readonly unmatched: readonly string[];
}

/** Prints the comparison, and gives what it showed. */
export async function printComparison(store: string, payloads: Payloads): Promise<Comparison> {
  const rows = await sql<PairRow>(store, PAIRS);
  const lines: string[][] = [];
  const unmatched: string[] = [];
  let restBytes = 0;
  const tablePairs = new Set(rows.map((row) => row.pair));
  for (const pair of [...new Set([...payloads.keys(), ...tablePairs])].sort()) {
    if (!payloads.has(pair) || !tablePairs.has(pair)) unmatched.push(pair);
    const payload = payloads.get(pair) ?? 0;
    let bytes = 0;
    let packets = 0;
    let headers = 0;
    for (const row of rows.filter((candidate) => candidate.pair === pair)) {
      bytes += Number(row.bytes);
      packets += Number(row.packets);
      headers += Number(row.packets) * (HEADER_BYTES[row.header] ?? Number.NaN);
      if (row.header.startsWith('tcp')) headers += Number(row.connections) * TCP_HANDSHAKE_BYTES;
    }
    const rest = bytes - payload - headers;
    restBytes += Math.abs(rest);
    lines.push([pair, bytesText(payload), bytesText(bytes), String(packets), String(headers), String(rest)]);
  }
  table(['who → whom', 'payload sent', 'in the table', 'packets', 'header bytes', 'rest'], lines);
  return { restBytes, unmatched };
}
