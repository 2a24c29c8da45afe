// The product's own way from the bytes of a message to priced rows, without the server and the table around it.
import { createEnricher } from '@flowtoll/aggregator/enrich/enricher.ts';
import { decodeRequest } from '@flowtoll/aggregator/ingest/decode-request.ts';
import { batchFromProto } from '@flowtoll/aggregator/ingest/from-proto.ts';
import type { FlowBatch } from '@flowtoll/aggregator/model/flow-batch.ts';
import type { FlowRow } from '@flowtoll/aggregator/model/flow-row.ts';
import type { TopologySource } from '@flowtoll/aggregator/model/topology.ts';
import { defaultPricing } from '@flowtoll/aggregator/pricing/config/read.ts';
import { createPricing } from '@flowtoll/aggregator/pricing/pricing.ts';

/** A validated batch of an agent from the bytes of an IngestRequest. */
export function batchOf({ node, epoch }: { readonly node: string; readonly epoch: string }, bytes: Buffer): FlowBatch {
  const request = decodeRequest(bytes);
  if (request.kind !== 'batch') throw new Error(`a batch was expected, not ${request.kind}`);
  return batchFromProto(request.batch, request.columns, { node, epoch, version: 'bench', lastSequence: 0 });
}

/** Emits the rows of a batch; the row is used again. */
export type RowsOf = (batch: FlowBatch, emit: (row: FlowRow) => void) => void;

export function createRowsOf(topology: TopologySource): RowsOf {
  const enricher = createEnricher({ topology, cluster: 'bench' });
  const pricing = createPricing({
    ...defaultPricing(),
    inClusterRanges: (ip) => topology.snapshot().inClusterRanges(ip),
  });
  return (batch, emit) => {
    enricher.enrich(batch, (row) => {
      pricing.price(row);
      emit(row);
    });
  };
}
