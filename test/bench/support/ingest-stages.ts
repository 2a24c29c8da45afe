// What a commit costs, stage by stage, in a process of its own: the product's functions in the product's order, one commit at
// a time, with nothing beside them, so that the CPU of the process between two points is the stage's. Beside each commit the
// floor: its rows as Parquet alone. Receiving (gRPC) is not in it. Prints a JSON object a round.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { batchRequest } from '@flowtoll/agent/exporter/ingest-link.ts';
import { createEnricher } from '@flowtoll/aggregator/enrich/enricher.ts';
import { decodeRequest } from '@flowtoll/aggregator/ingest/decode-request.ts';
import { batchFromProto } from '@flowtoll/aggregator/ingest/from-proto.ts';
import type { FlowBatch } from '@flowtoll/aggregator/model/flow-batch.ts';
import type { FlowRow } from '@flowtoll/aggregator/model/flow-row.ts';
import { defaultPriceBooks } from '@flowtoll/aggregator/pricing/default-books.ts';
import { createPricer } from '@flowtoll/aggregator/pricing/pricer.ts';
import { createClassifier } from '@flowtoll/aggregator/pricing/traffic-class.ts';
import { openStore } from '@flowtoll/aggregator/store/open-store.ts';
import { openFlowTable } from '@flowtoll/aggregator/table/flow-table.ts';
import { loadTopologyFile } from '@flowtoll/aggregator/topology/file-topology.ts';
import { batchBytes, type PreparedAgent, readBatchFile } from './batch-file.ts';
import { createParquetFloor, inFileOrder } from './parquet-floor.ts';
import { TimedStore } from './timed-store.ts';

/** CPU of one commit, µs. */
export interface StageCosts {
  readonly flows: number;
  readonly rows: number;
  readonly decode: number;
  readonly enrich: number;
  /** Appending to the columns of the commit. */
  readonly columns: number;
  /** Sorting, encoding, statistics. */
  readonly parquet: number;
  readonly upload: number;
  /** The rows as Parquet alone. */
  readonly floor: number;
}

const { values } = parseArgs({
  options: {
    store: { type: 'string' },
    topology: { type: 'string' },
    batches: { type: 'string' },
    rounds: { type: 'string' },
    flows: { type: 'string' },
    scratch: { type: 'string' },
  },
});

const agents = readBatchFile(values.batches!);
const { source } = loadTopologyFile(values.topology!);
const books = defaultPriceBooks();
const enricher = createEnricher({ topology: source, cluster: 'bench' });
const classify = createClassifier({ books, inClusterRanges: (address) => source.snapshot().inClusterRanges(address) });
const pricer = createPricer({ books });
const store = new TimedStore(await openStore(values.store!));
const table = await openFlowTable(store, { cluster: 'bench', clock: Date.now });
const startMs = Math.floor(Date.now() / 86_400_000) * 86_400_000;
const sequences = new Map<PreparedAgent, number>();
let turn = 0;

for (let round = 0; round < Number(values.rounds); round++) {
  process.stdout.write(`${JSON.stringify(await measureCommit(takeMessages(Number(values.flows))))}\n`);
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
    // All windows of one day: a commit is one file.
    messages.push({ agent, bytes: batchRequest(batchBytes(agent, sequence, startMs)) });
    taken += agent.batches[sequence % agent.batches.length]!.flowCount;
  }
  return messages;
}

async function measureCommit(messages: readonly Message[]): Promise<StageCosts> {
  const batches: FlowBatch[] = [];
  const decode = cpuOf(() => {
    for (const { agent, bytes } of messages) batches.push(decoded(agent, bytes));
  });
  const enrich = cpuOf(() => {
    for (const batch of batches) rowsOf(batch, () => undefined);
  });
  let fill = 0;
  store.cpuUs = 0;
  const before = process.cpuUsage();
  const { rowCount } = await table.commit(batches, (batch, rows) => {
    fill += cpuOf(() => rowsOf(batch, (row) => rows.append(row)));
  });
  const { user, system } = process.cpuUsage(before);
  const upload = store.cpuUs;
  return {
    flows: batches.reduce((sum, { count }) => sum + count, 0),
    rows: rowCount,
    ...{ decode, enrich, columns: fill - enrich, upload, parquet: user + system - fill - upload },
    floor: await floorOf(batches),
  };
}

function decoded({ node, epoch }: PreparedAgent, bytes: Buffer): FlowBatch {
  const request = decodeRequest(bytes);
  if (request.kind !== 'batch') throw new Error(`a batch was expected, not ${request.kind}`);
  return batchFromProto(request.batch, request.columns, { node, epoch, version: 'bench', lastSequence: 0 });
}

function rowsOf(batch: FlowBatch, emit: (row: FlowRow) => void): void {
  enricher.enrich(batch, (row) => {
    classify(row);
    pricer.price(row);
    emit(row);
  });
}

async function floorOf(batches: readonly FlowBatch[]): Promise<number> {
  const rows: FlowRow[] = [];
  for (const batch of batches) rowsOf(batch, (row) => rows.push({ ...row }));
  const encode = await createParquetFloor(inFileOrder(rows));
  const before = process.cpuUsage();
  await encode(join(values.scratch!, 'floor.parquet'));
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

function cpuOf(task: () => void): number {
  const before = process.cpuUsage();
  task();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}
