// Where each epoch stands: what was taken, what is committed, and which stream speaks for it. One epoch may have two
// streams for a while (the agent reconnected before the old connection was seen to be dead): the newer one speaks, the
// older one ends, and what the older one delivered stays delivered.

/** A stream as the registry sees it. */
export interface EpochStream {
  /** Every batch up to `sequence` is in the table. */
  committed(sequence: number): void;
  /** Another stream of the epoch has taken over, or the epoch's batches were given up: end. */
  end(reason: 'superseded' | 'discarded'): void;
  /** Send nothing for a while. */
  throttle(pauseMs: number): void;
}

/** What to do with a batch that arrived. */
export type Arrival =
  | 'next' // it follows what was taken: take it
  | 'pending' // taken before, not committed yet: nothing to do, its commit will be acknowledged
  | 'committed' // in the table: acknowledge again
  | 'gap'; // one before it is missing

interface EpochState {
  /** Highest sequence number such that it and all before it are taken: waiting here, or in the table. */
  taken: number;
  /** Highest sequence number that is known to be in the table. */
  committed: number;
  stream: EpochStream | undefined;
}

/** All epochs that this process has business with. */
export class EpochRegistry {
  readonly #epochs = new Map<string, EpochState>();
  #streams = 0;
  #waitingStreams = 0;

  /** Number of epochs with a stream. */
  get streams(): number {
    return this.#streams;
  }

  /** Number of epochs with a stream that has brought batches which wait for a commit. */
  get waitingStreams(): number {
    return this.#waitingStreams;
  }

  /** Whether the epoch has a stream or batches that wait. */
  has(epoch: string): boolean {
    return this.#epochs.has(epoch);
  }

  /** Number of epochs with a stream or with batches that wait. */
  get size(): number {
    return this.#epochs.size;
  }

  /**
   * Makes `stream` the one that speaks for the epoch. `committedInTable` was read from the table just now; returns what
   * is committed as far as anybody here knows.
   */
  open(epoch: string, stream: EpochStream, committedInTable: number): number {
    const state = this.#epochs.get(epoch) ?? { taken: 0, committed: 0, stream: undefined };
    this.#epochs.set(epoch, state);
    const old = state.stream;
    this.#change(state, () => {
      state.stream = stream;
      state.committed = Math.max(state.committed, committedInTable);
      state.taken = Math.max(state.taken, state.committed);
    });
    if (old !== stream) old?.end('superseded');
    return state.committed;
  }

  /** The stream speaks no more. What it delivered keeps its place. */
  close(epoch: string, stream: EpochStream): void {
    const state = this.#epochs.get(epoch);
    if (state?.stream !== stream) return;
    this.#change(state, () => {
      state.stream = undefined;
    });
    this.#forgetIfIdle(epoch, state);
  }

  /** Judges a sequence number. Changes nothing. */
  arrival(epoch: string, sequence: number): Arrival {
    const state = this.#epochs.get(epoch);
    if (state === undefined) return 'gap';
    if (sequence <= state.committed) return 'committed';
    if (sequence <= state.taken) return 'pending';
    return sequence === state.taken + 1 ? 'next' : 'gap';
  }

  /** Notes that the batch after the last one was taken. */
  took(epoch: string, sequence: number): void {
    const state = this.#epochs.get(epoch);
    if (state === undefined) return;
    this.#change(state, () => {
      state.taken = sequence;
    });
  }

  /** What is known to be committed of the epoch. */
  committedSequence(epoch: string): number {
    return this.#epochs.get(epoch)?.committed ?? 0;
  }

  /** Whether batches of the epoch wait for a commit. */
  hasPending(epoch: string): boolean {
    const state = this.#epochs.get(epoch);
    return state !== undefined && state.taken > state.committed;
  }

  /** Notes a commit and tells the epoch's stream. */
  commit(epoch: string, sequence: number): void {
    const state = this.#epochs.get(epoch);
    if (state === undefined || sequence <= state.committed) return;
    this.#change(state, () => {
      state.committed = sequence;
      state.taken = Math.max(state.taken, sequence);
    });
    state.stream?.committed(sequence);
    this.#forgetIfIdle(epoch, state);
  }

  /** Forgets what waited of the epoch, because it cannot be committed; its agent must begin again with Hello. */
  discard(epoch: string): void {
    const state = this.#epochs.get(epoch);
    if (state === undefined) return;
    const { stream } = state;
    this.#change(state, () => {
      state.stream = undefined;
    });
    this.#epochs.delete(epoch);
    stream?.end('discarded');
  }

  /** Asks every stream for a pause. */
  throttle(pauseMs: number): void {
    for (const { stream } of this.#epochs.values()) stream?.throttle(pauseMs);
  }

  /** Every change of a state goes through here: it keeps the numbers. */
  #change(state: EpochState, change: () => void): void {
    this.#count(state, -1);
    change();
    this.#count(state, 1);
  }

  #count({ stream, taken, committed }: EpochState, by: 1 | -1): void {
    if (stream === undefined) return;
    this.#streams += by;
    if (taken > committed) this.#waitingStreams += by;
  }

  #forgetIfIdle(epoch: string, state: EpochState): void {
    if (state.stream === undefined && state.taken <= state.committed) this.#epochs.delete(epoch);
  }
}
