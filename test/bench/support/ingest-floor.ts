// The floor of the ingest benchmark, in a process of its own: the rows of a commit, in columns and in order, as Parquet, again
// and again, one file for each line of input.
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { batchRequest } from '@flowtoll/agent/exporter/ingest-link.ts';
import type { FlowRow } from '@flowtoll/aggregator/model/flow-row.ts';
import { loadTopologyFile } from '@flowtoll/aggregator/topology/file-topology.ts';
import { batchBytes, readBatchFile } from './batch-file.ts';
import { createParquetFloor, inFileOrder } from './parquet-floor.ts';
import { batchOf, createRowsOf } from './product-rows.ts';

/** CPU of one file, µs. */
export interface FloorCost {
  readonly rows: number;
  readonly cpuUs: number;
}

const { values } = parseArgs({
  options: {
    topology: { type: 'string' },
    batches: { type: 'string' },
    flows: { type: 'string' },
    scratch: { type: 'string' },
  },
});

const encode = await createParquetFloor(inFileOrder(takeRows(Number(values.flows))));

for await (const _ of createInterface({ input: process.stdin })) {
  const before = process.cpuUsage();
  const rows = await encode(join(values.scratch!, 'floor.parquet'));
  const { user, system } = process.cpuUsage(before);
  process.stdout.write(`${JSON.stringify({ rows, cpuUs: user + system } satisfies FloorCost)}\n`);
}

/** About so many flows, as rows; a function of its own, so that what it needed is garbage before anything is measured. */
function takeRows(flows: number): FlowRow[] {
  const rowsOf = createRowsOf(loadTopologyFile(values.topology!).source);
  const rows: FlowRow[] = [];
  for (const agent of readBatchFile(values.batches!)) {
    if (rows.length >= flows) break;
    const batch = batchOf(agent, batchRequest(batchBytes(agent, 1, Date.UTC(2026, 0, 31))));
    rowsOf(batch, (row) => rows.push({ ...row }));
  }
  return rows;
}
