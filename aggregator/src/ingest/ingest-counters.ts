// What the ingest counts. Every message that is not taken is counted under a reason.
import type { AgentRefusal } from '../model/agent-identity.ts';
import type { RejectReason } from './invalid-message.ts';

/** Counts since the start of the process. */
export interface IngestCounters {
  streamsOpened: number;
  batches: number;
  flows: number;
  /** Bytes of accepted batches as they were sent. */
  wireBytes: number;
  /** Batches that came again: in the table already, or waiting for their commit. */
  duplicates: number;
  /** Messages that were not taken, by reason. */
  readonly rejected: Map<RejectReason, number>;
  /** Streams that were refused or ended because of who opened them, by reason. */
  readonly refused: Map<AgentRefusal, number>;
  /** Streams that were not read for a while, because they had brought more than their window without waiting. */
  overWindow: number;
  /** Streams that ended because another one of their epoch took over. */
  superseded: number;
  /** Streams that broke off: the agent or the connection is gone, or a message was over the limit of grpc-js itself. */
  brokenOff: number;
  /** Hellos whose clock was off by so much that somebody should look after it. */
  largeClockOffsets: number;
  /** Batches whose times were moved, because the agent's clock was off. */
  movedBatches: number;
}

/** All zero. */
export function createIngestCounters(): IngestCounters {
  return {
    streamsOpened: 0,
    batches: 0,
    flows: 0,
    wireBytes: 0,
    duplicates: 0,
    rejected: new Map(),
    refused: new Map(),
    overWindow: 0,
    superseded: 0,
    brokenOff: 0,
    largeClockOffsets: 0,
    movedBatches: 0,
  };
}

/** Adds one to a reason. */
export function countRejected(counters: IngestCounters, reason: RejectReason): void {
  counters.rejected.set(reason, (counters.rejected.get(reason) ?? 0) + 1);
}
