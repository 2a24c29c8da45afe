// An agent's clock against ours. Hello says what the agent's clock was; what we see is that plus the time that Hello was under
// way, so an agent is at least as far ahead as it seems, and at most as far behind. Windows are moved by what is seen where
// it matters, and never end in our future. Pure.
import type { FlowBatch } from '../model/flow-batch.ts';
import { InvalidMessageError } from './invalid-message.ts';

/** Below it nothing is moved: a connection takes about as long to come up, and windows are a minute long. */
export const OFFSET_CORRECTED_MS = 2000;
/** From it on the offset is counted and logged as large: somebody should look after the node's clock. */
export const OFFSET_LARGE_MS = 10_000;
/** A batch that ends later than this after now is no matter of clocks. */
const FUTURE_MAX_MS = 86_400_000;

/** What was done to a batch's times. */
export interface CorrectedBatch {
  readonly batch: FlowBatch;
  /** By how much its times were moved, in ms; 0 when they are as the agent gave them. */
  readonly movedMs: number;
}

/**
 * How far the agent's clock is ahead of ours, in ms, as far as one message tells; 0 when it does not say.
 * @param sentMs the agent's clock when it made the message, ms since the Unix epoch
 * @param receivedMs our clock when the message came
 */
export function clockOffsetMs(sentMs: number | undefined, receivedMs: number): number {
  return sentMs === undefined ? 0 : sentMs - receivedMs;
}

/**
 * The batch by our clock. Throws InvalidMessageError `future` or `too-old`.
 * @param offsetMs how far the agent's clock was ahead when it said Hello
 * @param nowMs our clock
 * @param ageMaxMs age from which on nobody knows whether the batch is in the table already
 */
export function correctBatch(batch: FlowBatch, offsetMs: number, nowMs: number, ageMaxMs: number): CorrectedBatch {
  let movedMs = Math.abs(offsetMs) < OFFSET_CORRECTED_MS ? 0 : -Math.round(offsetMs);
  const endMs = batch.windowEndUs / 1000;
  const aheadMs = endMs + movedMs - nowMs;
  if (aheadMs > FUTURE_MAX_MS) {
    throw new InvalidMessageError(
      'future',
      `batch ${batch.sequence} ends at ${iso(endMs)}, and it is ${iso(nowMs)} here: set the clock of node ${batch.node}`,
    );
  }
  // A clock that was set after Hello, or before the batch was made: it cannot have ended later than now.
  if (aheadMs >= OFFSET_CORRECTED_MS) movedMs -= Math.round(aheadMs);
  const ageMs = nowMs - (endMs + movedMs);
  if (ageMs > ageMaxMs) {
    throw new InvalidMessageError(
      'too-old',
      `batch ${batch.sequence} ends at ${iso(endMs)}, more than ${Math.round(ageMaxMs / 86_400_000)} days ago: the table ` +
        'may no longer know whether it is in (for recordings: --max-batch-age none)',
    );
  }
  return { batch: movedMs === 0 ? batch : moved(batch, movedMs * 1000), movedMs };
}

function moved(batch: FlowBatch, byUs: number): FlowBatch {
  return {
    ...batch,
    windowStartUs: batch.windowStartUs + byUs,
    windowEndUs: batch.windowEndUs + byUs,
    losses: batch.losses.map((loss) => ({ ...loss, startUs: loss.startUs + byUs, endUs: loss.endUs + byUs })),
  };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
