// Absolute counters → deltas, each byte once. Rows of dumps and DESTROY events come in any order that the kernel allows:
// a row may be older than the event that was read before it, a dump may show an entry twice or miss it, the same tuple and
// id may come back as another entry. Rules:
// - An entry is what has one identity (EntryTable): with start times, each life of a tuple is its own entry.
// - A row or event adds what its counters have more than what was accounted. Counters that went down mean a reset.
// - After DESTROY the entry stays as a tombstone until a dump that began later has ended: rows queued before must not
//   count it again.
// - Entries older than the first dump are taken as a baseline: what they had is not billed, what they get is.

import type { EntryRecord, EntrySink } from '../source/entry-record.ts';
import { ConnectionTable } from './connection-table.ts';
import { EntryTable, LIVE, TOMBSTONE } from './entry-table.ts';
import type { Reducer } from './reducer.ts';
import type { Loss } from './window-flows.ts';

/** Complete dumps that may miss a live entry (a resize of the kernel's table does that) before it is given up. */
const MISSED_DUMPS = 3;
/** Twin entries in two conntrack zones are made by the same first packet; a dead twin must have begun this near. */
const TWIN_START_SECONDS = 1;
const NONE = -1;

/** How entries are tracked. */
export interface TrackerOptions {
  /** Secret seed of the hash tables. */
  readonly seed: number;
  /** Whether the kernel stamps new entries with their start time (nf_conntrack_timestamp). */
  readonly timestamps: boolean;
}

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
  /** Rows and events without counters. */
  withoutCounters: number;
}

/** Accounts entries. Feed it through one thread, in the order in which things were read. */
export class Tracker implements EntrySink {
  readonly #options: TrackerOptions;
  readonly #reducer: Reducer;
  readonly #entries: EntryTable;
  readonly #connections = new ConnectionTable();
  readonly #counts: TrackerCounts = {
    entries: 0,
    baselinedEntries: 0,
    baselinedBytes: 0,
    staleRows: 0,
    countersReset: 0,
    vanished: 0,
    eventsDropped: 0,
    withoutCounters: 0,
  };

  /** Number of the dump that began last; 0 before the first. */
  #dump = 0;
  #firstDumpDone = false;
  #firstDumpUs = 0;
  /** Events were dropped, and no dump that began after that has ended yet. */
  #eventsDroppedAtDump = NONE;
  /** Tombstones in the order of their deaths. */
  #tombstones: number[] = [];
  /** Without start times: what was accounted of entries whose counters went down, until their DESTROY event comes. */
  readonly #replaced = new Map<number, { bytes: number; counters: [number, number, number, number] }>();

  // Since the window began.
  #lost = { vanished: 0, countersReset: 0, eventsDropped: 0, eventsDroppedUnknown: false };
  #withoutCountersInDump = 0;
  #destroyedWithoutCounters = 0;

  constructor(options: TrackerOptions, reducer: Reducer) {
    this.#options = options;
    this.#reducer = reducer;
    this.#entries = new EntryTable(options.seed);
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
    return this.#connections.count;
  }

  /** Whether events were dropped and a new dump is due. */
  get needsDump(): boolean {
    return this.#eventsDroppedAtDump !== NONE;
  }

  beginDump(timeUs: number): void {
    this.#dump++;
    if (this.#dump === 1) this.#firstDumpUs = timeUs;
    this.#withoutCountersInDump = 0;
    this.#entries.restart();
  }

  row(record: EntryRecord): void {
    if (!record.hasCounters) {
      this.#counts.withoutCounters++;
      this.#withoutCountersInDump++;
      return;
    }
    const entries = this.#entries;
    const slot = entries.find(record, true);
    if (slot === NONE) {
      entries.lastDump[this.#born(record, true)] = this.#dump;
      return;
    }
    if (entries.state[slot] === TOMBSTONE) {
      // With start times a tombstone never comes back. Without, it does when it died before this dump began.
      if (hasStart(record) || entries.lastDump[slot]! >= this.#dump) {
        this.#counts.staleRows++;
        return;
      }
      this.#revive(slot, record);
    } else this.#advance(slot, record);
    entries.lastDump[slot] = this.#dump;
  }

  destroyed(record: EntryRecord): void {
    if (!record.hasCounters) {
      this.#counts.withoutCounters++;
      this.#destroyedWithoutCounters++;
      return;
    }
    const entries = this.#entries;
    let slot = entries.find(record, false);
    if (slot === NONE) slot = this.#born(record, false);
    else if (entries.state[slot] === TOMBSTONE) {
      if (hasStart(record)) {
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
    this.#eventsDroppedAtDump = this.#dump;
    if (events === undefined) this.#lost.eventsDroppedUnknown = true;
    else {
      this.#lost.eventsDropped += events;
      this.#counts.eventsDropped += events;
    }
  }

  endDump(complete: boolean): void {
    this.#releaseTombstones();
    if (!complete) return;
    this.#firstDumpDone = true;
    this.#sweep();
    if (this.#eventsDroppedAtDump !== NONE && this.#eventsDroppedAtDump < this.#dump) this.#eventsDroppedAtDump = NONE;
  }

  /** What is missing since the last call. */
  takeLosses(): Loss[] {
    const losses: Loss[] = [];
    const add = (reason: Loss['reason'], entries: number | undefined) =>
      losses.push({ reason, entries, bytes: undefined });
    const lost = this.#lost;
    if (lost.eventsDropped > 0 || lost.eventsDroppedUnknown) {
      add('events-dropped', lost.eventsDroppedUnknown ? undefined : lost.eventsDropped);
    }
    if (lost.vanished > 0) add('vanished', lost.vanished);
    if (lost.countersReset > 0) add('counters-reset', lost.countersReset);
    const withoutCounters = this.#withoutCountersInDump + this.#destroyedWithoutCounters;
    if (withoutCounters > 0) add('no-counters', withoutCounters);
    this.#lost = { vanished: 0, countersReset: 0, eventsDropped: 0, eventsDroppedUnknown: false };
    this.#destroyedWithoutCounters = 0;
    return losses;
  }

  /** A new entry: billed from its first byte, or taken as a baseline when it is older than the first dump. */
  #born(record: EntryRecord, inDumpOrder: boolean): number {
    const entries = this.#entries;
    const slot = entries.insert(record, inDumpOrder);
    const baselined = this.#isOlderThanFirstDump(record);
    const twin = this.#findTwin(slot, record);
    if (twin !== NONE) this.#join(slot, twin, record, baselined);
    if (baselined) {
      this.#counts.baselinedEntries++;
      this.#counts.baselinedBytes += record.originalBytes + record.replyBytes;
      this.#setCounters(slot, record);
      return slot;
    }
    this.#counts.entries++;
    if (twin === NONE) this.#bill(slot, record, 0, 0, 0, 0, 1);
    else this.#billShared(slot, record);
    this.#setCounters(slot, record);
    return slot;
  }

  /** Without start times: the identity of a dead entry belongs to a new one. */
  #revive(slot: number, record: EntryRecord): void {
    const entries = this.#entries;
    this.#tombstones = this.#tombstones.filter((tombstone) => tombstone !== slot);
    this.#leaveConnection(slot);
    entries.state[slot] = LIVE;
    entries.clearCounters(slot);
    this.#counts.entries++;
    this.#bill(slot, record, 0, 0, 0, 0, 1);
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
      this.#bill(
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
    this.#counts.countersReset++;
    const reused = !hasStart(record);
    if (reused) {
      this.#replaced.set(slot, {
        bytes: entries.originalBytes[slot]! + entries.replyBytes[slot]!,
        counters: [
          entries.originalPackets[slot]!,
          entries.originalBytes[slot]!,
          entries.replyPackets[slot]!,
          entries.replyBytes[slot]!,
        ],
      });
    } else this.#lost.countersReset++;
    this.#leaveConnection(slot);
    this.#bill(slot, record, 0, 0, 0, 0, reused ? 1 : 0);
  }

  /** Without start times: whether this event is the end of the entry that was replaced; then its last bytes are billed. */
  #endOfReplaced(slot: number, record: EntryRecord): boolean {
    const replaced = this.#replaced.get(slot);
    if (replaced === undefined) return false;
    this.#replaced.delete(slot);
    const [originalPackets, originalBytes, replyPackets, replyBytes] = replaced.counters;
    const fits =
      record.originalPackets >= originalPackets &&
      record.originalBytes >= originalBytes &&
      record.replyPackets >= replyPackets &&
      record.replyBytes >= replyBytes;
    if (fits) this.#bill(slot, record, originalPackets, originalBytes, replyPackets, replyBytes, 0);
    else this.#lost.countersReset++;
    return fits;
  }

  /** Bills the record's counters less what was accounted before. */
  #bill(
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

  /** Bills what no entry of the connection has shown yet. */
  #billShared(slot: number, record: EntryRecord): void {
    const shared = this.#connections;
    const connection = this.#entries.connectionOf(slot);
    const originalPackets = Math.min(record.originalPackets, shared.originalPackets[connection]!);
    const originalBytes = Math.min(record.originalBytes, shared.originalBytes[connection]!);
    const replyPackets = Math.min(record.replyPackets, shared.replyPackets[connection]!);
    const replyBytes = Math.min(record.replyBytes, shared.replyBytes[connection]!);
    if (record.originalBytes > originalBytes || record.replyBytes > replyBytes) {
      this.#bill(slot, record, originalPackets, originalBytes, replyPackets, replyBytes, 0);
    }
    this.#raise(connection, record.originalPackets, record.originalBytes, record.replyPackets, record.replyBytes);
  }

  #raise(
    connection: number,
    originalPackets: number,
    originalBytes: number,
    replyPackets: number,
    replyBytes: number,
  ): void {
    const shared = this.#connections;
    shared.originalPackets[connection] = Math.max(shared.originalPackets[connection]!, originalPackets);
    shared.originalBytes[connection] = Math.max(shared.originalBytes[connection]!, originalBytes);
    shared.replyPackets[connection] = Math.max(shared.replyPackets[connection]!, replyPackets);
    shared.replyBytes[connection] = Math.max(shared.replyBytes[connection]!, replyBytes);
  }

  /** Another entry of the same connection in another conntrack zone, or -1. */
  #findTwin(slot: number, record: EntryRecord): number {
    const entries = this.#entries;
    let twin = NONE;
    const inMyZone = (other: number) => entries.conntrackZone[other] === record.conntrackZone;
    entries.siblings(slot, (other) => {
      if (twin !== NONE || inMyZone(other)) return;
      const connection = entries.connectionOf(other);
      if (connection !== NONE && this.#connections.some(connection, inMyZone)) return;
      const apart = Math.abs(entries.startSeconds[other]! - entries.startSeconds[slot]!);
      if (entries.state[other] === TOMBSTONE && hasStart(record) && apart > TWIN_START_SECONDS) return;
      twin = other;
    });
    return twin;
  }

  /** Makes a new entry part of its twin's connection. */
  #join(slot: number, twin: number, record: EntryRecord, baselined: boolean): void {
    const entries = this.#entries;
    const shared = this.#connections;
    let connection = entries.connectionOf(twin);
    if (connection === NONE) {
      connection = shared.create(twin);
      entries.setConnection(twin, connection);
      shared.originalPackets[connection] = entries.originalPackets[twin]!;
      shared.originalBytes[connection] = entries.originalBytes[twin]!;
      shared.replyPackets[connection] = entries.replyPackets[twin]!;
      shared.replyBytes[connection] = entries.replyBytes[twin]!;
    }
    if (shared.join(connection, slot)) entries.setConnection(slot, connection);
    if (baselined) {
      this.#raise(connection, record.originalPackets, record.originalBytes, record.replyPackets, record.replyBytes);
    }
  }

  #leaveConnection(slot: number): void {
    const connection = this.#entries.connectionOf(slot);
    if (connection === NONE) return;
    this.#connections.leave(connection, slot);
    this.#entries.setConnection(slot, NONE);
  }

  #setCounters(slot: number, record: EntryRecord): void {
    const entries = this.#entries;
    entries.originalPackets[slot] = record.originalPackets;
    entries.originalBytes[slot] = record.originalBytes;
    entries.replyPackets[slot] = record.replyPackets;
    entries.replyBytes[slot] = record.replyBytes;
  }

  /**
   * With time stamps on, an entry without one was made before they were switched on. Without them only those of the first
   * dump are known to be old.
   */
  #isOlderThanFirstDump(record: EntryRecord): boolean {
    if (hasStart(record)) return record.startUs < this.#firstDumpUs || this.#dump === 0;
    return this.#options.timestamps || !this.#firstDumpDone;
  }

  /** Tombstones older than the dump that has just ended cannot be met by a queued row any more. */
  #releaseTombstones(): void {
    const entries = this.#entries;
    let kept = 0;
    for (const slot of this.#tombstones) {
      if (entries.lastDump[slot]! >= this.#dump) this.#tombstones[kept++] = slot;
      else this.#release(slot);
    }
    this.#tombstones.length = kept;
  }

  /** Gives up entries that dumps have not shown for a while: their DESTROY event never came. */
  #sweep(): void {
    const entries = this.#entries;
    const { state, lastDump } = entries;
    const dropped = this.#eventsDroppedAtDump;
    const eventsWereDropped = dropped !== NONE && dropped < this.#dump;
    for (let slot = 0; slot < entries.slots; slot++) {
      if (state[slot] !== LIVE || lastDump[slot] === this.#dump) continue;
      if (eventsWereDropped) {
        // Its event was among the dropped ones, and is counted there.
        this.#release(slot);
      } else if (this.#dump - lastDump[slot]! >= MISSED_DUMPS) {
        this.#counts.vanished++;
        this.#lost.vanished++;
        this.#release(slot);
      }
    }
  }

  #release(slot: number): void {
    this.#leaveConnection(slot);
    this.#replaced.delete(slot);
    this.#entries.release(slot);
  }
}

function hasStart(record: EntryRecord): boolean {
  return record.startHigh !== 0 || record.startLow !== 0;
}
