// From datagrams, or entries, to windows of flows: the whole accounting of one source behind one door. Pure: no clock, no
// socket; what a live source and a recording feed it gives the same flows.
import type { ConntrackConsumer } from '../source/conntrack/consumer.ts';
import { type DumpProgress, MessageReader, type ReaderCounts } from '../source/conntrack/message-reader.ts';
import type { EntryConsumer } from '../source/entry-consumer.ts';
import type { EntryRecord } from '../source/entry-record.ts';
import { Reducer, type ReducerOptions } from './reducer.ts';
import { type RestoredTracker, Tracker } from './tracker.ts';
import type { TrackerCounts } from './tracker-losses.ts';
import type { Loss, WindowFlows } from './window-flows.ts';

/** How flows are accounted. */
export interface AccountantOptions extends ReducerOptions {
  /** Whether the kernel stamps new entries with their start time (nf_conntrack_timestamp). */
  readonly timestamps: boolean;
  /** How the source tells that an entry has ended: by a DESTROY event (default), or by not showing it any more. */
  readonly ends?: 'events' | 'absence';
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

/** Accounts what one source reads. */
export class Accountant implements ConntrackConsumer, EntryConsumer {
  readonly #reducer: Reducer;
  readonly #tracker: Tracker;
  readonly #reader: MessageReader;
  #windowStartUs: number;
  readonly #otherLosses: Loss[] = [];
  /** Whether the source counts both directions together: stands at the original one. */
  directionsMerged = false;
  /** Whether the source could not be read when it was tried last. */
  isSourceMissing = false;
  #unreadableEntries = 0;
  #unreadableReported = 0;
  #dumps = 0;
  #failedDumps = 0;

  /**
   * @param startUs first instant of the first window; µs since the Unix epoch
   * @param restored what a baseline kept of the accounting before
   */
  constructor(options: AccountantOptions, startUs: number, restored?: RestoredTracker) {
    this.#reducer = new Reducer(options);
    this.#tracker = new Tracker(options, this.#reducer, restored);
    this.#reader = new MessageReader(this.#tracker);
    this.#windowStartUs = startUs;
  }

  get counts(): AccountantCounts {
    return {
      ...this.#tracker.counts,
      ...this.#readerCounts(),
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

  /** What a baseline has to keep; undefined before the first complete dump. */
  get kept(): RestoredTracker | undefined {
    return this.#tracker.kept;
  }

  /** Adds a loss that somebody else knows of to the current window. */
  addLoss(loss: Loss): void {
    this.#otherLosses.push(loss);
  }

  /** Whether a dump is due at once, because events were dropped. */
  get needsDump(): boolean {
    return this.#tracker.needsDump;
  }

  /** First instant of the current window, µs. */
  get windowStartUs(): number {
    return this.#windowStartUs;
  }

  /** The wall clock was set by so much: the current window began at another time by the new clock. */
  clockJumped(jumpUs: number): void {
    this.#windowStartUs += jumpUs;
  }

  dumpBegin(timeUs: number): void {
    this.#tracker.beginDump(timeUs);
  }

  dumpDatagram(words: Int32Array, length: number): DumpProgress {
    return this.#reader.read(words, 0, length);
  }

  row(record: EntryRecord): void {
    this.#tracker.row(record);
  }

  destroyed(record: EntryRecord): void {
    this.#tracker.destroyed(record);
  }

  unreadable(entries: number): void {
    this.#unreadableEntries += entries;
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

  eventsDelayed(timeUs: number): void {
    this.#tracker.eventsDelayed(timeUs);
  }

  /** Start times were found switched off: see Tracker. */
  startTimesMissing(): void {
    this.#tracker.startTimesMissing();
  }

  /**
   * Ends the current window if it is over. Windows end on the grid of the wall clock; to be asked after a dump.
   * @param nowUs µs since the Unix epoch
   * @param windowUs length of the grid's cells, µs
   */
  closeIfOver(nowUs: number, windowUs: number): WindowFlows | undefined {
    const endUs = Math.floor(nowUs / windowUs) * windowUs;
    // The clock was set back beyond the window's start: the window begins where the clock is now, with the sums it has.
    if (endUs + windowUs <= this.#windowStartUs) this.#windowStartUs = endUs;
    return endUs > this.#windowStartUs ? this.closeWindow(endUs) : undefined;
  }

  /** Ends the last window at this instant, or, where the clock is behind its start, right after that. */
  closeLast(nowUs: number): WindowFlows {
    return this.closeWindow(Math.max(nowUs, this.#windowStartUs + 1));
  }

  /**
   * Ends the current window and begins the next one.
   * @param endUs last instant, exclusive; after the window's start
   */
  closeWindow(endUs: number): WindowFlows {
    const losses = [...this.#tracker.takeLosses(), ...this.#otherLosses.splice(0)];
    // A datagram that was cut hides one entry at least.
    const { undecodable, truncatedDatagrams } = this.#readerCounts();
    const unreadable = undecodable + truncatedDatagrams - this.#unreadableReported;
    this.#unreadableReported += unreadable;
    if (unreadable > 0) losses.push({ reason: 'undecodable', entries: unreadable, bytes: undefined });
    if (this.isSourceMissing) losses.push({ reason: 'source-missing', entries: undefined, bytes: undefined });
    const window = this.#reducer.close(this.#windowStartUs, endUs, losses);
    this.#windowStartUs = endUs;
    return this.directionsMerged ? { ...window, directionsMerged: true } : window;
  }

  #readerCounts(): ReaderCounts {
    const { counts } = this.#reader;
    return { ...counts, undecodable: counts.undecodable + this.#unreadableEntries };
  }
}
