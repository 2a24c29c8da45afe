// What of a table a reader of some namespaces sees, as SQL: which rows, and what is left of each. Filters are applied to the view, not
// to the table, so nobody finds out by filters what they do not see. Pure; names of namespaces are parameters, never SQL text.
import type { AllowedNamespaces } from '../model/reader.ts';
import { FLOW_COLUMNS } from '../table/columns.ts';

/** Plain data, so that it can go to another thread. */
export interface RowView {
  /** Which rows are seen at all. */
  readonly where: string;
  /** For SELECT * REPLACE (…): columns as they are seen. */
  readonly replacing: string;
}

/** Says who or where exactly a peer is. What prices depend on (kind, provider, region, zone) is left of every peer. */
const NAMES_PEER: ReadonlySet<string> = new Set([
  ...['peer_cluster', 'peer_node', 'peer_namespace', 'peer_workload_kind', 'peer_workload', 'peer_pod', 'peer_name'],
  'peer_ip',
]);

/**
 * All that is left of a loss: that something is missing, when and why. Where and how much would tell of the traffic of others. The
 * namespace is null in a loss that is seen.
 */
const LEFT_OF_LOSS: ReadonlySet<string> = new Set([
  ...['window_start', 'window_end', 'cluster', 'namespace', 'loss_reason', 'traffic_class'],
]);

/** Undefined: all is seen. Adds to `parameters`. */
export function rowView(allowed: AllowedNamespaces, parameters: string[]): RowView | undefined {
  if (allowed === 'all') return undefined;
  const list = [...allowed].map((namespace) => `$${parameters.push(namespace)}`).join(', ');
  const isIn = (sql: string) => (list === '' ? 'false' : `coalesce(${sql} IN (${list}), false)`);
  // Another cluster may have a namespace of the same name.
  const isOwnPeer = `(${isIn('peer_namespace')} AND coalesce(peer_cluster = cluster, false))`;
  const isTenant = `(peer_namespace IS NOT NULL OR coalesce(peer_kind IN ('pod', 'service'), false) OR coalesce(peer_cluster <> cluster, false))`;
  const seen = (name: string): string | undefined => {
    const isThere = LEFT_OF_LOSS.has(name) ? [] : ['loss_reason IS NULL'];
    if (NAMES_PEER.has(name)) isThere.push(`(${isOwnPeer} OR NOT ${isTenant})`);
    if (name === 'service') isThere.push(isIn(`split_part(service, '/', 1)`));
    return isThere.length === 0 ? undefined : `CASE WHEN ${isThere.join(' AND ')} THEN ${name} END AS ${name}`;
  };
  return {
    where: `(${isIn('namespace')} OR (loss_reason IS NOT NULL AND namespace IS NULL))`,
    replacing: FLOW_COLUMNS.flatMap(({ name }) => seen(name) ?? []).join(', '),
  };
}
