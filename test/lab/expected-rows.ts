// What rows the table must hold for the flows that a node must have seen: which side is local, what is sent and what is
// received. The rules are those of the design ("leg"), written down once more, so that the product's are checked by others.
import { type LabCluster, nodeOf } from './cluster.ts';
import type { ExpectedFlow } from './expected.ts';

/** What identifies a row for the comparison. */
export interface RowKey {
  readonly node: string;
  readonly ip: string;
  readonly peerIp: string;
  readonly protocol: string;
  readonly port: number;
  readonly initiator: 'local' | 'peer';
}

/** Sums over all windows. Bytes are IP header and payload; tx is sent by the local side. */
export interface RowSums {
  txBytes: number;
  txPackets: number;
  rxBytes: number;
  rxPackets: number;
}

/** Text of a key; also what a failing test prints. */
export const rowId = (key: RowKey): string =>
  `${key.node}: ${key.ip} ⇄ ${key.peerIp} ${key.protocol}/${key.port} opened by ${key.initiator}`;

/** The rows of `flows`, by the text of their key. */
export function expectedRows(cluster: LabCluster, flows: readonly ExpectedFlow[]): Map<string, RowSums> {
  const rows = new Map<string, RowSums>();
  const add = (flow: ExpectedFlow, ip: string, peerIp: string, initiator: 'local' | 'peer'): void => {
    const id = rowId({ node: flow.node, ip, peerIp, protocol: flow.protocol, port: flow.port, initiator });
    const row = rows.get(id) ?? { txBytes: 0, txPackets: 0, rxBytes: 0, rxPackets: 0 };
    rows.set(id, row);
    const sent = initiator === 'local';
    row.txBytes += sent ? flow.initiatorBytes : flow.responderBytes;
    row.txPackets += sent ? flow.initiatorPackets : flow.responderPackets;
    row.rxBytes += sent ? flow.responderBytes : flow.initiatorBytes;
    row.rxPackets += sent ? flow.responderPackets : flow.initiatorPackets;
  };
  for (const flow of flows) {
    const here = addressesOn(cluster, flow.node);
    const initiator = publicPrefix(flow.initiator);
    const local = here.has(flow.initiator);
    if (local) add(flow, flow.initiator, flow.responder, 'local');
    if (here.has(flow.responder)) add(flow, flow.responder, initiator, 'peer');
    if (local || here.has(flow.responder)) continue;
    // Passed on, as for a node port: one leg to each side, and the node is the local side of both.
    const node = nodeOf(cluster, flow.node).address[flow.initiator.includes(':') ? 1 : 0];
    add(flow, node, initiator, 'peer');
    add(flow, node, flow.responder, 'local');
  }
  return rows;
}

function addressesOn(cluster: LabCluster, node: string): ReadonlySet<string> {
  const pods = cluster.pods.filter((pod) => pod.node === node);
  return new Set([...nodeOf(cluster, node).address, ...pods.flatMap((pod) => pod.address)]);
}

/** Outside initiators are kept as /24 and /48. The laboratory's outside addresses are 198.51.100/24 and the like. */
function publicPrefix(address: string): string {
  if (address.startsWith('10.') || address.startsWith('fd')) return address;
  if (!address.includes(':')) return `${address.split('.').slice(0, 3).join('.')}.0/24`;
  return `${address.split('::')[0]}::/48`;
}

/** Differences between two sets of rows, one line each, at most `limit`; empty when they are equal. */
export function rowDifferences(
  expected: ReadonlyMap<string, RowSums>,
  actual: ReadonlyMap<string, RowSums>,
  limit = 40,
): string[] {
  const lines: string[] = [];
  for (const id of new Set([...expected.keys(), ...actual.keys()])) {
    const [want, have] = [expected.get(id), actual.get(id)];
    if (want !== undefined && have !== undefined) {
      const parts = (Object.keys(want) as (keyof RowSums)[])
        .filter((measure) => want[measure] !== have[measure])
        .map(
          (measure) => `${measure} counted ${want[measure]}, table ${have[measure]} (${have[measure] - want[measure]})`,
        );
      if (parts.length > 0) lines.push(`${id}: ${parts.join('; ')}`);
    } else {
      lines.push(
        `${id}: ${want === undefined ? `only in the table: ${JSON.stringify(have)}` : `only counted: ${JSON.stringify(want)}`}`,
      );
    }
  }
  return lines.length <= limit ? lines : [...lines.slice(0, limit), `… and ${lines.length - limit} more`];
}
