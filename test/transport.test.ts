// Agent's exporter ↔ aggregator's pipeline, in one process over a real gRPC connection. The table is the test's: it keeps
// the names and bytes of what was committed, and fails when told to. Everything between is real.
import { createExporter, type Exporter } from '@flowtoll/agent/exporter/exporter.ts';
import { windowBytes, windowFlows } from '@flowtoll/agent/exporter/windows.testing.ts';
import type { Enricher } from '@flowtoll/aggregator/enrich/enricher.ts';
import { FlowtollError } from '@flowtoll/aggregator/model/errors.ts';
import type { FlowBatch } from '@flowtoll/aggregator/model/flow-batch.ts';
import { createPipeline, type Pipeline } from '@flowtoll/aggregator/pipeline.ts';
import type { CommitResult, FlowTable, PendingBatch } from '@flowtoll/aggregator/table/flow-table.ts';
import { RowBuffer } from '@flowtoll/aggregator/table/row-buffer.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

const SPOOL = '11111111-2222-3333-4444-555555555555';
const BOOT = '66666666-7777-8888-9999-aaaaaaaaaaaa';

type Outcome = 'commit' | 'fail' | 'commit, then fail';

/** Keeps what was committed, by epoch; obeys the contract of FlowTable. */
class TestTable implements FlowTable {
  /** "sequence:bytes" of each committed batch, by epoch, in order. */
  readonly committed = new Map<string, string[]>();
  /** How coming commits end; "commit" when there is nothing left. */
  readonly outcomes: Outcome[] = [];
  /** Commits wait for it. */
  gate: Promise<void> = Promise.resolve();
  commits = 0;

  readonly version = 0;
  recordVanished = async () => [];
  nodesHeard = async () => new Map();
  committedSequence = async (epoch: string) => this.committed.get(epoch)?.length ?? 0;
  nodesOf = () => new Set<string>();
  requireReadable = async () => undefined;
  close = async () => undefined;

  commit = async <B extends PendingBatch>(
    batches: readonly B[],
    fill: (batch: B, rows: RowBuffer) => void,
  ): Promise<CommitResult<B>> => {
    this.commits++;
    await this.gate;
    const outcome = this.outcomes.shift() ?? 'commit';
    if (outcome === 'fail') throw new FlowtollError('STORE_UNAVAILABLE', 'no space left on device');
    const written: B[] = [];
    const duplicates: B[] = [];
    const refused: B[] = [];
    const staged = new Map([...this.committed].map(([epoch, list]) => [epoch, [...list]]));
    const rows = new RowBuffer();
    for (const batch of batches) {
      const list = staged.get(batch.epoch) ?? [];
      if (batch.sequence <= list.length) duplicates.push(batch);
      else if (batch.sequence > list.length + 1) refused.push(batch);
      else {
        fill(batch, rows);
        staged.set(batch.epoch, [...list, `${batch.sequence}:${enriched.get(batch.epoch)}`]);
        written.push(batch);
      }
    }
    this.committed.clear();
    for (const [epoch, list] of staged) this.committed.set(epoch, list);
    if (outcome === 'commit, then fail') throw new FlowtollError('STORE_UNAVAILABLE', 'connection reset');
    return {
      committed: new Map(batches.map(({ epoch }) => [epoch, staged.get(epoch)?.length ?? 0])),
      written,
      duplicates,
      refused: refused.map((batch) => ({
        batch,
        expectedSequence: 0,
        error: new FlowtollError('BATCH_OUT_OF_ORDER', 'gap'),
      })),
      version: this.commits,
      rowCount: rows.rowCount,
    };
  };
}

/** Bytes, flows and losses, of the batch that was enriched last, by epoch. */
const enriched = new Map<string, number>();
/** Node whose batches cannot be enriched. */
let brokenNode: string | undefined;

/** Stands for enrichment: notes what arrived, emits no rows. */
const enricher: Enricher = {
  enrich(batch: FlowBatch) {
    if (batch.node === brokenNode && batch.count > 0) throw new Error('a defect of the enricher');
    let bytes = 0;
    for (let i = 0; i < batch.count; i++) bytes += batch.initiatorBytes[i]! + batch.responderBytes[i]!;
    for (const loss of batch.losses) bytes += loss.bytes ?? 0;
    enriched.set(batch.epoch, bytes);
    return { flows: batch.count, rows: 0, lossRows: 0, forwardedFlows: 0, guessedFlows: 0, unknownNodeFlows: 0 };
  },
};

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
/** The real delays, shortened: the order of events stays. */
const soon = (callback: () => void, delayMs: number) => {
  const timer = setTimeout(callback, Math.min(delayMs, 10));
  return () => clearTimeout(timer);
};

let table: TestTable;
let pipelines: Pipeline[];
let exporters: Exporter[];

beforeEach(() => {
  table = new TestTable();
  pipelines = [];
  exporters = [];
  brokenNode = undefined;
});

afterEach(async () => {
  for (const exporter of exporters) await exporter.stop(0);
  for (const pipeline of pipelines) await pipeline.stop().catch(() => undefined);
});

async function startPipeline(
  port = 0,
  limits: { heldBytesMax?: number } = {},
): Promise<{ pipeline: Pipeline; port: number }> {
  const pipeline = createPipeline(
    { listen: { host: '127.0.0.1', port }, commitIntervalMs: 10, batchAgeMaxMs: Number.POSITIVE_INFINITY, ...limits },
    {
      enricher,
      pricing: { price: () => undefined },
      table,
      log: silent,
      now: Date.now,
      random: Math.random,
      schedule: soon,
    },
  );
  pipelines.push(pipeline);
  return { pipeline, port: await pipeline.start() };
}

function startExporter(port: number, node = 'node-a', spoolId = SPOOL): Exporter {
  const exporter = createExporter(
    { aggregator: `127.0.0.1:${port}`, node, agentVersion: '0.1.0', spoolId, bootId: BOOT, queueBytes: 1 << 20 },
    { log: silent, schedule: soon },
  );
  exporters.push(exporter);
  exporter.start();
  return exporter;
}

/** Runs the event loop until it is so; the test's own time limit ends a wait in vain. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

const expected = (indices: number[], flows: number) =>
  indices.map((index) => `${index + 1}:${windowBytes(index, flows)}`);
const epochOf = (spool = SPOOL) => `${spool}.${BOOT}`;

test('a batch leaves the agent after its commit, never before', async () => {
  let open = () => {};
  table.gate = new Promise((resolve) => {
    open = resolve;
  });
  const { port } = await startPipeline();
  const exporter = startExporter(port);
  exporter.send(windowFlows(0, 5));
  exporter.send(windowFlows(1, 5));
  await until(() => table.commits === 1);
  expect(exporter.counters.batchesSent).toBe(2);
  expect(exporter.waiting.batches).toBe(2);
  open();
  await until(() => exporter.waiting.batches === 0);
  expect(table.committed.get(epochOf())).toEqual(expected([0, 1], 5));
});

test('after the aggregator died, exactly what it had not committed is sent again, and committed once', async () => {
  const { pipeline, port } = await startPipeline();
  const exporter = startExporter(port);
  exporter.send(windowFlows(0, 5));
  exporter.send(windowFlows(1, 5));
  await until(() => exporter.waiting.batches === 0);
  // From here on this aggregator's commits go nowhere: it is as good as dead once one of them has begun.
  table.gate = new Promise(() => undefined);
  const { commits } = table;
  exporter.send(windowFlows(2, 5));
  exporter.send(windowFlows(3, 5));
  await until(() => pipeline.held.batches === 2 && table.commits > commits);
  await pipeline.ingest.stop();
  pipelines.splice(0);
  table.gate = Promise.resolve();
  exporter.send(windowFlows(4, 5));
  await startPipeline(port);
  await until(() => exporter.waiting.batches === 0);
  expect(table.committed.get(epochOf())).toEqual(expected([0, 1, 2, 3, 4], 5));
  expect(exporter.counters.batchesSent).toBe(2 + 2 + 3);
});

test('a store that fails costs nothing but time', async () => {
  table.outcomes.push('fail', 'fail', 'commit');
  const { pipeline, port } = await startPipeline();
  const exporter = startExporter(port);
  exporter.send(windowFlows(0, 5));
  await until(() => exporter.waiting.batches === 0);
  expect(table.committed.get(epochOf())).toEqual(expected([0], 5));
  expect(pipeline.counters).toMatchObject({ failedCommits: 2, commits: 1 });
  expect(exporter.counters.connectionAttempts).toBe(1);
});

test('a commit whose answer was lost is not made twice', async () => {
  table.outcomes.push('commit, then fail', 'commit');
  const { pipeline, port } = await startPipeline();
  const exporter = startExporter(port);
  exporter.send(windowFlows(0, 5));
  await until(() => exporter.waiting.batches === 0);
  expect(table.committed.get(epochOf())).toEqual(expected([0], 5));
  expect(pipeline.counters.duplicates).toBe(1);
});

test('a batch of which no rows can be made is stored as a loss of its bytes, and holds up no other', async () => {
  brokenNode = 'node-a';
  const { pipeline, port } = await startPipeline();
  const otherSpool = SPOOL.replaceAll('1', '9');
  const broken = startExporter(port);
  const sound = startExporter(port, 'node-b', otherSpool);
  broken.send(windowFlows(0, 5));
  sound.send(windowFlows(0, 7));
  await until(() => broken.waiting.batches + sound.waiting.batches === 0);
  expect(table.committed.get(epochOf())).toEqual(expected([0], 5));
  expect(table.committed.get(epochOf(otherSpool))).toEqual(expected([0], 7));
  expect(pipeline.counters.lostBatches).toBe(1);
});

test('when the table is removed under both, flows go on in a new epoch', async () => {
  const { pipeline, port } = await startPipeline();
  const exporter = startExporter(port);
  exporter.send(windowFlows(0, 5));
  await until(() => exporter.waiting.batches === 0);
  table.committed.clear();
  exporter.send(windowFlows(1, 6));
  await until(() => exporter.waiting.batches === 0);
  expect([...table.committed]).toEqual([[exporter.epoch, [`1:${windowBytes(1, 6)}`]]]);
  expect(exporter.epoch).not.toBe(epochOf());
  expect(exporter.counters.epochRestarts).toBe(1);
  expect(pipeline.counters.refused).toBe(1);
});

test('an aggregator without room makes agents wait, and loses nothing', async () => {
  let open = () => {};
  table.gate = new Promise((resolve) => {
    open = resolve;
  });
  const { pipeline, port } = await startPipeline(0, { heldBytesMax: 3000 });
  const exporter = startExporter(port);
  const indices = Array.from({ length: 20 }, (_, i) => i);
  for (const index of indices) exporter.send(windowFlows(index, 10));
  await until(() => exporter.counters.batchesSent === 20 && pipeline.held.bytes >= 3000);
  const { batches } = pipeline.held;
  expect(batches).toBeLessThan(5);
  open();
  await until(() => exporter.waiting.batches === 0);
  expect(table.committed.get(epochOf())).toEqual(expected(indices, 10));
});

test('an aggregator that stops commits what it holds, and acknowledges it', async () => {
  table.gate = new Promise((resolve) => setImmediate(resolve));
  const { pipeline, port } = await startPipeline();
  const exporter = startExporter(port);
  exporter.send(windowFlows(0, 5));
  await until(() => pipeline.held.batches === 1);
  await pipeline.stop();
  pipelines.splice(0);
  await until(() => exporter.waiting.batches === 0);
  expect(table.committed.get(epochOf())).toEqual(expected([0], 5));
});
