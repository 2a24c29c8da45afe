// The one list of the columns of `flows`. The Delta schema, the Parquet files, the SQL view and docs/columns.md all come from
// it, in this order. Adding a column: at the end, nullable. Knows the domain row; knows no file format.
import type { FlowRow } from '../model/flow-row.ts';

interface ColumnBase {
  /** Name in the table. */
  readonly name: string;
  readonly nullable: boolean;
  /** Unit of the values, where they have one. */
  readonly unit?: string;
  /** What a value means; one sentence or two, for the documented column table. */
  readonly description: string;
  /** Which step fills it. */
  readonly source: ColumnSource;
  /** There were tables before it was: it is added to those, and null in files that lack it. */
  readonly isAdded?: boolean;
}

/** Steps that fill a row. */
export type ColumnSource = 'agent' | 'enrichment' | 'classification' | 'pricing' | 'configuration' | 'table';

/** Text of few distinct values per file: stored with a dictionary. */
export interface TextColumn<Row = FlowRow> extends ColumnBase {
  readonly type: 'text';
  of(row: Row): string | null;
}
/** Text to text; `of` gives it as the text of a JSON object. */
export interface MapColumn<Row = FlowRow> extends ColumnBase {
  readonly type: 'map';
  of(row: Row): string | null;
}
/** Instant; `of` gives µs since the Unix epoch, UTC. */
export interface TimestampColumn<Row = FlowRow> extends ColumnBase {
  readonly type: 'timestamp';
  of(row: Row): number | null;
}
/** Integer of 64 bits in files, exact to 2^53 - 1 in memory, not negative. */
export interface LongColumn<Row = FlowRow> extends ColumnBase {
  readonly type: 'long';
  of(row: Row): number | null;
}
/** Integer of 32 bits, not negative. */
export interface IntegerColumn<Row = FlowRow> extends ColumnBase {
  readonly type: 'integer';
  of(row: Row): number | null;
}
/** DECIMAL(18,12); `of` gives the integer count of 1e-12. */
export interface DecimalColumn<Row = FlowRow> extends ColumnBase {
  readonly type: 'decimal';
  of(row: Row): bigint | null;
}

/** A column that is stored in the data files. */
export type Column<Row = FlowRow> =
  | TextColumn<Row>
  | MapColumn<Row>
  | TimestampColumn<Row>
  | LongColumn<Row>
  | IntegerColumn<Row>
  | DecimalColumn<Row>;

/** A column of rows of any kind: for what looks at names and types only. */
export type ColumnOfAny = Column<never>;

/** Digits after the point of a decimal column. */
export const DECIMAL_SCALE = 12;
/** Digits of a decimal column. */
export const DECIMAL_PRECISION = 18;

const PACKETS = 'packets';
/** As conntrack counts: IP header and payload, without link-layer headers. */
const BYTES = 'bytes (IP header and payload)';

type Of<T> = (row: FlowRow) => T;

const text = (name: string, source: ColumnSource, of: Of<string | null>, description: string): TextColumn => ({
  name,
  type: 'text',
  nullable: true,
  source,
  of,
  description,
});
const requiredText = (name: string, source: ColumnSource, of: Of<string>, description: string): TextColumn => ({
  name,
  type: 'text',
  nullable: false,
  source,
  of,
  description,
});
const map = (name: string, source: ColumnSource, of: Of<string | null>, description: string): MapColumn => ({
  name,
  type: 'map',
  nullable: true,
  source,
  of,
  description,
});
const timestamp = (name: string, source: ColumnSource, of: Of<number>, description: string): TimestampColumn => ({
  name,
  type: 'timestamp',
  nullable: false,
  source,
  of,
  description,
});
const integer = (name: string, source: ColumnSource, of: Of<number | null>, description: string): IntegerColumn => ({
  name,
  type: 'integer',
  nullable: true,
  source,
  of,
  description,
});
const decimal = (name: string, source: ColumnSource, of: Of<bigint | null>, description: string): DecimalColumn => ({
  name,
  type: 'decimal',
  nullable: true,
  source,
  of,
  description,
  unit: 'USD',
});
const long = (
  name: string,
  source: ColumnSource,
  of: Of<number | null>,
  description: string,
  unit: string,
): LongColumn => ({ name, type: 'long', nullable: true, source, of, description, unit });

/** Columns of the data files, in order. */
export const FLOW_COLUMNS: readonly Column[] = [
  // When.
  timestamp(
    'window_start',
    'agent',
    (row) => row.windowStartUs,
    'First instant of the window, inclusive, by the reporting node’s clock.',
  ),
  timestamp('window_end', 'agent', (row) => row.windowEndUs, 'Last instant of the window, exclusive.'),
  // The local side: it lives on the reporting node, and pays.
  requiredText('cluster', 'configuration', (row) => row.cluster, 'Cluster of the reporting node.'),
  text('provider', 'enrichment', (row) => row.provider, 'Cloud provider of the local side: aws, gcp, azure, …'),
  text('region', 'enrichment', (row) => row.region, 'Cloud region of the local side.'),
  text('zone', 'enrichment', (row) => row.zone, 'Availability zone of the local side.'),
  requiredText('node', 'agent', (row) => row.node, 'The reporting node.'),
  text('local_kind', 'enrichment', (row) => row.localKind, 'What the local side is: pod or node. Null in loss rows.'),
  text('namespace', 'enrichment', (row) => row.namespace, 'Namespace of the local pod.'),
  text(
    'workload_kind',
    'enrichment',
    (row) => row.workloadKind,
    'Kind of the local pod’s owner: Deployment, StatefulSet, DaemonSet, Job, …',
  ),
  text('workload', 'enrichment', (row) => row.workload, 'Name of the local pod’s owner.'),
  text('pod', 'enrichment', (row) => row.pod, 'Name of the local pod.'),
  map('labels', 'enrichment', (row) => row.labels, 'The configured labels of the local pod.'),
  text(
    'ip',
    'agent',
    (row) => row.ip,
    'Address of the local side; a prefix such as 10.1.2.0/24 where addresses were folded.',
  ),
  // The peer side.
  text(
    'peer_kind',
    'enrichment',
    (row) => row.peerKind,
    'What the peer is: pod, node, service, provider-service, private, internet or unknown. Null in loss rows.',
  ),
  text('peer_cluster', 'enrichment', (row) => row.peerCluster, 'Cluster of the peer, where known.'),
  text(
    'peer_provider',
    'enrichment',
    (row) => row.peerProvider,
    'Cloud provider of the peer; of an address outside where the address ranges of providers say it.',
  ),
  text(
    'peer_region',
    'enrichment',
    (row) => row.peerRegion,
    'Cloud region of the peer. Null of an address outside that belongs to no region, or of which nobody says to which.',
  ),
  text('peer_zone', 'enrichment', (row) => row.peerZone, 'Availability zone of the peer.'),
  text('peer_node', 'enrichment', (row) => row.peerNode, 'Node of the peer.'),
  text('peer_namespace', 'enrichment', (row) => row.peerNamespace, 'Namespace of the peer.'),
  text(
    'peer_workload_kind',
    'enrichment',
    (row) => row.peerWorkloadKind,
    'Kind of the peer pod’s owner; of a provider’s service the provider’s word for it (S3, Storage), which its price goes by.',
  ),
  text('peer_workload', 'enrichment', (row) => row.peerWorkload, 'Name of the peer pod’s owner.'),
  text('peer_pod', 'enrichment', (row) => row.peerPod, 'Name of the peer pod.'),
  text(
    'peer_name',
    'enrichment',
    (row) => row.peerName,
    'Name of a peer that is no pod: a service, an address that the topology file or the pricing configuration names, or else a provider’s service in the provider’s word (S3, Storage).',
  ),
  text(
    'peer_ip',
    'agent',
    (row) => row.peerIp,
    'Address of the peer; a prefix such as 203.0.113.0/24 where addresses were folded.',
  ),
  // The flow.
  text(
    'protocol',
    'agent',
    (row) => row.protocol,
    'IP protocol, its IANA name in lower case: tcp, udp, sctp, icmp, ipv6-icmp, … Null in loss rows.',
  ),
  integer(
    'port',
    'agent',
    (row) => row.port,
    'The responder’s port after translation; 0 where the protocol has none, or ports were folded.',
  ),
  text(
    'service',
    'enrichment',
    (row) => row.service,
    'The service through which the responder was reached, namespace/name; null if it was reached directly.',
  ),
  text('initiator', 'agent', (row) => row.initiator, 'Which side opened the connection: local or peer.'),
  text(
    'resolution',
    'enrichment',
    (row) => row.resolution,
    'How sure the names of the row are: exact, ambiguous, stale, folded or none.',
  ),
  // Measures.
  long(
    'tx_bytes',
    'agent',
    (row) => row.txBytes,
    'Sent by the local side in the window. In loss rows what was lost, both directions together; null if unknown.',
    BYTES,
  ),
  long(
    'tx_packets',
    'agent',
    (row) => row.txPackets,
    'Sent by the local side in the window. Null only in loss rows.',
    PACKETS,
  ),
  long(
    'rx_bytes',
    'agent',
    (row) => row.rxBytes,
    'Received by the local side in the window. Null in loss rows, and only there.',
    BYTES,
  ),
  long(
    'rx_packets',
    'agent',
    (row) => row.rxPackets,
    'Received by the local side in the window. Null only in loss rows.',
    PACKETS,
  ),
  long(
    'connections',
    'agent',
    (row) => row.connections,
    'Conntrack entries first accounted in the window; in loss rows the entries concerned, null if unknown.',
    'connections',
  ),
  text(
    'loss_reason',
    'agent',
    (row) => row.lossReason,
    'Why traffic is missing: events-dropped, vanished, no-counters, undecodable, … Null except in loss rows.',
  ),
  long(
    'lost_bytes_max',
    'agent',
    (row) => row.lostBytesMax,
    'Upper bound of the bytes lost, both directions together, where one is known. Null except in loss rows.',
    BYTES,
  ),
  // The price.
  requiredText(
    'traffic_class',
    'classification',
    (row) => row.trafficClass,
    'Where the two sides are to each other: same-node, same-zone, cross-zone, cross-region, internet, … ' +
      'encapsulation (a tunnel; what it carries is counted in its own rows), unknown, or lost (a loss row).',
  ),
  text(
    'path',
    'classification',
    (row) => row.path,
    'What lies between the two sides: nat-gateway, load-balancer, gateway-endpoint, … or null.',
  ),
  decimal(
    'tx_cost',
    'pricing',
    (row) => row.txCost,
    'What the provider bills the local side for `tx_bytes`; null if there is no rate.',
  ),
  decimal(
    'rx_cost',
    'pricing',
    (row) => row.rxCost,
    'What the provider bills the local side for `rx_bytes`; null if there is no rate.',
  ),
  decimal(
    'processing_cost',
    'pricing',
    (row) => row.processingCost,
    'What the provider bills per byte for what lies on the path (`path`); null if there is no rate.',
  ),
  text('price_book', 'pricing', (row) => row.priceBook, 'The price book used, with its date.'),
  text(
    'price_basis',
    'pricing',
    (row) => row.priceBasis,
    'How sure the cost is: exact (a sourced list or private rate), estimated (something was assumed), ' +
      'disputed (sources disagree) or none (no rate).',
  ),
  {
    ...text(
      'direction_basis',
      'agent',
      (row) => row.directionBasis,
      'How the two directions are told apart: null, each is counted; merged, the source counts both in one sum, which ' +
        'stands in tx_bytes, tx_packets and tx_cost, and rx_bytes, rx_packets and rx_cost are zero.',
    ),
    isAdded: true,
  },
];

/** Columns that are the same in all rows with the same `localKey` and the same `peerKey` (FlowRow). */
export const LOCAL_COLUMNS: ReadonlySet<string> = new Set([
  ...['local_kind', 'namespace', 'workload_kind', 'workload', 'pod', 'labels', 'ip'],
]);
export const PEER_COLUMNS: ReadonlySet<string> = new Set([
  ...['peer_kind', 'peer_cluster', 'peer_provider', 'peer_region', 'peer_zone', 'peer_node', 'peer_namespace'],
  ...['peer_workload_kind', 'peer_workload', 'peer_pod', 'peer_name', 'peer_ip'],
]);

/** What the roll-up leaves out: the few columns that make the many rows. */
const NOT_ROLLED_UP: ReadonlySet<string> = new Set(['node', 'pod', 'ip', 'peer_node', 'peer_pod', 'peer_ip']);

/** Columns of the data files of `costs_hourly`, in order; `window_start` and `window_end` are the hour's. */
export const COST_COLUMNS: readonly Column[] = FLOW_COLUMNS.filter(({ name }) => !NOT_ROLLED_UP.has(name));

/** The partition column. It is not in the data files: the log and the file’s path hold it. */
export const PARTITION_COLUMN = {
  name: 'date',
  type: 'date',
  nullable: false,
  description: 'Day of `window_start`, UTC. The partition column: filter on it to read less.',
  source: 'table',
} as const;

/** A column of the data files, or the one that partitions them. */
export type AnyColumn = ColumnOfAny | typeof PARTITION_COLUMN;

/** Rows inside a file are sorted by these, in this order, nulls first: row groups then prune on them. */
export const SORT_COLUMNS: readonly string[] = [
  'namespace',
  'workload',
  'peer_namespace',
  'peer_workload',
  'window_start',
];
