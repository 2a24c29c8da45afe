// From datagrams to windows of flows: the whole accounting of one source behind one door. Pure: no clock, no socket; what a
// live source and a recording feed it gives the same flows.
import type { ConntrackConsumer } from '../source/conntrack/consumer.ts';
import { type DumpProgress, MessageReader, type ReaderCounts } from '../source/conntrack/message-reader.ts';
import { Reducer, type ReducerOptions } from './reducer.ts';
import { Tracker, type TrackerCounts } from './tracker.ts';
import type { WindowFlows } from './window-flows.ts';

/** How flows are accounted. */
export interface AccountantOptions extends ReducerOptions {
  /** Whether the kernel stamps new entries with their start time (nf_conntrack_timestamp). */
  readonly timestamps: boolean;
}

/** What was met since the start; only grows. */
export interface AccountantCounts extends TrackerCounts, ReaderCounts {
  /** Dumps that were complete. */
  readonly dumps: number;
  /** Dumps that the kernel ended early. */
  readonly failedDumps: number;
  /** Windows that reached the cap K. */
  readonly foldings: number;
}

/** Accounts what a conntrack source reads. */
export class Accountant implements ConntrackConsumer {
  readonly #reducer: Reducer;
  readonly #tracker: Tracker;
  readonly #reader: MessageReader;
  #windowStartUs: number;
  #undecodableReported = 0;
  #dumps = 0;
  #failedDumps = 0;

  /** @param startUs first instant of the first window; µs since the Unix epoch */
  constructor(options: AccountantOptions, startUs: number) {
    this.#reducer = new Reducer(options);
    this.#tracker = new Tracker(options, this.#reducer);
    this.#reader = new MessageReader(this.#tracker);
    this.#windowStartUs = startUs;
  }

  get counts(): AccountantCounts {
    return {
      ...this.#tracker.counts,
      ...this.#reader.counts,
      dumps: this.#dumps,
      failedDumps: this.#failedDumps,
      foldings: this.#reducer.foldings,
    };
  }

  /** Why the last message could not be read; undefined when all could. */
  get lastDecodeError(): Error | undefined {
    return this.#reader.lastError;
  }

  /** errno with which the kernel ended the last failed dump. */
  get lastDumpErrno(): number {
    return this.#reader.lastErrno;
  }

  /** Entries in memory. */
  get entryCount(): number {
    return this.#tracker.entryCount;
  }

  /** Whether a dump is due at once, because events were dropped. */
  get needsDump(): boolean {
    return this.#tracker.needsDump;
  }

  /** First instant of the current window, µs. */
  get windowStartUs(): number {
    return this.#windowStartUs;
  }

  dumpBegin(timeUs: number): void {
    this.#tracker.beginDump(timeUs);
  }

  dumpDatagram(words: Int32Array, length: number): DumpProgress {
    return this.#reader.read(words, 0, length);
  }

  dumpEnd(_timeUs: number, complete: boolean): void {
    if (complete) this.#dumps++;
    else this.#failedDumps++;
    this.#tracker.endDump(complete);
  }

  eventDatagram(words: Int32Array, offset: number, length: number): void {
    this.#reader.read(words, offset, length);
  }

  eventsDropped(_timeUs: number, events: number | undefined): void {
    this.#tracker.eventsDropped(events);
  }

  /**
   * Ends the current window and begins the next one.
   * @param endUs last instant, exclusive; after the window's start
   */
  closeWindow(endUs: number): WindowFlows {
    const losses = this.#tracker.takeLosses();
    const undecodable = this.#reader.counts.undecodable - this.#undecodableReported;
    this.#undecodableReported += undecodable;
    if (undecodable > 0) losses.push({ reason: 'undecodable', entries: undecodable, bytes: undefined });
    const window = this.#reducer.close(this.#windowStartUs, endUs, losses);
    this.#windowStartUs = endUs;
    return window;
  }
}
