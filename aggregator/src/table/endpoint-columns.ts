// The one list of the columns of `endpoints`: the Delta schema, the Parquet files, the SQL view and docs/columns.md come from it.
// Adding a column: at the end, nullable, with `isAdded`.
import type { EndpointRow } from '../model/endpoint-row.ts';
import { type AnyColumn, type Column, PARTITION_COLUMN } from './columns.ts';

type Of<T> = (row: EndpointRow) => T;

const base = (name: string, nullable: boolean, description: string, source: Column['source'] = 'enrichment') => ({
  ...{ name, nullable, description, source },
});
const text = (name: string, of: Of<string | null>, description: string): Column<EndpointRow> => ({
  ...base(name, true, description),
  ...{ type: 'text', of },
});
const requiredText = (name: string, of: Of<string>, description: string): Column<EndpointRow> => ({
  ...base(name, false, description),
  ...{ type: 'text', of },
});
const time = (name: string, nullable: boolean, of: Of<number | null>, description: string): Column<EndpointRow> => ({
  ...base(name, nullable, description),
  ...{ type: 'timestamp', of },
});

/** Columns of the data files, in order. */
export const ENDPOINT_COLUMNS: readonly Column<EndpointRow>[] = [
  { ...base('cluster', false, 'The cluster.', 'configuration'), type: 'text', of: (row) => row.cluster },
  requiredText('address', (row) => row.address, 'The address.'),
  requiredText('kind', (row) => row.kind, 'What held it: pod or node.'),
  requiredText(
    'uid',
    (row) => row.uid,
    'Uid of the Kubernetes object. Rows of one address and uid are one holding, but those heard of after one had ended.',
  ),
  time('held_from', false, (row) => row.fromUs, 'From when on it held the address; may be earlier than truth.'),
  time(
    'held_to',
    true,
    (row) => row.toUs,
    'Until when, or the latest that it can have been; null: when recorded, it still did.',
  ),
  time('sure_until', true, (row) => row.sureUntilUs, 'Until when it held it for certain; null if nobody knows.'),
  time('heard_at', false, (row) => row.heardUs, 'When the aggregator first heard of the holding.'),
  time('recorded_at', false, (row) => row.recordedUs, 'When the row was made.'),
  text('namespace', (row) => row.namespace, 'Namespace of the pod.'),
  text('pod', (row) => row.pod, 'Name of the pod.'),
  text('workload_kind', (row) => row.workloadKind, 'Kind of the pod’s owner.'),
  text('workload', (row) => row.workload, 'Name of the pod’s owner.'),
  requiredText('node', (row) => row.node, 'The node, or the node of the pod.'),
  text('provider', (row) => row.provider, 'Cloud provider of the node.'),
  text('region', (row) => row.region, 'Cloud region of the node.'),
  text('zone', (row) => row.zone, 'Availability zone of the node.'),
  {
    ...base('labels', true, 'The configured labels of the pod and its namespace.'),
    ...{ type: 'map', of: (row) => row.labels },
  },
  {
    ...text(
      'zone_id',
      (row) => row.zoneId,
      'Id of the node’s zone, the same in all accounts, where the provider has such.',
    ),
    isAdded: true,
  },
];

/** All columns that a query sees; `date` is that of `recorded_at`. */
export const ENDPOINT_TABLE_COLUMNS: readonly AnyColumn[] = [...ENDPOINT_COLUMNS, PARTITION_COLUMN];

/** Rows inside a file are sorted by these. */
export const ENDPOINT_SORT_COLUMNS: readonly string[] = ['address', 'recorded_at'];

/** Key of the table's root, beside `flows`. */
export function endpointTableRoot(flowsRoot: string): string {
  return flowsRoot.replace(/[^/]+$/, 'endpoints');
}
