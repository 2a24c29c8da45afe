// Every metric of the agent: the one list that /metrics and docs/metrics.md are made of.
import { type Histogram, type Metric, PROCESS_METRICS } from '@flowtoll/proto/telemetry';
import { TLS_METRICS, type TlsMetricsSource } from '@flowtoll/proto/tls';
import type { SourceStatus } from '../capture-source.ts';
import type { DeliveryStatus } from '../delivery.ts';
import type { AccountantCounts } from '../flow/accountant.ts';

/** What the metrics are read from. Undefined is what is not known yet. */
export interface AgentMetricsSource extends TlsMetricsSource {
  readonly delivery: DeliveryStatus;
  /** After the last dump. */
  readonly counts: AccountantCounts | undefined;
  readonly entries: number | undefined;
  readonly source: SourceStatus | undefined;
  /** In the last window. */
  readonly windowFlows: number | undefined;
  /** In seconds. */
  readonly dumpDuration: Histogram;
  readonly version: string;
  /** Times that the wall clock was set. */
  readonly clockJumps: number;
  /** Whether the baseline cannot be kept. */
  readonly stateFails: boolean;
}

type AgentMetric = Metric<AgentMetricsSource>;

/** A counter of the accounting. */
function counted(name: string, unit: string, field: keyof AccountantCounts, help: string): AgentMetric {
  return { name: `flowtoll_agent_${name}`, type: 'counter', unit, help, read: ({ counts }) => counts?.[field] };
}

const capture: readonly AgentMetric[] = [
  {
    name: 'flowtoll_agent_source',
    type: 'gauge',
    unit: '1',
    help: '1 for the table that is read: conntrack, or Cilium’s maps.',
    label: 'source',
    read: ({ source }) => source && { [source.name]: 1 },
  },
  {
    name: 'flowtoll_agent_cilium_accounting_off',
    type: 'gauge',
    unit: '1',
    help: '1 while Cilium’s maps are read and none of their entries counts bytes: Cilium’s accounting is off. Else 0.',
    read: ({ source }) => (source?.name === 'cilium' ? (source.isAccountingOff ? 1 : 0) : undefined),
  },
  {
    name: 'flowtoll_agent_cilium_maps_replaced_total',
    type: 'counter',
    unit: 'maps',
    help: 'Times that another map was found in the place of one of Cilium’s.',
    read: ({ source }) => source?.mapsReplaced,
  },
  {
    name: 'flowtoll_agent_entries',
    type: 'gauge',
    unit: 'entries',
    help: 'Entries that are tracked, those that ended a moment ago included.',
    read: ({ entries }) => entries,
  },
  {
    name: 'flowtoll_agent_window_flows',
    type: 'gauge',
    unit: 'flows',
    help: 'Flows of the last window.',
    read: ({ windowFlows }) => windowFlows,
  },
  counted('dumps_total', 'dumps', 'dumps', 'Complete readings of the kernel’s table.'),
  counted(
    'dumps_failed_total',
    'dumps',
    'failedDumps',
    'Readings that the kernel ended early; the next one makes up for it.',
  ),
  {
    name: 'flowtoll_agent_dump_duration_seconds',
    type: 'histogram',
    unit: 'seconds',
    help: 'How long a reading took.',
    read: ({ dumpDuration }) => dumpDuration,
  },
  counted('messages_total', 'messages', 'messages', 'Rows and events that were read.'),
  counted(
    'events_dropped_total',
    'events',
    'eventsDropped',
    'DESTROY events that the kernel dropped; a loss. Raise --event-buffer.',
  ),
  counted('messages_undecodable_total', 'messages', 'undecodable', 'Messages that could not be read; a loss.'),
  counted('datagrams_truncated_total', 'datagrams', 'truncatedDatagrams', 'Datagrams that were cut; a loss.'),
  counted('messages_unknown_total', 'messages', 'unknownMessages', 'Messages of a type that nobody asked for.'),
  counted(
    'attributes_unknown_total',
    'attributes',
    'unknownAttributes',
    'Attributes that this version does not know; skipped, nothing is lost.',
  ),
];

const accounting: readonly AgentMetric[] = [
  counted('entries_accounted_total', 'entries', 'entries', 'Entries that were accounted from their first byte.'),
  counted(
    'entries_baselined_total',
    'entries',
    'baselinedEntries',
    'Entries that were older than the agent when it began: from then on they count.',
  ),
  counted('baselined_bytes_total', 'bytes', 'baselinedBytes', 'What these had by then; not billed.'),
  counted(
    'rows_stale_total',
    'rows',
    'staleRows',
    'Rows of a dump that were older than an event; ignored, nothing is lost.',
  ),
  counted(
    'counters_reset_total',
    'entries',
    'countersReset',
    'Entries whose counters went down; a loss. Another program zeroes them.',
  ),
  counted('entries_vanished_total', 'entries', 'vanished', 'Entries that were gone without an event; a loss.'),
  counted(
    'entries_ended_unseen_total',
    'entries',
    'endedUnseen',
    'Entries that were gone, and whose events must be among the dropped ones.',
  ),
  counted('entries_ended_away_total', 'entries', 'endedWhileAway', 'Entries that ended while no agent ran; a loss.'),
  counted('entries_uncounted_total', 'entries', 'withoutCounters', 'Rows and events without counters; a loss.'),
  counted(
    'foldings_total',
    'foldings',
    'foldings',
    'Times that a window had to be folded into prefixes to keep --max-flows.',
  ),
];

const delivery: readonly AgentMetric[] = [
  {
    name: 'flowtoll_agent_windows_total',
    type: 'counter',
    unit: 'windows',
    help: 'Windows that became batches.',
    read: ({ delivery }) => delivery.counters.windows,
  },
  {
    name: 'flowtoll_agent_flows_total',
    type: 'counter',
    unit: 'flows',
    help: 'Flows in them.',
    read: ({ delivery }) => delivery.counters.flows,
  },
  {
    name: 'flowtoll_agent_queue_batches',
    type: 'gauge',
    unit: 'batches',
    help: 'Batches that wait for an acknowledgement, in the spool or in memory.',
    read: ({ delivery }) => delivery.waiting.batches,
  },
  {
    name: 'flowtoll_agent_old_epochs',
    type: 'gauge',
    unit: 'epochs',
    help: 'Earlier epochs of this node that have batches waiting; they go first.',
    read: ({ delivery }) => delivery.oldEpochs,
  },
  {
    name: 'flowtoll_agent_epochs_set_aside',
    type: 'gauge',
    unit: 'epochs',
    help: 'Epochs in the spool that a later version of the agent wrote; they wait for it.',
    read: ({ delivery }) => delivery.epochsSetAside,
  },
  {
    name: 'flowtoll_agent_epochs_foreign',
    type: 'gauge',
    unit: 'epochs',
    help: 'Earlier epochs in the spool that no aggregator takes from this node, because they are another node’s. See the log.',
    read: ({ delivery }) => delivery.epochsForeign,
  },
  {
    name: 'flowtoll_agent_spool_failing',
    type: 'gauge',
    unit: '1',
    help: '1 while the spool cannot be written and batches wait in memory, else 0. Look for a full or read-only disk.',
    read: ({ delivery }) => (delivery.spoolFails ? 1 : 0),
  },
  {
    name: 'flowtoll_agent_state_failing',
    type: 'gauge',
    unit: '1',
    help: '1 while the baseline in --state cannot be kept, else 0: a new agent could not go on from here.',
    read: ({ stateFails }) => (stateFails ? 1 : 0),
  },
  {
    name: 'flowtoll_agent_queue_bytes',
    type: 'gauge',
    unit: 'bytes',
    help: 'What they take. Beyond --spool-size the oldest flows become a loss.',
    read: ({ delivery }) => delivery.waiting.bytes,
  },
  {
    name: 'flowtoll_agent_batches_sent_total',
    type: 'counter',
    unit: 'batches',
    help: 'Batches written to a stream; those that were sent again count again.',
    read: ({ delivery }) => delivery.counters.batchesSent,
  },
  {
    name: 'flowtoll_agent_batches_acknowledged_total',
    type: 'counter',
    unit: 'batches',
    help: 'Batches that are in the table.',
    read: ({ delivery }) => delivery.counters.batchesAcknowledged,
  },
  {
    name: 'flowtoll_agent_batches_lost_total',
    type: 'counter',
    unit: 'batches',
    help: 'Batches whose flows became a loss.',
    label: 'reason',
    read: ({ delivery }) => delivery.counters.batchesLost,
  },
  {
    name: 'flowtoll_agent_lost_bytes_total',
    type: 'counter',
    unit: 'bytes',
    help: 'Traffic in these flows, where it is known.',
    read: ({ delivery }) => delivery.counters.lostBytes,
  },
  {
    name: 'flowtoll_agent_connected',
    type: 'gauge',
    unit: 'streams',
    help: '1 while an aggregator takes our batches, else 0.',
    read: ({ delivery }) => (delivery.isConnected ? 1 : 0),
  },
  {
    name: 'flowtoll_agent_connection_attempts_total',
    type: 'counter',
    unit: 'attempts',
    help: 'Times that a stream was opened.',
    read: ({ delivery }) => delivery.counters.connectionAttempts,
  },
  {
    name: 'flowtoll_agent_streams_moved_total',
    type: 'counter',
    unit: 'streams',
    help: 'Streams that ended because of their age (--stream-age), or because the clock was set.',
    read: ({ delivery }) => delivery.counters.streamsMoved,
  },
  {
    name: 'flowtoll_agent_epoch_restarts_total',
    type: 'counter',
    unit: 'epochs',
    help: 'Times that the table did not hold what it had acknowledged, or held more than was made.',
    read: ({ delivery }) => delivery.counters.epochRestarts,
  },
  {
    name: 'flowtoll_agent_clock_offset_seconds',
    type: 'gauge',
    unit: 'seconds',
    help: 'How far our clock is ahead of the aggregator’s.',
    read: ({ delivery }) => (delivery.clockOffsetMs === undefined ? undefined : delivery.clockOffsetMs / 1000),
  },
  {
    name: 'flowtoll_agent_clock_jumps_total',
    type: 'counter',
    unit: 'jumps',
    help: 'Times that the wall clock of the node was set by a second or more.',
    read: ({ clockJumps }) => clockJumps,
  },
  {
    name: 'flowtoll_agent_build_info',
    type: 'gauge',
    unit: '1',
    help: 'The version that runs.',
    label: 'version',
    read: ({ version }) => ({ [version]: 1 }),
  },
];

/** In the order of the page. */
export const AGENT_METRICS: readonly AgentMetric[] = [
  ...capture,
  ...accounting,
  ...delivery,
  ...TLS_METRICS,
  ...PROCESS_METRICS,
];
