// The floor of the ingest benchmark, in a process of its own: the rows of a commit, in columns and in order, as Parquet, again
// and again, one file for each line of input.
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { takeRows } from './floor-rows.ts';
import { createParquetFloor, inFileOrder } from './parquet-floor.ts';

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

const encode = await createParquetFloor(inFileOrder(takeRows(values.topology!, values.batches!, Number(values.flows))));

for await (const _ of createInterface({ input: process.stdin })) {
  const before = process.cpuUsage();
  const rows = await encode(join(values.scratch!, 'floor.parquet'));
  const { user, system } = process.cpuUsage(before);
  process.stdout.write(`${JSON.stringify({ rows, cpuUs: user + system } satisfies FloorCost)}\n`);
}
