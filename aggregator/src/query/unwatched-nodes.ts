// Nodes that rows name as a peer's and that no agent spoke for: read from rows alone, whatever Kubernetes says. A node whose pods talk to
// no watched node is in no row, and so is not found.
import type { QuerySession } from './session.ts';

export interface UnwatchedNode {
  readonly cluster: string;
  readonly node: string;
}

/** Its own rows may come as much later as those that name it; what is younger proves nothing. */
const PATIENCE = "INTERVAL '10 minutes'";

/** @param rows a statement that gives rows of `flows` */
export async function unwatchedNodes(session: QuerySession, rows: string): Promise<UnwatchedNode[]> {
  // A loss of a vanished node is what the aggregator says of it. Rows are read three times, a few columns each, and are never all in memory:
  // neither kept for the next time, nor as what is looked up.
  const found = await session.queryAll(`WITH seen AS NOT MATERIALIZED (
      SELECT cluster, node, peer_node, peer_cluster, window_end, loss_reason FROM (${rows})
    )
    SELECT DISTINCT cluster, peer_node FROM seen
    WHERE peer_node IS NOT NULL AND peer_cluster = cluster
      AND window_end <= (SELECT max(window_end) FROM seen WHERE loss_reason IS NULL) - ${PATIENCE}
    EXCEPT SELECT DISTINCT cluster, node FROM seen WHERE loss_reason IS DISTINCT FROM 'node-vanished'
    ORDER BY ALL`);
  return found.map(([cluster, node]) => ({ cluster: String(cluster), node: String(node) }));
}
