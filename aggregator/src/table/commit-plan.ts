// Which batches may commit: the fence. Pure; the pipeline's safety against gaps and doubles is decided here.
import { FlowtollError } from '../model/errors.ts';

/** A batch that waits for its commit. (epoch, sequence) names it for ever. */
export interface PendingBatch {
  readonly epoch: string;
  /** From 1, without gaps in its epoch. */
  readonly sequence: number;
}

/** A batch that does not follow the one before it. */
export interface RefusedBatch<B extends PendingBatch = PendingBatch> {
  readonly batch: B;
  /** The sequence that may commit next in its epoch. */
  readonly expectedSequence: number;
  /** BATCH_OUT_OF_ORDER. */
  readonly error: FlowtollError;
}

export interface CommitPlan<B extends PendingBatch> {
  /** To be written: per epoch a run that continues what is committed; ordered within each epoch. */
  readonly accepted: readonly B[];
  /** Already in the table, or twice in the call. */
  readonly duplicates: readonly B[];
  readonly refused: readonly RefusedBatch<B>[];
  /** Per epoch named in the call: the highest sequence in the table once the accepted ones are in. */
  readonly highest: ReadonlyMap<string, number>;
}

/** Plans the commit of `batches` on a table whose highest sequence of an epoch is `committed(epoch)`. */
export function planCommit<B extends PendingBatch>(
  batches: readonly B[],
  committed: (epoch: string) => number,
): CommitPlan<B> {
  const highest = new Map<string, number>();
  const accepted: B[] = [];
  const duplicates: B[] = [];
  const refused: RefusedBatch<B>[] = [];
  for (const batch of batches.toSorted((a, b) => a.sequence - b.sequence)) {
    const { epoch, sequence } = batch;
    const last = highest.get(epoch) ?? committed(epoch);
    if (sequence === last + 1) {
      accepted.push(batch);
      highest.set(epoch, sequence);
      continue;
    }
    highest.set(epoch, last);
    if (sequence <= last) {
      duplicates.push(batch);
    } else {
      refused.push({ batch, expectedSequence: last + 1, error: outOfOrder(batch, last + 1) });
    }
  }
  return { accepted, duplicates, refused, highest };
}

function outOfOrder(batch: PendingBatch, expectedSequence: number): FlowtollError {
  return new FlowtollError(
    'BATCH_OUT_OF_ORDER',
    `batch ${batch.sequence} of epoch ${batch.epoch} cannot be committed before batch ${expectedSequence}: ` +
      'the agent must send its batches in order, beginning with the oldest that was not acknowledged',
  );
}
