// Absolute counters → deltas, each byte once. Rows of dumps and DESTROY events come in any order that the kernel allows:
// a row may be older than the event that was read before it, a dump may show an entry twice or miss it, the same tuple and
// id may come back as another entry. Rules:
// - An entry is what has one identity (EntryTable): with start times, each life of a tuple is its own entry.
// - A row or event adds what its counters have more than what was accounted. Counters that went down mean a reset.
// - After DESTROY the entry stays as a tombstone until a dump that began later has ended: rows queued before must not
//   count it again.
// - Entries older than the first dump are taken as a baseline: what they had is not billed, what they get is.
// - Of a source without events (`ends: 'absence'`) an entry has ended when a dump does not show it: see QuietEntries.

import type { EntryRecord, EntrySink } from '../source/entry-record.ts';
import { EntryTable, LIVE, TOMBSTONE } from './entry-table.ts';
import { QuietEntries } from './quiet-entries.ts';
import type { Reducer } from './reducer.ts';
import { noCounts, type TrackerCounts, TrackerLosses } from './tracker-losses.ts';
import type { Loss } from './window-flows.ts';
import { type Counters, ZoneTwins } from './zone-twins.ts';

/** Complete dumps that may miss a live entry (a resize of the kernel's table does that) before it is given up. */
const MISSED_DUMPS = 3;
/** The same when its event may be among those that the kernel dropped. One is too few: it may be a resize. */
const MISSED_DUMPS_AFTER_DROPS = 2;
/**
 * For so long after a delay, s, the kernel may not even have tried again: it does each tenth of a second, in a worker that a busy
 * machine lets wait, and dumps may follow one another faster.
 */
const HELD_BACK_S = 2;
/** Tombstones, about 25 MB, above which a dump is made for their sake: only a dump ends their use. */
const TOMBSTONES_MAX = 262_144;
const NONE = -1;
const NOTHING: Counters = { originalPackets: 0, originalBytes: 0, replyPackets: 0, replyBytes: 0 };

/** How entries are tracked. */
export interface TrackerOptions {
  /** Secret seed of the hash tables. */
  readonly seed: number;
  /** Whether the kernel stamps new entries with their start time (nf_conntrack_timestamp). */
  readonly timestamps: boolean;
  /** How the source tells that an entry has ended: by a DESTROY event (default), or by not showing it any more. */
  readonly ends?: 'events' | 'absence';
}

/** What a baseline keeps of a tracker. */
export interface RestoredTracker {
  /** What was accounted of each live entry. */
  readonly entries: EntryTable;
  /** When the first dump of this life of the kernel began: entries older than that are not billed. */
  readonly firstDumpUs: number;
}

/** Accounts entries. Feed it through one thread, in the order in which things were read. */
export class Tracker implements EntrySink {
  readonly #reducer: Reducer;
  readonly #entries: EntryTable;
  readonly #twins: ZoneTwins;
  /** Of a source without events, else undefined. */
  readonly #quiet: QuietEntries | undefined;
  readonly #counts = noCounts();
  readonly #lost = new TrackerLosses();

  /** Number of the dump that began last; 0 before the first. */
  #dump = 0;
  #dumpSeconds = 0;
  #firstDumpDone = false;
  #firstDumpUs = 0;
  /** Whether every entry made since the first dump has a start time. */
  #timestamps: boolean;
  /** The dump during or after which events were dropped last, and delayed last. */
  #dropsAtDump = NONE;
  #delaysAtDump = NONE;
  /** When they were delayed last, s since the Unix epoch. */
  #delayedSeconds = 0;
  /** Events were dropped, and no dump that began after that has ended yet. */
  #needsDump = false;
  /** Tombstones in the order of their deaths; those that came back to life are passed over. */
  readonly #tombstones: number[] = [];
  /**
   * Without start times: what was accounted of entries whose counters went down. If another entry took the place, the old
   * one's event is on its way: it was sent before the new entry was made.
   */
  readonly #replaced = new Map<number, Counters>();
  /** Goes on where another process ended: entries of its baseline that no dump has shown yet have lastDump 0. */
  readonly #isRestored: boolean;

  /** @param restored what a baseline kept of the tracker before */
  constructor(options: TrackerOptions, reducer: Reducer, restored?: RestoredTracker) {
    this.#timestamps = options.timestamps;
    this.#reducer = reducer;
    this.#quiet = options.ends === 'absence' ? new QuietEntries() : undefined;
    this.#isRestored = restored !== undefined;
    this.#entries = restored?.entries ?? new EntryTable(options.seed);
    this.#twins = new ZoneTwins(this.#entries);
    if (restored === undefined) return;
    this.#firstDumpUs = restored.firstDumpUs;
    this.#firstDumpDone = true;
    this.#twins.rejoin();
  }

  /** What a baseline has to keep: after the first dump only, before it there is nothing to go on from. */
  get kept(): RestoredTracker | undefined {
    return this.#firstDumpDone ? { entries: this.#entries, firstDumpUs: this.#firstDumpUs } : undefined;
  }

  get counts(): Readonly<TrackerCounts> {
    return this.#counts;
  }

  /** Entries in memory, tombstones included. */
  get entryCount(): number {
    return this.#entries.count;
  }

  /** Connections that are tracked in more than one conntrack zone. */
  get sharedConnectionCount(): number {
    return this.#twins.count;
  }

  /** Whether a dump is due before its time: events were dropped, or ends came so fast that tombstones pile up. */
  get needsDump(): boolean {
    return this.#needsDump || this.#tombstones.length > TOMBSTONES_MAX;
  }

  beginDump(timeUs: number): void {
    this.#dump++;
    this.#dumpSeconds = timeUs / 1e6;
    // Where the clock was set back, new entries begin before the first dump: its time goes back with the clock.
    const isFirst = this.#dump === 1 && !this.#isRestored;
    this.#firstDumpUs = isFirst ? timeUs : Math.min(this.#firstDumpUs, timeUs);
    this.#lost.beginDump();
    this.#entries.restart();
  }

  row(record: EntryRecord): void {
    if (!record.hasCounters) {
      this.#counts.withoutCounters++;
      this.#lost.withoutCountersInDump++;
      return;
    }
    const entries = this.#entries;
    const slot = entries.find(record, true);
    if (slot === NONE) {
      const born = this.#born(record, true);
      // Not in one statement: the new entry may have given the table larger columns.
      entries.lastDump[born] = this.#dump;
      this.#saw(born, record, true);
      return;
    }
    if (entries.state[slot] === TOMBSTONE) {
      // With start times a tombstone never comes back. Without, it does when it died before this dump began.
      if (record.hasStart || entries.lastDump[slot]! >= this.#dump) {
        this.#counts.staleRows++;
        return;
      }
      this.#revive(slot, record);
    } else this.#advance(slot, record);
    entries.lastDump[slot] = this.#dump;
    this.#saw(slot, record, false);
  }

  destroyed(record: EntryRecord): void {
    if (!record.hasCounters) {
      this.#counts.withoutCounters++;
      this.#lost.destroyedWithoutCounters++;
      return;
    }
    const entries = this.#entries;
    let slot = entries.find(record, false);
    if (slot === NONE) slot = this.#born(record, false);
    else if (entries.state[slot] === TOMBSTONE) {
      if (record.hasStart) {
        this.#counts.staleRows++;
        return;
      }
      this.#revive(slot, record);
    } else if (this.#endOfReplaced(slot, record)) return;
    else this.#advance(slot, record);
    if (entries.state[slot] === LIVE) this.#tombstones.push(slot);
    entries.state[slot] = TOMBSTONE;
    entries.lastDump[slot] = this.#dump;
  }

  /** The kernel dropped events; how many, where it says so. Every entry that ended unseen is part of it. */
  eventsDropped(events: number | undefined): void {
    this.#dropsAtDump = this.#dump;
    this.#needsDump = true;
    if (events === undefined) this.#lost.eventsDroppedUnknown = true;
    else {
      this.#lost.eventsDropped += events;
      this.#counts.eventsDropped += events;
    }
  }

  /** The kernel holds events back that found no room; it delivers them when there is some (reliable events). */
  eventsDelayed(timeUs: number): void {
    this.#delaysAtDump = this.#dump;
    this.#delayedSeconds = timeUs / 1e6;
  }

  /** Start times were switched off: a new entry may have none from now on. */
  startTimesMissing(): void {
    this.#timestamps = false;
  }

  /** The dump is over. When it was complete, all events that were sent before its end have been handed over. */
  endDump(complete: boolean): void {
    this.#releaseTombstones();
    if (!complete) return;
    this.#firstDumpDone = true;
    if (this.#dropsAtDump < this.#dump) this.#needsDump = false;
    // While the kernel holds events back, a missing row or event proves nothing.
    if (this.#mayHoldBack()) return;
    this.#forgetReplaced();
    this.#sweep();
  }

  /** Whether the kernel may still have events of before. Where the clock was set back, dumps alone are counted. */
  #mayHoldBack(): boolean {
    if (this.#delaysAtDump === NONE) return false;
    const seconds = this.#dumpSeconds - this.#delayedSeconds;
    return this.#dump - this.#delaysAtDump < MISSED_DUMPS || (seconds >= 0 && seconds < HELD_BACK_S);
  }

  /** What is missing since the last call. */
  takeLosses(): Loss[] {
    return this.#lost.take();
  }

  /** A new entry: billed from its first byte, or taken as a baseline when it is older than the first dump. */
  #born(record: EntryRecord, inDump: boolean): number {
    const slot = this.#entries.insert(record, inDump);
    const isShared = this.#twins.join(slot, record);
    if (this.#isOlderThanFirstDump(record, inDump)) {
      this.#counts.baselinedEntries++;
      this.#counts.baselinedBytes += record.originalBytes + record.replyBytes;
      if (isShared) this.#twins.raise(slot, record);
    } else {
      this.#counts.entries++;
      if (isShared) this.#billShared(slot, record);
      else this.#bill(slot, record, NOTHING, 1);
    }
    this.#setCounters(slot, record);
    return slot;
  }

  #saw(slot: number, record: EntryRecord, isNew: boolean): void {
    const packets = record.originalPackets + record.replyPackets;
    this.#quiet?.saw(slot, packets, record.isClosed, this.#dumpSeconds, isNew);
  }

  /** Without start times: the identity of a dead entry belongs to a new one. */
  #revive(slot: number, record: EntryRecord): void {
    this.#entries.state[slot] = LIVE;
    this.#counts.entries++;
    this.#billFromZero(slot, record, 1);
    this.#setCounters(slot, record);
  }

  /** Adds what the counters have more than what was accounted. */
  #advance(slot: number, record: EntryRecord): void {
    const entries = this.#entries;
    const originalPackets = entries.originalPackets[slot]!;
    const replyPackets = entries.replyPackets[slot]!;
    if (record.originalPackets === originalPackets && record.replyPackets === replyPackets) {
      if (record.originalBytes === entries.originalBytes[slot] && record.replyBytes === entries.replyBytes[slot])
        return;
    }
    if (
      record.originalPackets < originalPackets ||
      record.replyPackets < replyPackets ||
      record.originalBytes < entries.originalBytes[slot]! ||
      record.replyBytes < entries.replyBytes[slot]!
    ) {
      this.#reset(slot, record);
    } else if (entries.connectionOf(slot) !== NONE) this.#billShared(slot, record);
    else {
      this.#billMore(
        slot,
        record,
        originalPackets,
        entries.originalBytes[slot]!,
        replyPackets,
        entries.replyBytes[slot]!,
        0,
      );
    }
    this.#setCounters(slot, record);
  }

  /**
   * Counters went down. With a start time it is the same entry, and somebody zeroed it; without one it may as well be a
   * new entry with the old one's id. Either way all of the new counters are new, and what came between is unknown.
   */
  #reset(slot: number, record: EntryRecord): void {
    const entries = this.#entries;
    if (this.#quiet) {
      this.#replace(slot, record, this.#quiet);
      return;
    }
    this.#counts.countersReset++;
    const reused = !record.hasStart;
    if (!reused) this.#lost.countersReset++;
    else {
      this.#replaced.set(slot, {
        originalPackets: entries.originalPackets[slot]!,
        originalBytes: entries.originalBytes[slot]!,
        replyPackets: entries.replyPackets[slot]!,
        replyBytes: entries.replyBytes[slot]!,
      });
    }
    this.#billFromZero(slot, record, reused ? 1 : 0);
  }

  /** Of a source without events: the tuple was opened again, and its entry written over. */
  #replace(slot: number, record: EntryRecord, quiet: QuietEntries): void {
    if (quiet.hadShownAll(slot, this.#dumpSeconds)) this.#counts.entries++;
    else {
      this.#counts.countersReset++;
      this.#lost.countersReset++;
    }
    this.#billFromZero(slot, record, 1);
  }

  /** Without start times: whether this event is the end of the entry that was replaced; then its last bytes are billed. */
  #endOfReplaced(slot: number, record: EntryRecord): boolean {
    const replaced = this.#replaced.get(slot);
    if (replaced === undefined) return false;
    this.#replaced.delete(slot);
    const fits =
      record.originalPackets >= replaced.originalPackets &&
      record.originalBytes >= replaced.originalBytes &&
      record.replyPackets >= replaced.replyPackets &&
      record.replyBytes >= replaced.replyBytes;
    if (fits) this.#bill(slot, record, replaced, 0);
    else this.#lost.countersReset++;
    return fits;
  }

  /** No event came for what seemed to be replaced: it was not, somebody zeroed it; or its event was dropped. */
  #forgetReplaced(): void {
    if (this.#replaced.size === 0) return;
    if (this.#dropsAtDump < this.#dump - 1) this.#lost.countersReset += this.#replaced.size;
    this.#replaced.clear();
  }

  /** Bills the record's counters less what was accounted before. */
  #billMore(
    slot: number,
    record: EntryRecord,
    originalPackets: number,
    originalBytes: number,
    replyPackets: number,
    replyBytes: number,
    connections: number,
  ): void {
    const entries = this.#entries;
    const reducer = this.#reducer;
    let flow = entries.flow[slot]!;
    if (entries.flowGeneration[slot] !== reducer.generation) {
      flow = reducer.slotOf(record);
      entries.flow[slot] = flow;
      entries.flowGeneration[slot] = reducer.generation;
    }
    reducer.add(
      flow,
      record.originalBytes - originalBytes,
      record.originalPackets - originalPackets,
      record.replyBytes - replyBytes,
      record.replyPackets - replyPackets,
      connections,
    );
  }

  #bill(slot: number, record: EntryRecord, before: Counters, connections: number): void {
    const { originalPackets, originalBytes, replyPackets, replyBytes } = before;
    this.#billMore(slot, record, originalPackets, originalBytes, replyPackets, replyBytes, connections);
  }

  /** Bills what no entry of the connection has shown yet. */
  #billShared(slot: number, record: EntryRecord): void {
    const shown = this.#twins.shown(slot, record);
    if (record.originalBytes > shown.originalBytes || record.replyBytes > shown.replyBytes) {
      this.#bill(slot, record, shown, 0);
    }
    this.#twins.raise(slot, record);
  }

  /** Bills all of the counters: they began anew. So did, or will, those of the twins in other conntrack zones. */
  #billFromZero(slot: number, record: EntryRecord, connections: number): void {
    const former = this.#twins.leave(slot);
    if (this.#twins.join(slot, record, former)) this.#billShared(slot, record);
    else this.#bill(slot, record, NOTHING, connections);
  }

  #setCounters(slot: number, record: EntryRecord): void {
    const entries = this.#entries;
    entries.originalPackets[slot] = record.originalPackets;
    entries.originalBytes[slot] = record.originalBytes;
    entries.replyPackets[slot] = record.replyPackets;
    entries.replyBytes[slot] = record.replyBytes;
  }

  /**
   * Without a start time the entries of the first dump are old. With time stamps on, so are those that show up later: they
   * were made before the stamps were switched on. One that ends unseen, after a dump that should have shown it, is new.
   */
  #isOlderThanFirstDump(record: EntryRecord, inDump: boolean): boolean {
    if (record.hasStart) return record.startUs < this.#firstDumpUs || (this.#dump === 0 && !this.#isRestored);
    return !this.#firstDumpDone || (inDump && this.#timestamps);
  }

  /** Tombstones older than the dump that has just ended cannot be met by a queued row any more. */
  #releaseTombstones(): void {
    const { state, lastDump } = this.#entries;
    let kept = 0;
    for (const slot of this.#tombstones) {
      if (state[slot] !== TOMBSTONE) continue;
      if (lastDump[slot]! >= this.#dump) this.#tombstones[kept++] = slot;
      else this.#release(slot);
    }
    this.#tombstones.length = kept;
  }

  /** Gives up entries that dumps have not shown for a while: their DESTROY event never came. */
  #sweep(): void {
    const { state, lastDump, slots } = this.#entries;
    for (let slot = 0; slot < slots; slot++) {
      if (state[slot] !== LIVE || lastDump[slot] === this.#dump) continue;
      if (this.#quiet) {
        this.#endAbsent(slot, this.#quiet);
        continue;
      }
      const missed = this.#dump - lastDump[slot]!;
      if (this.#dropsAtDump >= lastDump[slot]!) {
        // Its event was among the dropped ones, and is counted there.
        if (missed < MISSED_DUMPS_AFTER_DROPS) continue;
        this.#counts.endedUnseen++;
      } else {
        if (missed < MISSED_DUMPS) continue;
        if (this.#isRestored && lastDump[slot] === 0) {
          this.#counts.endedWhileAway++;
          this.#lost.endedWhileAway++;
        } else {
          this.#counts.vanished++;
          this.#lost.vanished++;
        }
      }
      this.#release(slot);
    }
  }

  /** Of a source without events: a complete dump has not shown the entry. */
  #endAbsent(slot: number, quiet: QuietEntries): void {
    if (this.#isRestored && this.#entries.lastDump[slot] === 0) {
      this.#counts.endedWhileAway++;
      this.#lost.endedWhileAway++;
    } else if (!quiet.hadShownAll(slot, this.#dumpSeconds)) {
      this.#counts.vanished++;
      this.#lost.vanished++;
    }
    this.#release(slot);
  }

  #release(slot: number): void {
    this.#twins.leave(slot);
    if (this.#replaced.delete(slot)) this.#lost.countersReset++;
    this.#entries.release(slot);
  }
}
