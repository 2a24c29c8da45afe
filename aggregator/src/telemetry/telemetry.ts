// How the aggregator is watched: its metrics and its health over HTTP. Reads; decides nothing.
import {
  createTelemetryServer,
  Histogram,
  type ListenAddress,
  metricsText,
  type TelemetryServer,
} from '@flowtoll/proto/telemetry';
import type { CertificateStatus } from '@flowtoll/proto/tls';
import type { FlowServer } from '../api/flow-service.ts';
import type { ReaderGateCounters } from '../identity/readers/reader-gate.ts';
import type { Logger } from '../ingest/ingest-stream.ts';
import type { Pipeline, PipelineObserver } from '../pipeline.ts';
import type { IpRangesCounts } from '../ranges/open-ip-ranges.ts';
import type { FlowSeries } from '../series/flow-series.ts';
import { seriesText } from '../series/text.ts';
import type { SinkCounts } from '../sinks/counts.ts';
import type { ConnectionCounters } from '../transport/connection-guard.ts';
import type { UpkeepCounts } from '../upkeep-loop.ts';
import {
  AGGREGATOR_METRICS,
  type AggregatorHistograms,
  type CheckpointCounts,
  type NamesCounts,
  type OthersCounts,
} from './metrics.ts';

/** For how long commits may fail before this replica is not ready, in ms. Agents keep what they have meanwhile. */
export const NOT_READY_AFTER_MS = 60_000;

const SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const LAG_SECONDS = [1, 2.5, 5, 10, 15, 30, 45, 60, 90, 120, 300, 900, 3600, 21_600, 86_400];
const OFFSET_SECONDS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 60, 3600];

/** Observes what a pipeline does. */
export interface AggregatorObserver extends PipelineObserver {
  readonly histograms: AggregatorHistograms;
  /** Checkpoints of the log that this process wrote, and those that failed. */
  readonly checkpoints: CheckpointCounts;
  /** A checkpoint was tried; the problem where it failed, else undefined. */
  onCheckpoint(problem: unknown): void;
}

export function createObserver(log: Pick<Logger, 'warn'>): AggregatorObserver {
  const histograms = {
    commitDuration: new Histogram(SECONDS),
    acknowledgementLag: new Histogram(LAG_SECONDS),
    clockOffset: new Histogram(OFFSET_SECONDS),
  };
  const checkpoints = { written: 0, failed: 0 };
  return {
    histograms,
    checkpoints,
    onCheckpoint(problem) {
      checkpoints[problem === undefined ? 'written' : 'failed']++;
      if (problem !== undefined) log.warn({ err: problem }, 'a checkpoint of the log failed; it is tried again');
    },
    onCommit: (durationMs) => histograms.commitDuration.observe(durationMs / 1000),
    onAcknowledged: (afterWindowMs) => histograms.acknowledgementLag.observe(Math.max(0, afterWindowMs) / 1000),
    onClockOffset: (offsetMs) => histograms.clockOffset.observe(Math.abs(offsetMs) / 1000),
  };
}

export interface AggregatorTelemetryParts {
  readonly pipeline: Pipeline;
  readonly table: { readonly version: number };
  readonly flows: Pick<FlowServer, 'counters' | 'watchers'>;
  /** Absent where nobody is asked who they are. */
  readonly readers?: Readonly<ReaderGateCounters>;
  /** Absent where readers have no port of their own. */
  readonly readConnections?: ConnectionCounters;
  readonly series: Pick<FlowSeries, 'sets'>;
  readonly observer: AggregatorObserver;
  /** Undefined where this process does no upkeep. */
  readonly upkeep: UpkeepCounts | undefined;
  /** Absent where names come from a file. */
  readonly names?: NamesCounts;
  /** Absent where addresses of other clusters are not asked for. */
  readonly others?: () => OthersCounts;
  /** Absent where there are no documents of address ranges. */
  readonly ranges?: IpRangesCounts;
  /** Absent where there is no TLS. */
  readonly tls?: () => CertificateStatus | undefined;
  /** One for each sink. */
  readonly sinks?: () => readonly SinkCounts[];
  /** Why nothing should be sent to this replica; undefined when it is ready. */
  readonly whyNotReady: () => string | undefined;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** Version of the software. */
  readonly version: string;
}

/** Makes the server; nothing happens before start(). The table is open by then, so that is half of being ready. */
export function createAggregatorTelemetry(config: ListenAddress, parts: AggregatorTelemetryParts): TelemetryServer {
  const { pipeline, table, flows, readers, series, observer, upkeep, names, others, ranges, now, version } = parts;
  return createTelemetryServer(config, {
    *metrics() {
      yield metricsText(AGGREGATOR_METRICS, {
        pipeline,
        table,
        flows,
        readers,
        readConnections: parts.readConnections,
        series: series.sets,
        histograms: observer.histograms,
        checkpoints: observer.checkpoints,
        upkeep,
        names,
        others: others?.(),
        ranges,
        tls: parts.tls?.(),
        sinks: parts.sinks?.() ?? [],
        nowMs: now(),
        version,
      });
      yield* seriesText(series);
    },
    // Whoever answers is alive: commits and streams run on the same thread.
    deadBecause: () => undefined,
    notReadyBecause: parts.whyNotReady,
  });
}

/** Why nothing should be sent to this replica; undefined when it is ready. */
export function notReadyBecause(
  { failingSinceMs }: Pick<Pipeline, 'failingSinceMs'>,
  nowMs: number,
): string | undefined {
  if (failingSinceMs === undefined || nowMs - failingSinceMs < NOT_READY_AFTER_MS) return undefined;
  return `every commit has failed since ${new Date(failingSinceMs).toISOString()}; see the log`;
}
