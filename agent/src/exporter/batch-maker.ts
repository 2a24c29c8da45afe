// Makes the bytes of batches, and what takes their place when their flows are given up; counts and logs each loss. Knows
// neither the queue nor the stream.
import { WireError } from '@flowtoll/proto';
import type { WindowFlows } from '../flow/window-flows.ts';
import {
  type BatchLoss,
  type BatchName,
  encodeBatch,
  encodeDamaged,
  encodeLostWindow,
  lostFlows,
  withoutFlows,
  withWindow,
} from './batch-codec.ts';
import type { ExporterCounters } from './exporter-counters.ts';
import type { Logger } from './logger.ts';

/** A batch whose own window is rejected gets the last minute. */
const LAST_RESORT_WINDOW_US = 60_000_000;

export class BatchMaker {
  readonly #log: Logger;
  readonly #counters: ExporterCounters;
  readonly #now: () => number;

  /** @param now milliseconds since the Unix epoch */
  constructor(log: Logger, counters: ExporterCounters, now: () => number) {
    this.#log = log;
    this.#counters = counters;
    this.#now = now;
  }

  /** The batch of a window; one that says that its flows are lost when they break the contract. */
  make(name: BatchName, window: WindowFlows, carried: readonly BatchLoss[]): Uint8Array {
    try {
      return encodeBatch(name, window, carried);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.#log.error({ err: error, flows: window.count }, 'flows cannot be encoded; they are reported as a loss');
      this.#count('unencodable', lostFlows(window, 'unencodable').bytes);
      return encodeLostWindow(name, window, carried, 'unencodable');
    }
  }

  /** The batch with a loss in place of its flows; undefined when nothing can be given up. */
  giveUpFlows(
    { epoch, sequence }: BatchName,
    bytes: Uint8Array,
    reason: 'queue-full' | 'rejected',
  ): Uint8Array | undefined {
    const lost = withoutFlows(bytes, reason);
    if (lost === undefined) {
      if (reason === 'queue-full') return undefined;
      // Rejected although it has no flows: its times are impossible, as before a clock is set. What it says still counts.
      const nowUs = this.#now() * 1000;
      return withWindow(bytes, nowUs - LAST_RESORT_WINDOW_US, nowUs);
    }
    this.#count(reason, lost.lostBytes);
    const fields = { reason, epoch, sequence, lostBytes: lost.lostBytes };
    this.#log.error(fields, 'flows of a batch are given up; they are reported as a loss');
    return lost.bytes;
  }

  /** A batch in the place of one that cannot be read; `timeMs`: when that one was written. */
  replaceDamaged(name: BatchName, timeMs: number): Uint8Array {
    this.#counters.batchesLost.damaged++;
    this.#log.error({ ...name }, 'a batch in the spool is damaged; it is reported as a loss');
    const endUs = Math.floor(timeMs * 1000);
    return encodeDamaged(name, endUs - LAST_RESORT_WINDOW_US, endUs);
  }

  #count(reason: 'queue-full' | 'rejected' | 'unencodable', bytes: number | undefined): void {
    this.#counters.batchesLost[reason]++;
    this.#counters.lostBytes += bytes ?? 0;
  }
}
