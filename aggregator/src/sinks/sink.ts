// What every sink is: it collects the rows of a slice of the log, makes payloads of them, and sends each. Where slices begin and
// end, in which order, how often a payload is tried, and which replica does it, is not its business (run-sink.ts).
import type { RowFilter } from '../api/row-query.ts';
import type { RowColumns } from './row-columns.ts';

/** A stretch of the table's log that is delivered as a whole. After a crash the same slice comes again. */
export interface Slice {
  /** Resume tokens (api/resume-token.ts): behind `from`, up to and with `to`. Whoever receives payloads can tell repetitions by them. */
  readonly from: string;
  readonly to: string;
  /** When the last of its versions was committed, ms since the Unix epoch; the same when the slice comes again. */
  readonly committedMs: number;
  /** Rows that were collected. */
  readonly rowCount: number;
}

/** What one request carries. */
export interface Payload {
  /** As it is sent, compressed where it is. */
  readonly bytes: Uint8Array;
  /** Things in it: items, samples, data points. */
  readonly itemCount: number;
  /** The same when the payload is sent again, also by another replica: receivers can tell repetitions by it. */
  readonly id: string;
}

/** Collects the rows of one slice. Made anew for each, and for each time that a slice is read again. */
export interface SliceCollector {
  /** Rows come in the order of the log, at most 2048 at a time. */
  add(rows: RowColumns): void;
  /** What is kept, as a number of things of about 200 bytes: a slice ends when it is above `sliceItemsMax`. */
  readonly itemCount: number;
  /**
   * What is to be sent, in order, each of bounded size; made when it is wanted. The same slice gives the same payloads, as far
   * as its rows are the same.
   */
  payloads(slice: Slice): AsyncIterable<Payload>;
  /** What the sink has to remember, to be stored with the position in one step once the slice is delivered. Small: it is written a few times a minute. */
  state?(slice: Slice): string;
}

/** One sink as its kind made it (kinds.ts). Inert until it is called. */
export interface Sink {
  /** Columns of `flows` that it needs (table/columns.ts). */
  readonly columns: readonly string[];
  /** Whether loss rows come, too. */
  readonly takesLosses: boolean;
  /** Which rows come; all that is given must fit. */
  readonly filters?: readonly RowFilter[];
  /** @param state what `state` said of the last slice that was delivered; undefined at first */
  collect(state: string | undefined): SliceCollector;
  /**
   * Delivers one payload; resolves when the receiver has it. Throws RetryLater when it may succeed later, PayloadRefused when
   * it never will; anything else counts as RetryLater. Must end soon after `signal` aborts, and by its own time-out.
   */
  send(payload: Payload, signal: AbortSignal): Promise<void>;
  /** Gives back what it holds: connections. */
  close?(): Promise<void>;
}

/** Not now: the payload is tried again, after `afterMs` at least where the receiver has said so. */
export class RetryLater extends Error {
  /** Stable word for metrics: timeout, unreachable, status-503, … */
  readonly reason: string;
  readonly afterMs: number | undefined;

  /** @param message without secrets: it is logged */
  constructor(reason: string, message: string, afterMs?: number, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RetryLater';
    this.reason = reason;
    this.afterMs = afterMs;
  }
}

/** Never: the payload is a dead letter, counted by `reason`, and the next one follows. */
export class PayloadRefused extends Error {
  /** Stable word for metrics: status-400, … */
  readonly reason: string;

  /** @param message without secrets: it is logged */
  constructor(reason: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'PayloadRefused';
    this.reason = reason;
  }
}
