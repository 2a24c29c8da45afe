// What the rows of the last time say of nodes and of what is missing. Figures only, exact, by cluster. Knows the columns of `flows`
// and `endpoints`; knows no log, and not what of it is good or bad.
import type { DuckDBValue } from '@duckdb/node-api';
import type { QuerySession } from './session.ts';
import { literal } from './source-table.ts';

/** The rows of one node. */
export interface NodeRows {
  readonly cluster: string;
  readonly node: string;
  /** Those of the period. */
  readonly rowCount: bigint;
  /** End of the newest window that the session has of it, also where that is older than the period; ms since the Unix epoch. */
  readonly newestWindowEndMs: number;
}

/** Loss rows of one reason. */
export interface LossRows {
  readonly cluster: string;
  readonly reason: string;
  readonly rowCount: bigint;
  /** Nodes that have such rows. */
  readonly nodeCount: bigint;
  /** Connections concerned, as far as known. */
  readonly connections: bigint;
  /** Bytes of both directions, of the rows that know; null if none does. */
  readonly knownBytes: bigint | null;
  /** Rows of which nobody knows the bytes. */
  readonly unknownRowCount: bigint;
  /** Upper bound of the bytes of those rows; null if at least one has none. */
  readonly unknownBytesMax: bigint | null;
}

/** A node as aggregators that read Kubernetes recorded it. */
export interface RecordedNode {
  readonly cluster: string;
  readonly node: string;
  /** Since when an aggregator has known it, ms since the Unix epoch; undefined: it is gone. */
  readonly knownSinceMs: number | undefined;
}

/** Rows of windows that end in the period: a loss is told when it is over, of an interval that may have begun long before. */
export function rowsSince(sinceMs: number): string {
  return `SELECT * FROM flows WHERE ${endsSince(sinceMs)}`;
}

const endsSince = (sinceMs: number): string => `window_end > TIMESTAMPTZ ${literal(new Date(sinceMs).toISOString())}`;

/** Every node that has rows; ordered by name. What an aggregator says of a vanished node is not the node's. */
export async function readNodeRows(session: QuerySession, sinceMs: number): Promise<NodeRows[]> {
  const rows =
    await session.queryAll(`SELECT cluster, node, count(*) FILTER (${endsSince(sinceMs)}), epoch_ms(max(window_end))
    FROM flows WHERE loss_reason IS DISTINCT FROM 'node-vanished' GROUP BY ALL ORDER BY ALL`);
  return rows.map(([cluster, node, rowCount, newest]) => ({
    ...{ cluster: String(cluster), node: String(node) },
    rowCount: integer(rowCount),
    newestWindowEndMs: Number(integer(newest)),
  }));
}

const UNKNOWN_BYTES = 'tx_bytes IS NULL AND rx_bytes IS NULL';

/** Ordered by reason. */
export async function readLossRows(session: QuerySession, sinceMs: number): Promise<LossRows[]> {
  const rows = await session.queryAll(`SELECT cluster, coalesce(loss_reason, 'unknown'), count(*),
      count(DISTINCT node), coalesce(sum(connections), 0),
      sum(coalesce(tx_bytes, 0) + coalesce(rx_bytes, 0)) FILTER (NOT (${UNKNOWN_BYTES})),
      count(*) FILTER (${UNKNOWN_BYTES}),
      CASE WHEN count(*) FILTER (${UNKNOWN_BYTES} AND lost_bytes_max IS NULL) = 0
        THEN coalesce(sum(lost_bytes_max) FILTER (${UNKNOWN_BYTES}), 0) END
    FROM flows WHERE traffic_class = 'lost' AND ${endsSince(sinceMs)} GROUP BY 1, 2 ORDER BY 1, 2`);
  return rows.map(([cluster, reason, ...counts]) => ({
    ...{ cluster: String(cluster), reason: String(reason) },
    ...{ rowCount: integer(counts[0]), nodeCount: integer(counts[1]), connections: integer(counts[2]) },
    knownBytes: integerOrNull(counts[3]),
    unknownRowCount: integer(counts[4]),
    unknownBytesMax: integerOrNull(counts[5]),
  }));
}

/**
 * The nodes that the session has in `endpoints`. Each replica writes its own rows of a holding, so it is over when any of them says so; a
 * node exists while it holds an address.
 */
export async function readRecordedNodes(session: QuerySession): Promise<RecordedNode[]> {
  const rows = await session.queryAll(`WITH holdings AS (
      SELECT cluster, node, uid, min(heard_at) AS heard_at, count(held_to) = 0 AS is_held
      FROM endpoints WHERE kind = 'node' GROUP BY cluster, node, uid, address
    ), lives AS (
      SELECT cluster, node, min(heard_at) AS heard_at, bool_or(is_held) AS exists FROM holdings GROUP BY cluster, node, uid
    )
    SELECT cluster, node, epoch_ms(min(heard_at) FILTER (exists)) FROM lives GROUP BY ALL ORDER BY ALL`);
  return rows.map(([cluster, node, knownSince]) => {
    const ms = integerOrNull(knownSince);
    return { cluster: String(cluster), node: String(node), knownSinceMs: ms === null ? undefined : Number(ms) };
  });
}

function integer(value: DuckDBValue | undefined): bigint {
  if (typeof value === 'bigint' || typeof value === 'number') return BigInt(value);
  throw new TypeError(`an integer was expected, not ${value}`);
}

function integerOrNull(value: DuckDBValue | undefined): bigint | null {
  return value === null ? null : integer(value);
}
