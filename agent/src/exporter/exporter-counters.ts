// What exporters count; a process that sends several epochs has them count into one.

/** Counts since the start of the process. */
export interface ExporterCounters {
  /** Windows handed in. */
  windows: number;
  /** Flows handed in. */
  flows: number;
  /** Batches written to a stream, each time. */
  batchesSent: number;
  batchesAcknowledged: number;
  /** Batches whose flows became a loss, by reason; `set-aside`: they waited for a later version, and there was no room. */
  readonly batchesLost: Record<'queue-full' | 'rejected' | 'unencodable' | 'damaged' | 'stopped' | 'set-aside', number>;
  /** Bytes of traffic in those flows, where they are known. */
  lostBytes: number;
  connectionAttempts: number;
  /** Streams that ended because they were old enough. */
  streamsMoved: number;
  /** Times that the epoch had to begin anew, because the table did not hold what had been acknowledged. */
  epochRestarts: number;
}

/** All zero. */
export function createExporterCounters(): ExporterCounters {
  return {
    windows: 0,
    flows: 0,
    batchesSent: 0,
    batchesAcknowledged: 0,
    batchesLost: { 'queue-full': 0, rejected: 0, unencodable: 0, damaged: 0, stopped: 0, 'set-aside': 0 },
    lostBytes: 0,
    connectionAttempts: 0,
    streamsMoved: 0,
    epochRestarts: 0,
  };
}
