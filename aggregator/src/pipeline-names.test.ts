// What waiting for names means for a commit: no row is made before it ends, nothing is acknowledged before the commit, and a
// process that ends waits for nobody. Everything beside the pipeline is played.
import { expect, test } from 'vitest';
import { batchOf } from './enrich/testing.ts';
import type { IngestServer } from './ingest/ingest-server.ts';
import type { BatchSink } from './ingest/ingest-stream.ts';
import type { FlowBatch } from './model/flow-batch.ts';
import { createPipeline } from './pipeline.ts';
import type { FlowTable } from './table/flow-table.ts';

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

function setup() {
  const happened: string[] = [];
  let sink: BatchSink | undefined;
  let settle: () => void = () => undefined;
  let isStopped = false;
  const ingest = {
    streams: { open: 1, waiting: 1 },
    acknowledge: (epoch: string, sequence: number) => happened.push(`acknowledge ${epoch} ${sequence}`),
    stopTaking: () => undefined,
    stop: () => Promise.resolve(),
    throttle: () => undefined,
  };
  const table: Partial<FlowTable> = {
    async commit(batches, fill) {
      for (const batch of batches) fill(batch, { append: () => undefined } as never);
      happened.push('commit');
      const committed = new Map(batches.map(({ epoch, sequence }) => [epoch, sequence]));
      return { committed, written: [...batches], duplicates: [], refused: [], version: 1, rowCount: 0 };
    },
    close: () => Promise.resolve(),
  };
  const pipeline = createPipeline(
    { listen: { host: '', port: 0 }, commitIntervalMs: 1, commitBytes: 1 },
    {
      enricher: {
        enrich: () => {
          happened.push('rows');
          return { flows: 0, rows: 0, lossRows: 0, forwardedFlows: 0, guessedFlows: 0, unknownNodeFlows: 0 };
        },
      },
      names: {
        settled(batches: readonly FlowBatch[]) {
          happened.push(`wait for ${batches.length}`);
          return isStopped ? Promise.resolve() : new Promise<void>((resolve) => (settle = resolve));
        },
        stop() {
          happened.push('stop waiting');
          isStopped = true;
          settle();
        },
      },
      pricing: { price: () => undefined },
      table: table as FlowTable,
      log: silent,
      now: () => 0,
      random: () => 0,
      createIngest: (_, dependencies) => {
        sink = dependencies.sink;
        return ingest as unknown as IngestServer;
      },
    },
  );
  return { pipeline, happened, put: () => sink!.put(batchOf('n1', [])), settle: () => settle() };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('rows are made after the wait, and acknowledged after the commit', async () => {
  const { pipeline, happened, put, settle } = setup();
  put();
  await turn();
  expect(happened).toEqual(['wait for 1']);
  expect(pipeline.held.batches).toBe(1);
  settle();
  await turn();
  expect(happened).toEqual(['wait for 1', 'rows', 'commit', 'acknowledge spool.boot 1']);
  expect(pipeline.held.batches).toBe(0);
  await pipeline.stop();
});

test('a process that ends commits at once what waits', async () => {
  const { pipeline, happened, put } = setup();
  put();
  await turn();
  await pipeline.stop();
  expect(happened).toEqual(['wait for 1', 'stop waiting', 'rows', 'commit', 'acknowledge spool.boot 1']);
});
