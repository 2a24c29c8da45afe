// What a source that reads whole entries says, in the order in which it happened. (Conntrack's says datagrams: see
// conntrack/consumer.ts.)
import type { EntryRecord } from './entry-record.ts';

/** Takes what a source reads. */
export interface EntryConsumer {
  /** An entry's last counters, before the reading in which it is gone: its table was replaced. */
  destroyed(record: EntryRecord): void;
  /** A reading of the whole table begins; µs since the Unix epoch. */
  dumpBegin(timeUs: number): void;
  /** An entry of it. The record is valid only during the call. */
  row(record: EntryRecord): void;
  /** So many entries could not be read. */
  unreadable(entries: number): void;
  /** The reading ended. `complete`: every entry that was there all the time was in it. */
  dumpEnd(timeUs: number, complete: boolean): void;
}
