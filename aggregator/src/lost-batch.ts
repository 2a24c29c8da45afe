// Batches that say that something is missing, in the place of what is: a batch that this aggregator cannot turn into rows,
// and all that vanished with a node.
import type { FlowBatch } from './model/flow-batch.ts';
import type { VanishedEpoch } from './table/flow-table.ts';

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

/** One loss of a number of bytes that nobody knows, from when the node's traffic may be missing until now. */
export function vanishedBatch({ node, epoch, knownSequence, missingSinceMs }: VanishedEpoch, nowMs: number): FlowBatch {
  const windowStartUs = missingSinceMs * 1000;
  const windowEndUs = Math.max(nowMs * 1000, windowStartUs + 1);
  const unknown = { entries: undefined, bytes: undefined, bytesMax: undefined };
  return {
    node,
    epoch,
    sequence: knownSequence,
    windowStartUs,
    windowEndUs,
    losses: [{ reason: 'node-vanished', ...unknown, startUs: windowStartUs, endUs: windowEndUs }],
    ...NO_FLOWS,
  };
}

const NO_32 = new Uint32Array(0);
const NO_64 = new Float64Array(0);
const NO_FLOWS = {
  count: 0,
  addressNumbers: NO_32,
  addressTexts: [],
  initiator: NO_32,
  responder: NO_32,
  originalDestination: NO_32,
  originalDestinationPort: NO_32,
  translatedSource: NO_32,
  protocol: new Uint8Array(0),
  responderPort: NO_32,
  initiatorBytes: NO_64,
  initiatorPackets: NO_64,
  responderBytes: NO_64,
  responderPackets: NO_64,
  connections: NO_32,
  folded: undefined,
} satisfies Partial<FlowBatch>;
