// The aggregator in one sentence: ingest → enrich → classify → price → table. Batches wait for the next commit; agents
// get their acknowledgement after it, never before.
import { type CommitLoop, createCommitLoop, type Schedule } from './commit-loop.ts';
import type { Enricher } from './enrich/enricher.ts';
import { createIngestServer, type IngestServer, type IngestServerConfig } from './ingest/ingest-server.ts';
import type { Logger } from './ingest/ingest-stream.ts';
import { lostBatch } from './lost-batch.ts';
import { FlowtollError } from './model/errors.ts';
import type { FlowBatch } from './model/flow-batch.ts';
import type { FlowRow } from './model/flow-row.ts';
import type { Pricer } from './pricing/pricer.ts';
import type { Classify } from './pricing/traffic-class.ts';
import type { FlowTable } from './table/flow-table.ts';
import type { RowBuffer } from './table/row-buffer.ts';

export interface PipelineConfig {
  readonly listen: IngestServerConfig;
  /** Age of the oldest waiting batch at which it is committed, in milliseconds. */
  readonly commitIntervalMs: number;
  /** Bytes of waiting batches, in memory, at which they are committed whatever their age. */
  readonly commitBytes?: number;
  /** Bytes of batches in memory above which agents have to wait. */
  readonly heldBytesMax?: number;
}

export interface PipelineDependencies {
  readonly enricher: Enricher;
  readonly classify: Classify;
  readonly pricer: Pricer;
  readonly table: FlowTable;
  readonly log: Logger;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly schedule?: Schedule;
}

/** Counts since the start of the process. */
export interface PipelineCounters {
  commits: number;
  failedCommits: number;
  rows: number;
  /** Rows whose cost does not fit its column: stored with their bytes and no cost. */
  priceOverflows: number;
  /** Batches that became a loss, because their rows could not be made. */
  lostBatches: number;
  /** Batches that were in the table already when their commit came. */
  duplicates: number;
  /** Batches that follow one which the table does not hold; their agents send them again. */
  refused: number;
}

export interface Pipeline {
  readonly ingest: IngestServer;
  readonly counters: PipelineCounters;
  /** What waits in memory. */
  readonly held: CommitLoop['held'];
  /** Listens; resolves to the real port. */
  start(): Promise<number>;
  /** Takes nothing more, commits what waits, acknowledges it, closes. Rejects when that last commit fails. */
  stop(): Promise<void>;
}

/** Puts the parts together; nothing happens before start(). */
export function createPipeline(config: PipelineConfig, dependencies: PipelineDependencies): Pipeline {
  const { enricher, classify, pricer, table, log, now, random } = dependencies;
  const counters: PipelineCounters = {
    commits: 0,
    failedCommits: 0,
    rows: 0,
    priceOverflows: 0,
    lostBatches: 0,
    duplicates: 0,
    refused: 0,
  };
  /** Batches whose rows cannot be made, with what is stored in their place. */
  const substitutes = new WeakMap<FlowBatch, FlowBatch>();

  const loop = createCommitLoop(config, {
    commit: commitBatches,
    onRetry: (retryMs) => {
      counters.failedCommits++;
      ingest.throttle(retryMs);
    },
    log,
    random,
    ...(dependencies.schedule && { schedule: dependencies.schedule }),
  });
  const ingest = createIngestServer(config.listen, {
    sink: { committedSequence: (epoch) => table.committedSequence(epoch), admit: loop.admit, put: loop.put },
    log,
    now,
  });

  function appendRows(batch: FlowBatch, rows: RowBuffer): void {
    enricher.enrich(substitutes.get(batch) ?? batch, (row) => {
      classify(row);
      priceRow(row);
      rows.append(row);
    });
  }

  /** A cost that does not fit must not lose the bytes: the pricer leaves such a row without cost. */
  function priceRow(row: FlowRow): void {
    try {
      pricer.price(row);
    } catch (error) {
      if (!(error instanceof FlowtollError && error.code === 'PRICE_OVERFLOW')) throw error;
      counters.priceOverflows++;
    }
  }

  async function commitBatches(batches: readonly FlowBatch[]): Promise<void> {
    const startedAt = now();
    const result = await commitWithSubstitutes(batches);
    counters.commits++;
    counters.rows += result.rowCount;
    counters.duplicates += result.duplicates.length;
    for (const [epoch, sequence] of result.committed) ingest.acknowledge(epoch, sequence);
    discardRefused(new Set(result.refused.map(({ batch }) => batch.epoch)), result.refused.length);
    log.info(
      {
        version: result.version,
        batches: result.written.length,
        duplicates: result.duplicates.length,
        rows: result.rowCount,
        durationMs: now() - startedAt,
      },
      'committed',
    );
  }

  /** One batch whose rows cannot be made must not hold up all others: it becomes a loss, and the rest goes on. */
  async function commitWithSubstitutes(batches: readonly FlowBatch[]) {
    for (;;) {
      let culprit: FlowBatch | undefined;
      try {
        return await table.commit(batches, (batch, rows) => {
          culprit = batch;
          appendRows(batch, rows);
          culprit = undefined;
        });
      } catch (error) {
        if (culprit === undefined || substitutes.has(culprit)) throw error;
        substitutes.set(culprit, lostBatch(culprit));
        counters.lostBatches++;
        const { node, epoch, sequence } = culprit;
        log.error(
          { err: error, node, epoch, sequence },
          'no rows can be made of a batch; its bytes are stored as a loss',
        );
      }
    }
  }

  function discardRefused(epochs: ReadonlySet<string>, count: number): void {
    if (count === 0) return;
    counters.refused += count;
    log.error(
      { epochs: [...epochs], batches: count },
      'the table lacks what these batches follow; agents send them again',
    );
    loop.drop(({ epoch }) => epochs.has(epoch));
    for (const epoch of epochs) ingest.discard(epoch);
  }

  return {
    ingest,
    counters,
    get held() {
      return loop.held;
    },
    start: () => ingest.start(),
    async stop() {
      ingest.stopTaking();
      loop.stop();
      try {
        await loop.flush();
      } finally {
        await ingest.stop();
        await table.close();
      }
    },
  };
}
