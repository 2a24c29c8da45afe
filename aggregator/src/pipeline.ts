// The aggregator in one sentence: ingest → enrich → price → table. Batches wait for the next commit; agents
// get their acknowledgement after it, never before.
import type { RpcService } from '@flowtoll/proto';
import type { ServerCredentials } from '@grpc/grpc-js';
import { type CommitLoop, createCommitLoop } from './commit-loop.ts';
import type { Enricher } from './enrich/enricher.ts';
import { createIngestServer, type IngestServer, type IngestServerConfig } from './ingest/ingest-server.ts';
import type { Logger } from './ingest/ingest-stream.ts';
import { lostBatch, vanishedBatch } from './lost-batch.ts';
import type { AgentAuthority } from './model/agent-identity.ts';
import type { EpochNote } from './model/epoch-note.ts';
import { FlowtollError } from './model/errors.ts';
import { type FlowBatch, freeColumns } from './model/flow-batch.ts';
import type { FlowRow } from './model/flow-row.ts';
import { type Schedule, timers } from './model/schedule.ts';
import { createReadPacer, HELLO_READS } from './paced-reads.ts';
import { createPipelineCounters, type PipelineCounters, RowCounts } from './pipeline-counters.ts';
import type { Pricing } from './pricing/pricing.ts';
import { type CommitResult, type FlowTable, TXN_RETENTION_MS } from './table/flow-table.ts';

export interface PipelineConfig {
  readonly listen: IngestServerConfig;
  /** Age of the oldest waiting batch at which it is committed, in milliseconds. */
  readonly commitIntervalMs: number;
  /** Bytes of waiting batches, in memory, at which they are committed whatever their age. */
  readonly commitBytes?: number;
  /** Whether a commit begins early when every stream has a batch waiting. Default: no. */
  readonly commitWhenAllWaiting?: boolean;
  /** Bytes of batches in memory above which agents have to wait. */
  readonly heldBytesMax?: number;
  /** Age of a batch from which on it is refused, in milliseconds. Default: what the table's log remembers. */
  readonly batchAgeMaxMs?: number;
}

/** Where rows go. */
export interface RowSink {
  /** Copies the row; the object may be used again. */
  append(row: FlowRow): void;
}

/** Rows of one batch that may come to be in the table. */
export interface PendingRows {
  add(row: FlowRow): void;
  /** They are in the table. Once. */
  commit(): void;
}

/** Hears of the rows that this process commits. */
export interface CommittedRows {
  begin(): PendingRows;
}

/** Names that may come later than the flows. */
export interface AwaitedNames {
  /** Resolves when these batches need not wait for names any longer. Within seconds; never rejects. */
  settled(batches: readonly FlowBatch[]): Promise<void>;
  /** From now on nobody waits. */
  stop(): void;
}

export interface PipelineDependencies {
  readonly enricher: Enricher;
  /** Default: all names are known, or will never be. */
  readonly names?: AwaitedNames;
  readonly pricing: Pick<Pricing, 'price'>;
  readonly table: FlowTable<RowSink>;
  readonly log: Logger;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly schedule?: Schedule;
  /** What takes the streams of agents. Default: gRPC. */
  readonly createIngest?: typeof createIngestServer;
  /** Default: plain text. */
  readonly credentials?: ServerCredentials;
  /** Who knows agents. Default: they are who they say. */
  readonly agents?: AgentAuthority;
  /** What is served on the same port. */
  readonly services?: readonly RpcService[];
  /** Hears what each commit was like. */
  readonly observer?: PipelineObserver;
  /** Sums up what the rows of commits say. */
  readonly series?: CommittedRows;
}

/** Hears what happens, as it happens. */
export interface PipelineObserver {
  /** A commit was tried; how long it took, in ms. */
  onCommit?(durationMs: number, succeeded: boolean): void;
  /** A batch is acknowledged; how long after the end of its window, in ms. */
  onAcknowledged?(afterWindowMs: number): void;
  /** An agent said Hello; how far its clock is ahead of ours, in ms. */
  onClockOffset?(offsetMs: number): void;
}

export interface Pipeline {
  readonly ingest: IngestServer;
  readonly counters: PipelineCounters;
  /** What waits in memory. */
  readonly held: CommitLoop['held'];
  /** Since when every commit has failed, ms since the Unix epoch; undefined when the last one succeeded. */
  readonly failingSinceMs: number | undefined;
  /** Listens; resolves to the real port. */
  start(): Promise<number>;
  /**
   * Records as a loss what vanished with nodes that were silent for so long, and what is to be remembered of epochs where
   * no commit has done so. Returns how many epochs that were.
   */
  recordVanished(silentMs: number): Promise<number>;
  /** Nodes that agents spoke for to any replica, and when that was last, ms since the Unix epoch; now, where one is connected here. */
  nodesHeard(): Promise<ReadonlyMap<string, number>>;
  /** Takes nothing more, commits what waits, acknowledges it, closes. Rejects when that last commit fails. */
  stop(): Promise<void>;
}

/** Puts the parts together; nothing happens before start(). */
export function createPipeline(config: PipelineConfig, dependencies: PipelineDependencies): Pipeline {
  const { enricher, names, pricing, table, log, now, random, observer, series } = dependencies;
  const counters = createPipelineCounters();
  /** Batches whose rows cannot be made, with what is stored in their place. */
  const substitutes = new WeakMap<FlowBatch, FlowBatch>();
  /** What the next commit shall record, the newest of each kind and epoch. */
  let notes = new Map<string, EpochNote>();
  /** What the commit that is under way records. */
  let recording: ReadonlyMap<string, EpochNote> = new Map();
  let failingSinceMs: number | undefined;

  const loop = createCommitLoop(config, {
    commit: commitBatches,
    onRetry: (retryMs) => ingest.throttle(retryMs),
    log,
    random,
    ...(config.commitWhenAllWaiting && { allWaiting }),
    ...(dependencies.schedule && { schedule: dependencies.schedule }),
  });
  const mayRead = createReadPacer(HELLO_READS, now, dependencies.schedule ?? timers);
  const createIngest = dependencies.createIngest ?? createIngestServer;
  const ingest = createIngest(
    { ...config.listen, batchAgeMaxMs: config.batchAgeMaxMs ?? TXN_RETENTION_MS },
    {
      sink: {
        committedSequence: (epoch) => mayRead().then(() => table.committedSequence(epoch)),
        admit: loop.admit,
        put: loop.put,
        heldBack: () => loop.held.heldBack,
        note: (note) => notes.set(`${note.kind} ${note.epoch}`, note),
        nodesOf,
      },
      log,
      now,
      random,
      onClockOffset: (offsetMs) => observer?.onClockOffset?.(offsetMs),
      ...(dependencies.services && { services: dependencies.services }),
      ...(dependencies.credentials && { credentials: dependencies.credentials }),
      ...(dependencies.agents && { authority: dependencies.agents }),
    },
  );

  /** Of one that was announced here the log says nothing before the next commit. */
  function nodesOf(epoch: string, likely: string): ReadonlySet<string> {
    const nodes = new Set(table.nodesOf(epoch, likely));
    for (const known of [recording, notes]) {
      const note = known.get(`announced ${epoch}`);
      if (note?.kind === 'announced') nodes.add(note.node);
    }
    return nodes;
  }

  function allWaiting(): boolean {
    const { open, waiting } = ingest.streams;
    return waiting >= open;
  }

  function appendRows(batch: FlowBatch, rows: RowSink, counts: RowCounts): void {
    const pending = series?.begin();
    counts.series = pending;
    enricher.enrich(substitutes.get(batch) ?? batch, (row) => {
      priceRow(row, counts);
      rows.append(row);
      counts.add(row);
      pending?.add(row);
    });
  }

  /** A cost that does not fit must not lose the bytes: pricing leaves such a row without cost. */
  function priceRow(row: FlowRow, counts: RowCounts): void {
    try {
      pricing.price(row);
    } catch (error) {
      if (!(error instanceof FlowtollError && error.code === 'PRICE_OVERFLOW')) throw error;
      counts.priceOverflows++;
    }
  }

  async function commitBatches(batches: readonly FlowBatch[]): Promise<void> {
    await names?.settled(batches);
    const startedAt = now();
    const counts = new Map<FlowBatch, RowCounts>();
    let result: CommitResult<FlowBatch>;
    try {
      result = await commitWithSubstitutes(batches, counts);
    } catch (error) {
      counters.failedCommits++;
      failingSinceMs ??= startedAt;
      observer?.onCommit?.(now() - startedAt, false);
      throw error;
    }
    failingSinceMs = undefined;
    observer?.onCommit?.(now() - startedAt, true);
    counters.commits++;
    counters.duplicates += result.duplicates.length;
    for (const batch of result.written) {
      counters.addRows(counts.get(batch));
      counts.get(batch)?.series?.commit();
    }
    acknowledge(result);
    discardRefused(new Set(result.refused.map(({ batch }) => batch.epoch)), result.refused.length);
    for (const batch of batches) freeColumns(batch);
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

  function acknowledge({ committed, written }: CommitResult<FlowBatch>): void {
    for (const [epoch, sequence] of committed) ingest.acknowledge(epoch, sequence);
    const nowMs = now();
    for (const { windowEndUs } of written) observer?.onAcknowledged?.(nowMs - windowEndUs / 1000);
  }

  /** One batch whose rows cannot be made must not hold up all others: it becomes a loss, and the rest goes on. */
  async function commitWithSubstitutes(batches: readonly FlowBatch[], counts: Map<FlowBatch, RowCounts>) {
    for (;;) {
      let culprit: FlowBatch | undefined;
      try {
        return await withNotes((recorded) =>
          table.commit(
            batches,
            (batch, rows) => {
              culprit = batch;
              const rowCounts = new RowCounts();
              counts.set(batch, rowCounts);
              appendRows(batch, rows, rowCounts);
              culprit = undefined;
            },
            recorded,
          ),
        );
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

  /** Runs a commit that records all notes; those of one that fails wait for the next. */
  async function withNotes<T>(commit: (recorded: readonly EpochNote[]) => Promise<T>): Promise<T> {
    const recorded = notes;
    recording = recorded;
    notes = new Map();
    try {
      return await commit([...recorded.values()]);
    } catch (error) {
      notes = new Map([...recorded, ...notes]);
      throw error;
    } finally {
      recording = new Map();
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
    get failingSinceMs() {
      return failingSinceMs;
    },
    start: () => ingest.start(),
    async recordVanished(silentMs) {
      await recordNotes();
      const nowMs = now();
      const vanished = await table.recordVanished({ silentMs, isAlive: ingest.isKnown }, (epoch, rows) =>
        appendRows(vanishedBatch(epoch, nowMs), rows, new RowCounts()),
      );
      counters.vanishedEpochs += vanished.length;
      for (const { node, epoch, committedSequence, knownSequence } of vanished) {
        const fields = { node, epoch, committedSequence, knownSequence };
        log.warn(fields, 'a node has not been heard of for long; what it had not sent is stored as a loss');
      }
      return vanished.length;
    },
    async nodesHeard() {
      const heard = new Map(await table.nodesHeard(ingest.isKnown));
      // Of an agent that has come a moment ago the log says nothing before its first commit.
      for (const note of [...recording.values(), ...notes.values()]) {
        if (note.kind === 'announced' && ingest.isKnown(note.epoch)) heard.set(note.node, now());
      }
      return heard;
    },
    async stop() {
      ingest.stopTaking();
      names?.stop();
      loop.stop();
      try {
        await loop.flush();
      } finally {
        await ingest.stop();
        await recordNotes().catch((error: unknown) => log.warn({ err: error }, 'how epochs ended is not recorded'));
        await table.close();
      }
    },
  };

  async function recordNotes(): Promise<void> {
    if (notes.size > 0) await withNotes((recorded) => table.commit([], () => undefined, recorded));
  }
}
