// Which rows the series have: those of batches that a commit has written, once, however often it was tried. The table is played.
import { expect, test } from 'vitest';
import { batchOf } from './enrich/testing.ts';
import type { IngestServer } from './ingest/ingest-server.ts';
import type { BatchSink } from './ingest/ingest-stream.ts';
import type { FlowBatch } from './model/flow-batch.ts';
import type { FlowRow } from './model/flow-row.ts';
import { createPipeline } from './pipeline.ts';
import { createFlowSeries } from './series/flow-series.ts';
import { parseSeries } from './series/read.ts';
import { flowRow } from './table/flow-row.testing.ts';
import type { FlowTable } from './table/flow-table.ts';

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

test('lost races, failures and duplicates are not in the series', async () => {
  const series = createFlowSeries(parseSeries('{"version":1,"sets":[{"name":"n","labels":["node"]}]}', 'test'));
  const counted = () =>
    Object.fromEntries([...series.sets[1]!.entries()].map(([[node], { txBytes }]) => [node!, txBytes]));
  let attempt = 0;
  const fillAll = (batches: readonly FlowBatch[], fill: (batch: never, rows: never) => void) => {
    for (const batch of batches) fill(batch as never, { append: () => undefined } as never);
  };
  const table: Partial<FlowTable> = {
    async commit(batches, fill) {
      attempt++;
      fillAll(batches as never, fill as never);
      if (attempt === 1) throw new Error('the store is away');
      // A race is lost, and rows are made again; by then another replica has the first one.
      fillAll(batches as never, fill as never);
      const isOurs = ({ node }: { node?: string }) => node !== 'n1';
      const [written, duplicates] = [true, false].map((ours) =>
        batches.filter((batch) => isOurs(batch as never) === ours),
      );
      return {
        ...{ committed: new Map(), written: written!, duplicates: duplicates!, refused: [] },
        ...{ version: attempt, rowCount: 0 },
      };
    },
    close: () => Promise.resolve(),
  };
  let sink: BatchSink | undefined;
  const ingest = { streams: { open: 1, waiting: 1 }, acknowledge: () => {}, stopTaking: () => {}, throttle: () => {} };
  const pipeline = createPipeline(
    { listen: { host: '', port: 0 }, commitIntervalMs: 1 },
    {
      enricher: {
        enrich(batch: FlowBatch, take: (row: FlowRow) => void) {
          take(flowRow({ node: batch.node, trafficClass: 'same-zone', txBytes: 5 }));
          take(flowRow({ node: batch.node, trafficClass: 'encapsulation', txBytes: 5 }));
          return { flows: 0, rows: 0, lossRows: 0, forwardedFlows: 0, guessedFlows: 0, unknownNodeFlows: 0 };
        },
      },
      ...{ pricing: { price: () => undefined }, table: table as FlowTable, log: silent, now: () => 0, random: () => 0 },
      series,
      createIngest: (_, dependencies) => {
        sink = dependencies.sink;
        return { ...ingest, stop: () => Promise.resolve() } as unknown as IngestServer;
      },
    },
  );
  for (const node of ['n1', 'n2', 'n3']) sink!.put(batchOf(node, []));
  await expect.poll(() => attempt === 2 && pipeline.held.batches === 0, { timeout: 10_000, interval: 5 }).toBe(true);
  expect(counted()).toEqual({ n2: 5, n3: 5 });
  expect(pipeline.counters.duplicates).toBe(1);
  await pipeline.stop();
});
