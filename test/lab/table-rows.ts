// The table of a run, summed as the expectations are.
import { type RowKey, type RowSums, rowId } from './expected-rows.ts';
import { type StorePlace, sql } from './product.ts';

interface SqlRow {
  readonly node: string;
  readonly ip: string;
  readonly peer_ip: string;
  readonly protocol: string;
  readonly port: number;
  readonly initiator: RowKey['initiator'];
  readonly tx_bytes: string | number;
  readonly tx_packets: string | number;
  readonly rx_bytes: string | number;
  readonly rx_packets: string | number;
}

/** Sums of the table's rows by what identifies them; loss rows left out. */
export async function tableRows(place: string | StorePlace): Promise<Map<string, RowSums>> {
  const rows = await sql<SqlRow>(
    place,
    `SELECT node, ip, peer_ip, protocol, port, initiator, sum(tx_bytes) AS tx_bytes, sum(tx_packets) AS tx_packets,
       sum(rx_bytes) AS rx_bytes, sum(rx_packets) AS rx_packets
     FROM flows WHERE traffic_class <> 'lost' GROUP BY ALL`,
  );
  return new Map(
    rows.map((row) => [
      rowId({ ...row, peerIp: row.peer_ip, port: Number(row.port) }),
      {
        txBytes: Number(row.tx_bytes),
        txPackets: Number(row.tx_packets),
        rxBytes: Number(row.rx_bytes),
        rxPackets: Number(row.rx_packets),
      },
    ]),
  );
}

/** Loss rows by node and reason; `bytes` is null where nobody knows. */
export const losses = (place: string | StorePlace): Promise<unknown[]> =>
  sql(
    place,
    `SELECT node, loss_reason, sum(tx_bytes) + sum(rx_bytes) AS bytes FROM flows
     WHERE traffic_class = 'lost' GROUP BY ALL ORDER BY ALL`,
  );
