// Which nodes agents speak for, as the pipeline knows it: by the log, and by who has said Hello here and is not in the log yet.
import { expect, test } from 'vitest';
import { batchOf } from './enrich/testing.ts';
import type { IngestServer } from './ingest/ingest-server.ts';
import type { BatchSink } from './ingest/ingest-stream.ts';
import { createPipeline } from './pipeline.ts';
import type { FlowTable } from './table/flow-table.ts';

const NOW_MS = 1_000_000;
const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

function setup() {
  const connected = new Set<string>();
  let sink: BatchSink | undefined;
  const commit = Promise.withResolvers<never>();
  const table: Partial<FlowTable> = {
    nodesHeard: async () => new Map([['n0', 1]]),
    commit: () => commit.promise,
    close: () => Promise.resolve(),
  };
  const ingest: Partial<IngestServer> = {
    streams: { open: 0, waiting: 0 },
    isKnown: (epoch) => connected.has(epoch),
    throttle: () => undefined,
    stopTaking: () => undefined,
    stop: () => Promise.resolve(),
  };
  const pipeline = createPipeline(
    { listen: { host: '', port: 0 }, commitIntervalMs: 1, commitBytes: 1 },
    {
      enricher: {
        enrich: () => ({ flows: 0, rows: 0, lossRows: 0, forwardedFlows: 0, guessedFlows: 0, unknownNodeFlows: 0 }),
      },
      ...{ pricing: { price: () => undefined }, table: table as FlowTable },
      ...{ log: silent, now: () => NOW_MS, random: () => 0, schedule: () => () => undefined },
      createIngest: (_, dependencies) => {
        sink = dependencies.sink;
        return ingest as IngestServer;
      },
    },
  );
  return {
    ...{ pipeline, connected, commit },
    heard: async () => Object.fromEntries(await pipeline.nodesHeard()),
    hello: (node: string, epoch: string) => {
      connected.add(epoch);
      sink!.note?.({ kind: 'announced', epoch, node, sequence: 0 });
    },
    put: () => sink!.put(batchOf('n1', [])),
  };
}

test('an agent that has said Hello is heard of before its first commit, during it, and after it has failed', async () => {
  const { commit, heard, hello, put } = setup();
  hello('n1', 'one');
  expect(await heard()).toEqual({ n0: 1, n1: NOW_MS });
  put();
  await Promise.resolve();
  expect(await heard()).toEqual({ n0: 1, n1: NOW_MS });
  commit.reject(new Error('the store is away'));
  await new Promise((resolve) => setImmediate(resolve));
  expect(await heard()).toEqual({ n0: 1, n1: NOW_MS });
});

test('one that has gone again is not', async () => {
  const { connected, heard, hello } = setup();
  hello('n1', 'one');
  hello('n2', 'two');
  connected.delete('one');
  expect(await heard()).toEqual({ n0: 1, n2: NOW_MS });
});
