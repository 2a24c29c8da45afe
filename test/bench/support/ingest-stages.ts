// What a commit costs, stage by stage, in a process of its own: the product's functions in the product's order, one commit for
// each line of input, with nothing beside them, so that the CPU of the process between two points is the stage's, its garbage
// collections with it. Receiving (gRPC) is not in it. A line `split` asks for a commit that tells what names alone cost: it makes
// each row twice, first without columns, so its other figures are of no use: caches are warm by then, and garbage is double.
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { batchRequest } from '@flowtoll/agent/exporter/ingest-link.ts';
import { freeColumns } from '@flowtoll/aggregator/model/flow-batch.ts';
import { keepHeapSmall } from '@flowtoll/aggregator/release-memory.ts';
import { openStore } from '@flowtoll/aggregator/store/open-store.ts';
import { openFlowTable } from '@flowtoll/aggregator/table/flow-table.ts';
import { loadTopologyFile } from '@flowtoll/aggregator/topology/file-topology.ts';
import { freeBytes } from '@flowtoll/proto';
import { batchBytes, type PreparedAgent, readBatchFile } from './batch-file.ts';
import { batchOf, createRowsOf } from './product-rows.ts';
import { TimedStore } from './timed-store.ts';

/** CPU of one commit, µs. */
export interface StageCosts {
  readonly flows: number;
  readonly rows: number;
  readonly decode: number;
  /** Names, class and price of each row, and its place in the columns of the commit. */
  readonly fill: number;
  /** Names, class and price alone; 0 where the commit was not split. */
  readonly enrich: number;
  /** Sorting, encoding, statistics. */
  readonly parquet: number;
  readonly upload: number;
}

const { values } = parseArgs({
  options: {
    store: { type: 'string' },
    topology: { type: 'string' },
    batches: { type: 'string' },
    flows: { type: 'string' },
  },
});

// As serve does.
const memory = keepHeapSmall();
const agents = readBatchFile(values.batches!);
const rowsOf = createRowsOf(loadTopologyFile(values.topology!).source);
const store = new TimedStore(await openStore(values.store!));
const table = await openFlowTable(store, { cluster: 'bench', clock: Date.now });
// All windows of one day: a commit is one file.
const startMs = Math.floor(Date.now() / 86_400_000) * 86_400_000;
const sequences = new Map<PreparedAgent, number>();
let turn = 0;

for await (const line of createInterface({ input: process.stdin })) {
  const costs = await measureCommit(takeMessages(Number(values.flows)), line === 'split');
  process.stdout.write(`${JSON.stringify(costs)}\n`);
}
await table.close();

interface Message {
  readonly agent: PreparedAgent;
  readonly bytes: Buffer;
}

/** The next batches of the agents in turn, about so many flows together. */
function takeMessages(flows: number): Message[] {
  const messages: Message[] = [];
  for (let taken = 0; taken < flows; turn++) {
    const agent = agents[turn % agents.length]!;
    const sequence = (sequences.get(agent) ?? 0) + 1;
    sequences.set(agent, sequence);
    messages.push({ agent, bytes: batchRequest(batchBytes(agent, sequence, startMs)) });
    taken += agent.batches[sequence % agent.batches.length]!.flowCount;
  }
  return messages;
}

async function measureCommit(messages: readonly Message[], isSplit: boolean): Promise<StageCosts> {
  const started = process.cpuUsage();
  const batches = messages.map(({ agent, bytes }) => {
    const batch = batchOf(agent, bytes);
    freeBytes(bytes);
    return batch;
  });
  const decode = since(started);
  let enrich = 0;
  let fill = 0;
  store.cpuUs = 0;
  const before = process.cpuUsage();
  const { rowCount } = await table.commit(batches, (batch, rows) => {
    if (isSplit) {
      // With rows that go nowhere: between two rows a clock would cost more than they do.
      const beforeEnrich = process.cpuUsage();
      rowsOf(batch, () => undefined);
      enrich += since(beforeEnrich);
    }
    const beforeFill = process.cpuUsage();
    rowsOf(batch, (row) => rows.append(row));
    fill += since(beforeFill);
  });
  const flows = batches.reduce((sum, { count }) => sum + count, 0);
  for (const batch of batches) freeColumns(batch);
  memory.ifGrown();
  const whole = since(before);
  return {
    flows,
    rows: rowCount,
    ...{ decode, fill, enrich, parquet: whole - enrich - fill - store.cpuUs, upload: store.cpuUs },
  };
}

function since(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return user + system;
}
