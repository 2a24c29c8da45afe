// What the tracker met since it began, and what it could not account since the window began, by reason.
import type { Loss } from './window-flows.ts';

/** What was met; only grows. */
export interface TrackerCounts {
  /** Entries billed from their first byte. */
  entries: number;
  /** Entries older than the first dump, and the bytes they had: not billed. */
  baselinedEntries: number;
  baselinedBytes: number;
  /** Rows that were older than a DESTROY event read before them. */
  staleRows: number;
  /** Entries whose counters went down: read and zeroed by somebody else, or reused unseen. */
  countersReset: number;
  /** Entries gone without a DESTROY event. */
  vanished: number;
  /** Events that the kernel dropped. */
  eventsDropped: number;
  /** Entries gone whose event must be among the dropped ones: they are part of `eventsDropped`. */
  endedUnseen: number;
  /** Rows and events without counters. */
  withoutCounters: number;
  /** Entries of the baseline that had ended when the agent came back. */
  endedWhileAway: number;
}

/** Counts of a tracker that has met nothing yet. */
export function noCounts(): TrackerCounts {
  return {
    entries: 0,
    baselinedEntries: 0,
    baselinedBytes: 0,
    staleRows: 0,
    countersReset: 0,
    vanished: 0,
    eventsDropped: 0,
    endedUnseen: 0,
    withoutCounters: 0,
    endedWhileAway: 0,
  };
}

/** Tallies of one window; taking them begins the next. */
export class TrackerLosses {
  vanished = 0;
  countersReset = 0;
  eventsDropped = 0;
  /** The kernel dropped events and did not say how many. */
  eventsDroppedUnknown = false;
  destroyedWithoutCounters = 0;
  endedWhileAway = 0;
  /** Of the last dump: the same entries come again in each. */
  withoutCountersInDump = 0;
  /** The most that any dump of the window showed: some may be gone before its last one, without an event. */
  #withoutCountersMax = 0;

  /** A dump begins: what it shows is counted anew. */
  beginDump(): void {
    this.#withoutCountersMax = Math.max(this.#withoutCountersMax, this.withoutCountersInDump);
    this.withoutCountersInDump = 0;
  }

  take(): Loss[] {
    const losses: Loss[] = [];
    const add = (reason: Loss['reason'], entries: number | undefined) =>
      losses.push({ reason, entries, bytes: undefined });
    if (this.eventsDropped > 0 || this.eventsDroppedUnknown) {
      add('events-dropped', this.eventsDroppedUnknown ? undefined : this.eventsDropped);
    }
    if (this.vanished > 0) add('vanished', this.vanished);
    if (this.countersReset > 0) add('counters-reset', this.countersReset);
    const withoutCounters = Math.max(
      this.#withoutCountersMax,
      this.withoutCountersInDump + this.destroyedWithoutCounters,
    );
    if (this.endedWhileAway > 0) add('agent-away', this.endedWhileAway);
    if (withoutCounters > 0) add('no-counters', withoutCounters);
    this.vanished = 0;
    this.countersReset = 0;
    this.eventsDropped = 0;
    this.eventsDroppedUnknown = false;
    this.destroyedWithoutCounters = 0;
    this.endedWhileAway = 0;
    this.#withoutCountersMax = 0;
    return losses;
  }
}
