// A batch that this aggregator cannot turn into rows, as a batch that says so: its bytes are in the table as a loss.
import type { FlowBatch } from './model/flow-batch.ts';

/** The same name and losses, no flows, and one more loss that holds the bytes of the flows. */
export function lostBatch(batch: FlowBatch): FlowBatch {
  let bytes = 0;
  for (let i = 0; i < batch.count; i++) bytes += batch.initiatorBytes[i]! + batch.responderBytes[i]!;
  const loss = {
    reason: 'rejected',
    entries: undefined,
    bytes: Number.isSafeInteger(bytes) ? bytes : undefined,
    bytesMax: undefined,
    startUs: batch.windowStartUs,
    endUs: batch.windowEndUs,
  };
  return { ...batch, count: 0, losses: [...batch.losses, loss] };
}
