// The seams at which the product's parts meet the simulated world. By default each is the product's own; a mutant breaks one.
import { randomUUID } from 'node:crypto';
import type { OpenLink } from '@flowtoll/agent/exporter/ingest-link.ts';
import { createIngestStreams } from '@flowtoll/aggregator/ingest/ingest-streams.ts';
import type { ObjectStore } from '@flowtoll/aggregator/store/store.ts';
import { planCommit } from '@flowtoll/aggregator/table/commit-plan.ts';
import { DeltaLog } from '@flowtoll/aggregator/table/delta-log.ts';
import { PROTOCOL } from '@flowtoll/aggregator/table/protocol.ts';
import { deltaSchemaString } from '@flowtoll/aggregator/table/schema.ts';
import { type ChooseBaseline, type Kernel, namedBySpool } from './kernel.ts';
import { TABLE_ROOT } from './table-view.ts';

export interface Parts {
  /** The fence. */
  readonly plan: typeof planCommit;
  readonly openLog: (store: ObjectStore) => DeltaLog;
  readonly createStreams: typeof createIngestStreams;
  /** Between the exporter and the network. */
  readonly throughLink: (open: OpenLink) => OpenLink;
  /** Name of the kernel's next life; `fresh` was never used. */
  readonly nextBootId: (previous: string, fresh: string) => string;
  /** As the agent's `run` asks the baseline. */
  readonly goesOnFrom: (kernel: Kernel, checkpoint: string | undefined) => boolean;
  /** Part of the simulation's own model of the accounting. */
  readonly chooseBaseline: ChooseBaseline;
}

/** The product. */
export const PRODUCT: Parts = {
  plan: planCommit,
  openLog: (store) => new DeltaLog(store, TABLE_ROOT),
  createStreams: createIngestStreams,
  throughLink: (open) => open,
  nextBootId: (_previous, fresh) => fresh,
  goesOnFrom: (kernel, checkpoint) =>
    checkpoint === undefined ? !kernel.wasAccounted : kernel.baselines.has(Number(checkpoint)),
  chooseBaseline: namedBySpool,
};

/** The first entry of the table's log. */
export function firstEntry(createdTime: number): Uint8Array {
  const metaData = {
    id: randomUUID(),
    format: { provider: 'parquet', options: {} },
    schemaString: deltaSchemaString(),
    partitionColumns: [],
    configuration: {},
    createdTime,
  };
  return Buffer.from(`${JSON.stringify({ protocol: PROTOCOL })}\n${JSON.stringify({ metaData })}\n`);
}
