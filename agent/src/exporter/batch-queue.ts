// Where batches wait until an aggregator has committed them. The interface is the seam for a queue on disk; this one is
// in memory. Bounded in bytes: when it is full, the oldest flows become a loss under the same sequence number, so that
// nothing is missing in silence and no number is missing at all.

/** A batch that waits. */
export interface QueuedBatch {
  readonly sequence: number;
  /** Serialised Batch. */
  readonly bytes: Uint8Array;
}

export interface BatchQueue {
  /** Whether what waits survives the process. */
  readonly isDurable: boolean;
  /** Sequence number of the oldest batch that waits; 0 when none does. */
  readonly firstSequence: number;
  /** Sequence number of the newest batch ever appended; 0 when none was. */
  readonly lastSequence: number;
  /** Bytes of all batches that wait. */
  readonly sizeBytes: number;
  /** Number of batches that wait. */
  readonly count: number;
  /**
   * Appends the batch with the number `lastSequence + 1`. False when there is no room for it even after every older batch
   * and this one gave up their flows: it is not in the queue then. `checkpoint` is kept with the batch where the queue
   * survives the process.
   */
  append(bytes: Uint8Array, checkpoint?: string): boolean;
  /** The batch after this sequence number, if it waits here. */
  peekAfter(sequence: number): QueuedBatch | undefined;
  /** Forgets all batches up to this number; returns how many. */
  dropThrough(sequence: number): number;
  /** Puts something in a batch's place that an aggregator may take; false when it does not wait here. */
  giveUp(sequence: number, reason: 'rejected'): boolean;
  /** Numbers what waits again from 1 in a new epoch, each batch renamed by `rename`. */
  renumber(rename: (bytes: Uint8Array, sequence: number) => Uint8Array, epoch: string): void;
}

export interface MemoryQueueOptions {
  /** Most bytes that wait. */
  readonly bytesMax: number;
  /** The batch with a loss in place of its flows; undefined when nothing can be given up. Counts and logs. */
  readonly withoutFlows: (batch: QueuedBatch, reason: 'queue-full' | 'rejected') => Uint8Array | undefined;
}

/** Makes a queue that lives as long as the process. */
export function createMemoryQueue({ bytesMax, withoutFlows }: MemoryQueueOptions): BatchQueue {
  let batches: Uint8Array[] = [];
  let lastSequence = 0;
  let sizeBytes = 0;
  /** All batches before this sequence number have given up their flows. */
  let intactFrom = 1;

  const first = () => lastSequence - batches.length + 1;

  function replace(sequence: number, bytes: Uint8Array): void {
    const index = sequence - first();
    sizeBytes += bytes.length - batches[index]!.length;
    batches[index] = bytes;
  }

  function giveUp(sequence: number, reason: 'queue-full' | 'rejected'): boolean {
    const bytes = batches[sequence - first()];
    const lost = bytes && withoutFlows({ sequence, bytes }, reason);
    if (lost === undefined) return false;
    replace(sequence, lost);
    return true;
  }

  function makeRoom(): void {
    while (sizeBytes > bytesMax && intactFrom <= lastSequence) {
      giveUp(intactFrom, 'queue-full');
      intactFrom++;
    }
  }

  return {
    isDurable: false,
    get firstSequence() {
      return batches.length === 0 ? 0 : first();
    },
    get lastSequence() {
      return lastSequence;
    },
    get sizeBytes() {
      return sizeBytes;
    },
    get count() {
      return batches.length;
    },
    append(bytes) {
      batches.push(bytes);
      lastSequence++;
      sizeBytes += bytes.length;
      intactFrom = Math.max(intactFrom, first());
      makeRoom();
      if (sizeBytes <= bytesMax) return true;
      sizeBytes -= batches.pop()!.length;
      lastSequence--;
      intactFrom = Math.min(intactFrom, lastSequence + 1);
      return false;
    },
    peekAfter(sequence) {
      const bytes = batches[sequence + 1 - first()];
      return bytes && { sequence: sequence + 1, bytes };
    },
    dropThrough(sequence) {
      const count = Math.max(0, Math.min(batches.length, sequence - first() + 1));
      for (const bytes of batches.slice(0, count)) sizeBytes -= bytes.length;
      batches = batches.slice(count);
      return count;
    },
    giveUp,
    renumber(rename) {
      batches = batches.map((bytes, index) => rename(bytes, index + 1));
      lastSequence = batches.length;
      sizeBytes = batches.reduce((total, bytes) => total + bytes.length, 0);
      intactFrom = 1;
    },
  };
}
