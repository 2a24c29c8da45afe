// Every metric of the aggregator: the one list that /metrics and docs/metrics.md are made of.
import { type Histogram, LABEL_SEPARATOR, type Metric, PROCESS_METRICS } from '@flowtoll/proto/telemetry';
import { TLS_METRICS, type TlsMetricsSource } from '@flowtoll/proto/tls';
import type { FlowServer } from '../api/flow-service.ts';
import type { ReaderGateCounters } from '../identity/readers/reader-gate.ts';
import type { ResourceStatus } from '../kubernetes/resource-status.ts';
import type { FollowerCounts } from '../other-clusters-follower.ts';
import type { Pipeline } from '../pipeline.ts';
import type { IpRangesCounts } from '../ranges/open-ip-ranges.ts';
import type { SeriesSet } from '../series/set.ts';
import { lagOf, type SinkCounts } from '../sinks/counts.ts';
import type { ClusterIndexCounts } from '../topology/cluster/cluster-index.ts';
import type { LateNamesCounts } from '../topology/cluster/late-names.ts';
import type { OtherClustersCounts } from '../topology/others/other-clusters.ts';
import type { ConnectionCounters } from '../transport/connection-guard.ts';
import type { NodesSeen } from '../unwatched-watch.ts';
import type { UpkeepCounts } from '../upkeep-loop.ts';

/** What the metrics are read from. */
export interface AggregatorMetricsSource extends TlsMetricsSource {
  readonly pipeline: Pick<Pipeline, 'counters' | 'held' | 'failingSinceMs' | 'ingest'>;
  readonly table: { readonly version: number };
  readonly flows: Pick<FlowServer, 'counters' | 'watchers'>;
  /** Undefined where nobody is asked who they are. */
  readonly readers: Readonly<ReaderGateCounters> | undefined;
  /** Undefined where readers have no port of their own. */
  readonly readConnections: ConnectionCounters | undefined;
  readonly series: readonly Pick<SeriesSet, 'config' | 'size' | 'overflows'>[];
  readonly histograms: AggregatorHistograms;
  readonly checkpoints: CheckpointCounts;
  /** Undefined where this process does no upkeep. */
  readonly upkeep: UpkeepCounts | undefined;
  /** Undefined where names come from a file. */
  readonly names: NamesCounts | undefined;
  /** Undefined where addresses of other clusters are not asked for. */
  readonly others: OthersCounts | undefined;
  /** Undefined where there are no documents of address ranges. */
  readonly ranges: IpRangesCounts | undefined;
  /** One for each sink; none where nothing is sent anywhere. */
  readonly sinks: readonly SinkCounts[];
  /** Milliseconds since the Unix epoch. */
  readonly nowMs: number;
  readonly version: string;
}

/** What is known of the cluster, and how commits waited for it. */
export interface NamesCounts {
  /** The table `endpoints`; undefined where it is not written. */
  readonly endpoints?:
    | { readonly rows: number; readonly failures: number; readonly loaded: number; readonly leftOut: number }
    | undefined;
  readonly index: ClusterIndexCounts;
  readonly waits: Readonly<LateNamesCounts>;
  /** How reading each resource of Kubernetes goes. */
  readonly resources: readonly ResourceStatus[];
  /** Undefined while nobody can know. */
  readonly nodes: NodesSeen | undefined;
}

/** What is known of other clusters. */
export interface OthersCounts extends OtherClustersCounts, FollowerCounts {}

/** Checkpoints of the table's log, of this process. */
export interface CheckpointCounts {
  readonly written: number;
  readonly failed: number;
}

/** What has to be observed as it happens. In seconds. */
export interface AggregatorHistograms {
  readonly commitDuration: Histogram;
  readonly acknowledgementLag: Histogram;
  /** Absolute. */
  readonly clockOffset: Histogram;
}

type AggregatorMetric = Metric<AggregatorMetricsSource>;

const ingest: readonly AggregatorMetric[] = [
  {
    name: 'flowtoll_streams',
    type: 'gauge',
    unit: 'streams',
    help: 'Agents that are connected now.',
    read: ({ pipeline }) => pipeline.ingest.streams.open,
  },
  {
    name: 'flowtoll_streams_waiting',
    type: 'gauge',
    unit: 'streams',
    help: 'Agents that are connected and have batches waiting for a commit.',
    read: ({ pipeline }) => pipeline.ingest.streams.waiting,
  },
  {
    name: 'flowtoll_streams_opened_total',
    type: 'counter',
    unit: 'streams',
    help: 'Streams that agents opened.',
    read: ({ pipeline }) => pipeline.ingest.counters.streamsOpened,
  },
  {
    name: 'flowtoll_streams_superseded_total',
    type: 'counter',
    unit: 'streams',
    help: 'Streams that ended because the agent had come back on another one.',
    read: ({ pipeline }) => pipeline.ingest.counters.superseded,
  },
  {
    name: 'flowtoll_streams_broken_total',
    type: 'counter',
    unit: 'streams',
    help: 'Streams that broke off: agent or connection gone, or a message too large for gRPC itself.',
    read: ({ pipeline }) => pipeline.ingest.counters.brokenOff,
  },
  {
    name: 'flowtoll_batches_taken_total',
    type: 'counter',
    unit: 'batches',
    help: 'Batches that were valid and new here.',
    read: ({ pipeline }) => pipeline.ingest.counters.batches,
  },
  {
    name: 'flowtoll_flows_taken_total',
    type: 'counter',
    unit: 'flows',
    help: 'Flows in these batches.',
    read: ({ pipeline }) => pipeline.ingest.counters.flows,
  },
  {
    name: 'flowtoll_batches_received_bytes_total',
    type: 'counter',
    unit: 'bytes',
    help: 'These batches as they were sent, compressed.',
    read: ({ pipeline }) => pipeline.ingest.counters.wireBytes,
  },
  {
    name: 'flowtoll_batches_repeated_total',
    type: 'counter',
    unit: 'batches',
    help: 'Batches that came again while their first copy waited here or was in the table.',
    read: ({ pipeline }) => pipeline.ingest.counters.duplicates,
  },
  {
    name: 'flowtoll_messages_rejected_total',
    type: 'counter',
    unit: 'messages',
    help: 'Messages that were not taken. Agents send the flows of such a batch again as a loss.',
    label: 'reason',
    read: ({ pipeline }) => pipeline.ingest.counters.rejected,
  },
  {
    name: 'flowtoll_agents_refused_total',
    type: 'counter',
    unit: 'streams',
    help: 'Streams that were refused, or had to end, because of who opened them. See docs/security.md for the reasons, and the log.',
    label: 'reason',
    read: ({ pipeline }) => pipeline.ingest.counters.refused,
  },
  {
    name: 'flowtoll_streams_over_window_total',
    type: 'counter',
    unit: 'batches',
    help: 'Batches after which a stream was not read for a while, because it had brought more than it may before an acknowledgement.',
    read: ({ pipeline }) => pipeline.ingest.counters.overWindow,
  },
  {
    name: 'flowtoll_connections',
    type: 'gauge',
    unit: 'connections',
    help: 'Connections to the port of agents that are open now.',
    read: ({ pipeline }) => pipeline.ingest.connections.open,
  },
  {
    name: 'flowtoll_connections_unproven',
    type: 'gauge',
    unit: 'connections',
    help: 'Of these, those on which nobody who is known has called yet.',
    read: ({ pipeline }) => pipeline.ingest.connections.unproven,
  },
  {
    name: 'flowtoll_connections_closed_total',
    type: 'counter',
    unit: 'connections',
    help: 'Connections that we closed: nobody known had called in time (slow), they gave way to others (crowded), no room at all (full).',
    label: 'reason',
    read: ({ pipeline }) => ({ ...pipeline.ingest.connections.closed }),
  },
  {
    name: 'flowtoll_agent_clock_offset_seconds',
    type: 'histogram',
    unit: 'seconds',
    help: 'How far the clocks of agents were from ours at their Hello, either way; includes the time to connect.',
    read: ({ histograms }) => histograms.clockOffset,
  },
  {
    name: 'flowtoll_agent_clock_offsets_large_total',
    type: 'counter',
    unit: 'streams',
    help: 'Hellos of agents whose clocks are off by 10 s or more.',
    read: ({ pipeline }) => pipeline.ingest.counters.largeClockOffsets,
  },
  {
    name: 'flowtoll_batches_moved_total',
    type: 'counter',
    unit: 'batches',
    help: 'Batches whose times were moved by 2 s or more, because the clock of their agent was off.',
    read: ({ pipeline }) => pipeline.ingest.counters.movedBatches,
  },
];

const commits: readonly AggregatorMetric[] = [
  {
    name: 'flowtoll_held_batches',
    type: 'gauge',
    unit: 'batches',
    help: 'Batches in memory that wait for their commit, or for its end.',
    read: ({ pipeline }) => pipeline.held.batches,
  },
  {
    name: 'flowtoll_held_bytes',
    type: 'gauge',
    unit: 'bytes',
    help: 'What these batches take in memory. At --held-bytes agents have to wait.',
    read: ({ pipeline }) => pipeline.held.bytes,
  },
  {
    name: 'flowtoll_streams_held_back',
    type: 'gauge',
    unit: 'streams',
    help: 'Messages of agents that wait for room, one a stream.',
    read: ({ pipeline }) => pipeline.held.heldBack,
  },
  {
    name: 'flowtoll_commits_total',
    type: 'counter',
    unit: 'commits',
    help: 'Commits that succeeded.',
    read: ({ pipeline }) => pipeline.counters.commits,
  },
  {
    name: 'flowtoll_commits_failed_total',
    type: 'counter',
    unit: 'commits',
    help: 'Commits that failed. Their batches are kept and tried again.',
    read: ({ pipeline }) => pipeline.counters.failedCommits,
  },
  {
    name: 'flowtoll_commits_failing_seconds',
    type: 'gauge',
    unit: 'seconds',
    help: 'For how long every commit has failed; 0 when the last one succeeded.',
    read: ({ pipeline, nowMs }) => secondsSince(pipeline.failingSinceMs, nowMs),
  },
  {
    name: 'flowtoll_commit_duration_seconds',
    type: 'histogram',
    unit: 'seconds',
    help: 'From the first row of a commit to its entry in the log, failed ones too.',
    read: ({ histograms }) => histograms.commitDuration,
  },
  {
    name: 'flowtoll_acknowledgement_lag_seconds',
    type: 'histogram',
    unit: 'seconds',
    help: 'From the end of a batch’s window to its acknowledgement.',
    read: ({ histograms }) => histograms.acknowledgementLag,
  },
  {
    name: 'flowtoll_table_version',
    type: 'gauge',
    unit: 'version',
    help: 'Version of the table that this process read or wrote last.',
    read: ({ table }) => table.version,
  },
  {
    name: 'flowtoll_checkpoints_total',
    type: 'counter',
    unit: 'checkpoints',
    help: 'Checkpoints of the table’s log that this process wrote, or could not write. Without them replicas start slowly.',
    label: 'result',
    read: ({ checkpoints }) => ({ ...checkpoints }),
  },
  {
    name: 'flowtoll_upkeep_rounds_total',
    type: 'counter',
    unit: 'rounds',
    help: 'Rounds of upkeep (roll-up, compaction, clean-up) of this process. Failed ones are tried again; see the log.',
    label: 'result',
    read: ({ upkeep }) => upkeep && { ...upkeep.rounds },
  },
  {
    name: 'flowtoll_upkeep_steps_total',
    type: 'counter',
    unit: 'versions, files, entries',
    help: 'What they took, by step.',
    label: 'step',
    read: ({ upkeep }) => upkeep?.steps,
  },
  {
    name: 'flowtoll_upkeep_steps_failed_total',
    type: 'counter',
    unit: 'steps',
    help: 'Steps of upkeep that could not be done, while the others of their round were. A step that fails again and again needs somebody.',
    label: 'step',
    read: ({ upkeep }) => upkeep?.failures,
  },
  {
    name: 'flowtoll_batches_duplicate_total',
    type: 'counter',
    unit: 'batches',
    help: 'Batches that were in the table already when their commit came: another replica had them, too.',
    read: ({ pipeline }) => pipeline.counters.duplicates,
  },
  {
    name: 'flowtoll_batches_refused_total',
    type: 'counter',
    unit: 'batches',
    help: 'Batches that follow one which the table does not hold. Agents send them again.',
    read: ({ pipeline }) => pipeline.counters.refused,
  },
  {
    name: 'flowtoll_batches_lost_total',
    type: 'counter',
    unit: 'batches',
    help: 'Batches of which no rows could be made: a defect. Their bytes are in the table as a loss.',
    read: ({ pipeline }) => pipeline.counters.lostBatches,
  },
  {
    name: 'flowtoll_epochs_vanished_total',
    type: 'counter',
    unit: 'epochs',
    help: 'Nodes that this process gave up after --vanished-after; each is a loss of unknown bytes in the table.',
    read: ({ pipeline }) => pipeline.counters.vanishedEpochs,
  },
];

const rows: readonly AggregatorMetric[] = [
  {
    name: 'flowtoll_rows_total',
    type: 'counter',
    unit: 'rows',
    help: 'Rows that this process committed. Class unknown: nobody could tell where the two sides are.',
    label: 'traffic_class',
    read: ({ pipeline }) => pipeline.counters.rowsByClass,
  },
  {
    name: 'flowtoll_rows_unpriced_total',
    type: 'counter',
    unit: 'rows',
    help: 'Rows with bytes and without a price.',
    label: 'traffic_class',
    read: ({ pipeline }) => pipeline.counters.unpricedRowsByClass,
  },
  {
    name: 'flowtoll_price_overflows_total',
    type: 'counter',
    unit: 'rows',
    help: 'Rows whose cost does not fit its column; they have bytes and no cost.',
    read: ({ pipeline }) => pipeline.counters.priceOverflows,
  },
  {
    name: 'flowtoll_build_info',
    type: 'gauge',
    unit: '1',
    help: 'The version that runs.',
    label: 'version',
    read: ({ version }) => ({ [version]: 1 }),
  },
];

const kubernetes: readonly AggregatorMetric[] = [
  {
    name: 'flowtoll_kubernetes_up',
    type: 'gauge',
    unit: '1',
    help: '1 while the API server tells of this resource, 0 from the first try that failed until one succeeds. 0 for minutes: see the log; names go on from what is known.',
    label: 'resource',
    read: ({ names }) =>
      names &&
      byResource(names, ({ heardMs, failingSinceMs }) => (heardMs !== null && failingSinceMs === null ? 1 : 0)),
  },
  {
    name: 'flowtoll_kubernetes_age_seconds',
    type: 'gauge',
    unit: 'seconds',
    help: 'Age of what is known: all that happened before has been told. Up to about 60 between bookmarks of a sound watch; beyond 120 names are stale. Absent until everything has been listed once.',
    label: 'resource',
    read: ({ names, nowMs }) => names && byResource(names, ({ toldMs }) => agoSeconds(toldMs, nowMs)),
  },
  {
    name: 'flowtoll_kubernetes_unchanged_seconds',
    type: 'gauge',
    unit: 'seconds',
    help: 'For how long no object of this resource has come, changed or gone. Absent where none ever has.',
    label: 'resource',
    read: ({ names, nowMs }) => names && byResource(names, ({ changedMs }) => agoSeconds(changedMs, nowMs)),
  },
  {
    name: 'flowtoll_kubernetes_lists_total',
    type: 'counter',
    unit: 'lists',
    help: 'Lists begun; all after the first because a watch could not go on.',
    label: 'resource',
    read: ({ names }) => names && byResource(names, ({ lists }) => lists),
  },
  {
    name: 'flowtoll_kubernetes_failures_total',
    type: 'counter',
    unit: 'tries',
    help: 'Requests that failed, of all resources. They are tried again. A few of cut, gone and silent are usual.',
    label: 'reason',
    read: ({ names }) => {
      if (names === undefined) return undefined;
      const counts = new Map<string, number>();
      for (const { failures } of names.resources) {
        for (const [reason, count] of failures) counts.set(reason, (counts.get(reason) ?? 0) + count);
      }
      return counts;
    },
  },
  {
    name: 'flowtoll_kubernetes_objects_skipped_total',
    type: 'counter',
    unit: 'objects',
    help: 'Objects and events that were skipped: too large (the log says which), or without what every object has. They stay as they were known, or unknown; nothing else of their resource is lost.',
    label: 'reason',
    read: ({ names }) =>
      names && {
        'too-large': sum(names.resources, ({ largeObjects }) => largeObjects),
        malformed: sum(names.resources, ({ malformedObjects }) => malformedObjects),
      },
  },
];

const names: readonly AggregatorMetric[] = [
  {
    name: 'flowtoll_nodes',
    type: 'gauge',
    unit: 'nodes',
    help: 'Nodes that Kubernetes lists. Absent where flowtoll_nodes_unwatched is.',
    read: ({ names }) => names?.nodes?.listed,
  },
  {
    name: 'flowtoll_nodes_unwatched',
    type: 'gauge',
    unit: 'nodes',
    help: 'Those that no agent speaks for: older than --unwatched-after, and for as long no commit of any replica and no stream here was of them; their names are in the log. Every replica reads the same table and says the same: take the maximum, never the sum. Absent until this process has watched without failures for --unwatched-after: silence proves nothing before.',
    read: ({ names }) => names?.nodes?.unwatched.length,
  },
  {
    name: 'flowtoll_cluster_objects',
    type: 'gauge',
    unit: 'objects',
    help: 'Objects of Kubernetes that are known, by resource. Pods: those with addresses of their own.',
    label: 'resource',
    read: ({ names }) => {
      if (names === undefined) return undefined;
      const { pods, nodes, services, namespaces, owners } = names.index;
      return { pods, nodes, services, namespaces, owners };
    },
  },
  {
    name: 'flowtoll_cluster_addresses',
    type: 'gauge',
    unit: 'addresses',
    help: 'Addresses of pods and nodes that are known, those of the history too.',
    read: ({ names }) => names?.index.addresses,
  },
  {
    name: 'flowtoll_cluster_history',
    type: 'gauge',
    unit: 'holdings',
    help: 'Holdings of addresses that are over and kept for late batches.',
    read: ({ names }) => names?.index.ended,
  },
  {
    name: 'flowtoll_cluster_history_dropped_total',
    type: 'counter',
    unit: 'holdings',
    help: 'Those that had to go before their time, for want of room: late batches may lack their names.',
    read: ({ names }) => names?.index.droppedForRoom,
  },
  {
    name: 'flowtoll_endpoints_rows_total',
    type: 'counter',
    unit: 'rows',
    help: 'Rows written to the table endpoints.',
    read: ({ names }) => names?.endpoints?.rows,
  },
  {
    name: 'flowtoll_endpoints_failures_total',
    type: 'counter',
    unit: 'tries',
    help: 'Tries to write or load the table endpoints that failed. Writing is tried again; flows do not wait for it.',
    read: ({ names }) => names?.endpoints?.failures,
  },
  {
    name: 'flowtoll_endpoints_loaded_total',
    type: 'counter',
    unit: 'holdings',
    help: 'Holdings of addresses that were loaded from the table endpoints at the start.',
    read: ({ names }) => names?.endpoints?.loaded,
  },
  {
    name: 'flowtoll_endpoints_left_out_total',
    type: 'counter',
    unit: 'holdings',
    help: 'Those that were not loaded, because there are too many: late flows of pods that are gone may lack their names.',
    read: ({ names }) => names?.endpoints?.leftOut,
  },
  {
    name: 'flowtoll_other_clusters',
    type: 'gauge',
    unit: 'clusters',
    help: 'Other clusters under the same root of which addresses are known, from their tables endpoints.',
    read: ({ others }) => others?.clusters,
  },
  {
    name: 'flowtoll_other_clusters_overlapping',
    type: 'gauge',
    unit: 'clusters',
    help: 'Those of which pods or nodes are not named, because somebody else has one of their addresses, too.',
    read: ({ others }) => others?.overlapping,
  },
  {
    name: 'flowtoll_other_cluster_holdings',
    type: 'gauge',
    unit: 'holdings',
    help: 'Holdings of addresses that are known of other clusters, with those that are over.',
    read: ({ others }) => others?.holdings,
  },
  {
    name: 'flowtoll_other_cluster_holdings_dropped_total',
    type: 'counter',
    unit: 'holdings',
    help: 'Holdings of other clusters that there was no room for: their addresses have no names.',
    read: ({ others }) => others?.dropped,
  },
  {
    name: 'flowtoll_other_cluster_failures_total',
    type: 'counter',
    unit: 'tries',
    help: 'Readings of what other clusters there are, or of their tables endpoints, that failed. They are tried again.',
    read: ({ others }) => others?.failures,
  },
  {
    name: 'flowtoll_names_waits_total',
    type: 'counter',
    unit: 'commits',
    help: 'Commits that waited for addresses of the cluster that nobody was known to hold.',
    read: ({ names }) => names?.waits.waits,
  },
  {
    name: 'flowtoll_names_waited_seconds_total',
    type: 'counter',
    unit: 'seconds',
    help: 'How long they waited, all together.',
    read: ({ names }) => names && names.waits.waitedMs / 1000,
  },
  {
    name: 'flowtoll_names_awaited_total',
    type: 'counter',
    unit: 'addresses',
    help: 'Addresses that commits waited for: heard of in time, or given up. Many that are given up: name them in the topology file.',
    label: 'result',
    read: ({ names }) => names && { heard: names.waits.heard, 'given-up': names.waits.givenUp },
  },
];

const ranges: readonly AggregatorMetric[] = [
  {
    name: 'flowtoll_ip_ranges_age_seconds',
    type: 'gauge',
    unit: 'seconds',
    help: 'Age of each document of address ranges that is in use: since it was published, or since its source confirmed it, whichever is later. Several weeks: addresses of newer ranges have no place.',
    label: 'document',
    read: ({ ranges, nowMs }) =>
      ranges && new Map(ranges.documents.map(({ name, knownMs }) => [name, secondsSince(knownMs, nowMs)])),
  },
  {
    name: 'flowtoll_ip_ranges_prefixes',
    type: 'gauge',
    unit: 'prefixes',
    help: 'Prefixes in use of the documents of address ranges, those that are listed twice twice.',
    label: 'provider',
    read: ({ ranges }) => ranges?.prefixes,
  },
  {
    name: 'flowtoll_ip_ranges_skipped_prefixes',
    type: 'gauge',
    unit: 'prefixes',
    help: 'Prefixes of the documents in use that could not be read and are left out; the log has the first.',
    label: 'document',
    read: ({ ranges }) => ranges && new Map(ranges.documents.map(({ name, skipped }) => [name, skipped])),
  },
  {
    name: 'flowtoll_ip_ranges_refresh_failures_total',
    type: 'counter',
    unit: 'tries',
    help: 'Tries to refresh a document of address ranges that failed: not fetched, not readable, or not kept. They are tried again; the last good copy stays in use.',
    label: 'document',
    read: ({ ranges }) => ranges?.failures,
  },
];

const watchers: readonly AggregatorMetric[] = [
  {
    name: 'flowtoll_watchers',
    type: 'gauge',
    unit: 'streams',
    help: 'Streams of FlowService.Watch that are open.',
    read: ({ flows }) => flows.watchers,
  },
  {
    name: 'flowtoll_watchers_opened_total',
    type: 'counter',
    unit: 'streams',
    help: 'Streams that were opened.',
    read: ({ flows }) => flows.counters.opened,
  },
  {
    name: 'flowtoll_watchers_refused_total',
    type: 'counter',
    unit: 'streams',
    help: 'Streams that were refused, because there were --watchers-max, or --watchers-per-reader of one reader.',
    read: ({ flows }) => flows.counters.refused,
  },
  {
    name: 'flowtoll_watchers_forbidden_total',
    type: 'counter',
    unit: 'streams',
    help: 'Streams that were refused or ended, because their reader may not see what they asked for, or no longer may.',
    read: ({ flows }) => flows.counters.forbidden,
  },
  {
    name: 'flowtoll_watchers_stalled_total',
    type: 'counter',
    unit: 'streams',
    help: 'Streams that ended, because their reader took nothing for five minutes.',
    read: ({ flows }) => flows.counters.stalled,
  },
  {
    name: 'flowtoll_watchers_expired_total',
    type: 'counter',
    unit: 'streams',
    help: 'Streams that ended with RESUME_EXPIRED: rows could no longer be told, because of vacuum or log clean-up.',
    read: ({ flows }) => flows.counters.expired,
  },
  {
    name: 'flowtoll_watched_rows_total',
    type: 'counter',
    unit: 'rows',
    help: 'Rows that were sent to watchers.',
    read: ({ flows }) => flows.counters.rows,
  },
  {
    name: 'flowtoll_watched_bytes_total',
    type: 'counter',
    unit: 'bytes',
    help: 'Messages that were sent to watchers.',
    read: ({ flows }) => flows.counters.bytes,
  },
];

const readers: readonly AggregatorMetric[] = [
  {
    name: 'flowtoll_readers_refused_total',
    type: 'counter',
    unit: 'calls',
    help: 'Calls to the read APIs that were refused before they were read. unknown: no token, or one that nobody knows; busy: more calls than one reader may make, or more new tokens of one address than are looked at; unavailable: nobody could say who it is. Absent with --read-auth none.',
    label: 'reason',
    read: ({ readers }) => readers && { ...readers },
  },
  {
    name: 'flowtoll_reader_connections',
    type: 'gauge',
    unit: 'connections',
    help: 'Connections of readers that are open. Absent where they have no port of their own (--read-listen).',
    read: ({ readConnections }) => readConnections?.open,
  },
  {
    name: 'flowtoll_reader_connections_closed_total',
    type: 'counter',
    unit: 'connections',
    help: 'Connections of readers that were closed by us: slow: no reader who is known made a call on them within a minute; crowded: the same before, because there were many such; full: there was no room at all.',
    label: 'reason',
    read: ({ readConnections }) => readConnections && { ...readConnections.closed },
  },
];

const sinks: readonly AggregatorMetric[] = [
  {
    name: 'flowtoll_sink_lease_held',
    type: 'gauge',
    unit: '0 or 1',
    help: 'Whether this replica delivers the sink. The sum over replicas is 1.',
    label: 'sink',
    read: ({ sinks }) => bySink(sinks, ({ isHeld }) => (isHeld ? 1 : 0)),
  },
  {
    name: 'flowtoll_sink_lag_seconds',
    type: 'gauge',
    unit: 'seconds',
    help: 'Age of the newest commit that was delivered in whole, while there are later ones; 0 when there are none. Of the replica that delivers.',
    label: 'sink',
    read: ({ sinks, nowMs }) => bySink(sinks, (sink) => lagInSeconds(sink, nowMs)),
  },
  {
    name: 'flowtoll_sink_lag_versions',
    type: 'gauge',
    unit: 'versions',
    help: 'Versions of the table that are not delivered in whole yet. Of the replica that delivers.',
    label: 'sink',
    read: ({ sinks, nowMs }) => bySink(sinks, (sink) => lagOf(sink, nowMs)?.versions),
  },
  {
    name: 'flowtoll_sink_position_version',
    type: 'gauge',
    unit: 'version',
    help: 'Version of the table up to which rows were delivered. Of the replica that delivers.',
    label: 'sink',
    read: ({ sinks }) => bySink(sinks, ({ isHeld, positionVersion }) => (isHeld ? positionVersion : undefined)),
  },
  {
    name: 'flowtoll_sink_payloads_total',
    type: 'counter',
    unit: 'payloads',
    help: 'Requests that the receiver took.',
    label: 'sink',
    read: ({ sinks }) => bySink(sinks, ({ payloads }) => payloads),
  },
  {
    name: 'flowtoll_sink_items_total',
    type: 'counter',
    unit: 'items',
    help: 'Items, samples or data points in these.',
    label: 'sink',
    read: ({ sinks }) => bySink(sinks, ({ items }) => items),
  },
  {
    name: 'flowtoll_sink_bytes_total',
    type: 'counter',
    unit: 'bytes',
    help: 'Bodies of these requests, compressed where they are.',
    label: 'sink',
    read: ({ sinks }) => bySink(sinks, ({ bytes }) => bytes),
  },
  {
    name: 'flowtoll_sink_rows_total',
    type: 'counter',
    unit: 'rows',
    help: 'Rows of the table that these were made of.',
    label: 'sink',
    read: ({ sinks }) => bySink(sinks, ({ rows }) => rows),
  },
  {
    name: 'flowtoll_sink_retries_total',
    type: 'counter',
    unit: 'requests',
    help: 'Requests that failed and were made again, by reason: timeout, unreachable, status-503, …',
    label: ['sink', 'reason'],
    read: ({ sinks }) => bySinkAndReason(sinks, ({ retries }) => retries),
  },
  {
    name: 'flowtoll_sink_dead_letters_total',
    type: 'counter',
    unit: 'payloads',
    help: 'Payloads that the receiver refused for good, by reason: status-400, … They are in the table, and not at the receiver.',
    label: ['sink', 'reason'],
    read: ({ sinks }) => bySinkAndReason(sinks, ({ deadLetters }) => deadLetters),
  },
  {
    name: 'flowtoll_sink_dead_items_total',
    type: 'counter',
    unit: 'items',
    help: 'Items in these payloads.',
    label: 'sink',
    read: ({ sinks }) => bySink(sinks, ({ deadItems }) => deadItems),
  },
  {
    name: 'flowtoll_sink_missed_versions_total',
    type: 'counter',
    unit: 'versions',
    help: 'Versions whose rows the table could no longer tell when the sink came to them: it was away for longer than vacuum and log clean-up wait.',
    label: 'sink',
    read: ({ sinks }) => bySink(sinks, ({ missedVersions }) => missedVersions),
  },
  {
    name: 'flowtoll_sink_leases_lost_total',
    type: 'counter',
    unit: 'leases',
    help: 'Times that this replica had to stop delivering, because it could not renew its lease or another replica had taken over.',
    label: 'sink',
    read: ({ sinks }) => bySink(sinks, ({ leasesLost }) => leasesLost),
  },
];

const series: readonly AggregatorMetric[] = [
  {
    name: 'flowtoll_series',
    type: 'gauge',
    unit: 'series',
    label: 'set',
    help: 'Series of each metric of a set (docs/prometheus.md).',
    read: ({ series }) => new Map(series.map(({ config, size }) => [config.name, size])),
  },
  {
    name: 'flowtoll_series_limit',
    type: 'gauge',
    unit: 'series',
    label: 'set',
    help: 'The most that there may be.',
    read: ({ series }) => new Map(series.map(({ config }) => [config.name, config.limit])),
  },
  {
    name: 'flowtoll_series_overflows_total',
    type: 'counter',
    unit: 'additions',
    label: 'set',
    help: 'Sums of a batch that went into the series "other", because there was no room for one of their own.',
    read: ({ series }) => new Map(series.map(({ config, overflows }) => [config.name, overflows])),
  },
];

/** In the order of the page. */
export const AGGREGATOR_METRICS: readonly AggregatorMetric[] = [
  ...ingest,
  ...commits,
  ...rows,
  ...kubernetes,
  ...names,
  ...ranges,
  ...watchers,
  ...TLS_METRICS,
  ...readers,
  ...sinks,
  ...series,
  ...PROCESS_METRICS,
];

function secondsSince(sinceMs: number | undefined, nowMs: number): number {
  return sinceMs === undefined ? 0 : Math.max(0, nowMs - sinceMs) / 1000;
}

/** Of those resources of which it is known. */
function byResource(
  { resources }: NamesCounts,
  measure: (status: ResourceStatus) => number | undefined,
): Map<string, number> {
  const values = new Map<string, number>();
  for (const status of resources) {
    const value = measure(status);
    if (value !== undefined) values.set(status.resource, value);
  }
  return values;
}

function sum(resources: readonly ResourceStatus[], count: (status: ResourceStatus) => number): number {
  return resources.reduce((total, status) => total + count(status), 0);
}

function agoSeconds(atMs: number | null, nowMs: number): number | undefined {
  return atMs === null ? undefined : secondsSince(atMs, nowMs);
}

/** Undefined where there are no sinks; without those of which it is not known. */
function bySink(
  sinks: readonly SinkCounts[],
  measure: (sink: SinkCounts) => number | undefined,
): Map<string, number> | undefined {
  if (sinks.length === 0) return undefined;
  const values = new Map<string, number>();
  for (const sink of sinks) {
    const value = measure(sink);
    if (value !== undefined) values.set(sink.name, value);
  }
  return values;
}

function bySinkAndReason(
  sinks: readonly SinkCounts[],
  reasons: (sink: SinkCounts) => ReadonlyMap<string, number>,
): Map<string, number> | undefined {
  if (sinks.length === 0) return undefined;
  return new Map(
    sinks.flatMap((sink) =>
      [...reasons(sink)].map(([reason, count]) => [`${sink.name}${LABEL_SEPARATOR}${reason}`, count] as const),
    ),
  );
}

function lagInSeconds(sink: SinkCounts, nowMs: number): number | undefined {
  const lag = lagOf(sink, nowMs);
  return lag && lag.ms / 1000;
}
