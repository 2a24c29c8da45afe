// Rows of many agents as the product makes them, for what is measured over rows alone.
import { batchRequest } from '@flowtoll/agent/exporter/ingest-link.ts';
import { copyOfRow } from '@flowtoll/aggregator/model/blank-row.ts';
import type { FlowRow } from '@flowtoll/aggregator/model/flow-row.ts';
import { loadTopologyFile } from '@flowtoll/aggregator/topology/file-topology.ts';
import { batchBytes, readBatchFile } from './batch-file.ts';
import { batchOf, createRowsOf } from './product-rows.ts';

/** About so many flows, as rows; a function of its own, so that what it needed is garbage before anything is measured. */
export function takeRows(topology: string, batches: string, flows: number): FlowRow[] {
  const rowsOf = createRowsOf(loadTopologyFile(topology).source);
  const rows: FlowRow[] = [];
  for (const agent of readBatchFile(batches)) {
    if (rows.length >= flows) break;
    const batch = batchOf(agent, batchRequest(batchBytes(agent, 1, Date.UTC(2026, 0, 31))));
    rowsOf(batch, (row) => rows.push(copyOfRow(row)));
  }
  return rows;
}
