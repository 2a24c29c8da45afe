// Entries of one connection in several conntrack zones: which belong together, and what the connection has shown so far.
// The tracker asks; knows nothing of flows.
import type { EntryRecord } from '../source/entry-record.ts';
import { ConnectionTable } from './connection-table.ts';
import { type EntryTable, LIVE } from './entry-table.ts';

/**
 * Twin entries are made by the same first packet, microseconds apart. A tuple that lives again within this time may be
 * merged with its life before.
 */
const TWIN_START_MICROS = 100_000;
/** Beyond this a live entry is a twin again: the other zone's entry idled out, and was made anew by a later packet. */
const LATE_TWIN_MICROS = 1_000_000;
const NONE = -1;

/** Cumulative counters of both directions. */
export interface Counters {
  readonly originalPackets: number;
  readonly originalBytes: number;
  readonly replyPackets: number;
  readonly replyBytes: number;
}

/** The shared connections of an entry table. */
export class ZoneTwins {
  readonly #entries: EntryTable;
  readonly #connections = new ConnectionTable();
  readonly #shown = { originalPackets: 0, originalBytes: 0, replyPackets: 0, replyBytes: 0 };

  constructor(entries: EntryTable) {
    this.#entries = entries;
  }

  /** Connections with more than one entry. */
  get count(): number {
    return this.#connections.count;
  }

  /**
   * Makes an entry part of the connection of its twin; whether it has one. To be asked right after the record was looked
   * up in the entry table.
   * @param former connection of the slot's life before, whose other entries are of that life, too; -1 for none
   */
  join(slot: number, record: EntryRecord, former = NONE): boolean {
    const twin = this.#find(slot, record, former);
    if (twin === NONE) return false;
    const entries = this.#entries;
    const shared = this.#connections;
    const known = entries.connectionOf(twin);
    const connection = known === NONE ? this.#open(twin) : known;
    if (!shared.join(connection, slot)) return false;
    entries.setConnection(slot, connection);
    return true;
  }

  /** After a restart: finds again which of the live entries belong together. */
  rejoin(): void {
    const entries = this.#entries;
    for (let slot = 0; slot < entries.slots; slot++) {
      if (entries.state[slot] !== LIVE || entries.connectionOf(slot) !== NONE) continue;
      entries.siblings(slot, (other) => {
        const inOthersZone = (member: number) => entries.conntrackZone[member] === entries.conntrackZone[other];
        if (inOthersZone(slot) || entries.connectionOf(other) !== NONE) return;
        const connection = entries.connectionOf(slot) === NONE ? this.#open(slot) : entries.connectionOf(slot);
        if (this.#connections.some(connection, inOthersZone) || !this.#connections.join(connection, other)) return;
        entries.setConnection(other, connection);
        this.#raiseTo(connection, this.#accounted(other));
      });
    }
  }

  /** Takes an entry out of its connection; returns which, or -1. */
  leave(slot: number): number {
    const connection = this.#entries.connectionOf(slot);
    if (connection === NONE) return NONE;
    this.#connections.leave(connection, slot);
    this.#entries.setConnection(slot, NONE);
    return connection;
  }

  /** What of the record's counters an entry of the slot's connection has shown before. Valid until the next call. */
  shown(slot: number, record: EntryRecord): Counters {
    const shared = this.#connections;
    const connection = this.#entries.connectionOf(slot);
    const shown = this.#shown;
    shown.originalPackets = Math.min(record.originalPackets, shared.originalPackets[connection]!);
    shown.originalBytes = Math.min(record.originalBytes, shared.originalBytes[connection]!);
    shown.replyPackets = Math.min(record.replyPackets, shared.replyPackets[connection]!);
    shown.replyBytes = Math.min(record.replyBytes, shared.replyBytes[connection]!);
    return shown;
  }

  /** The slot's connection has shown the record's counters now. */
  raise(slot: number, record: EntryRecord): void {
    this.#raiseTo(this.#entries.connectionOf(slot), record);
  }

  /** A connection of one entry, which has shown what was accounted of it. */
  #open(slot: number): number {
    const connection = this.#connections.create(slot);
    this.#entries.setConnection(slot, connection);
    const shared = this.#connections;
    const { originalPackets, originalBytes, replyPackets, replyBytes } = this.#accounted(slot);
    shared.originalPackets[connection] = originalPackets;
    shared.originalBytes[connection] = originalBytes;
    shared.replyPackets[connection] = replyPackets;
    shared.replyBytes[connection] = replyBytes;
    return connection;
  }

  #accounted(slot: number): Counters {
    const entries = this.#entries;
    return {
      originalPackets: entries.originalPackets[slot]!,
      originalBytes: entries.originalBytes[slot]!,
      replyPackets: entries.replyPackets[slot]!,
      replyBytes: entries.replyBytes[slot]!,
    };
  }

  #raiseTo(connection: number, counters: Counters): void {
    const shared = this.#connections;
    shared.originalPackets[connection] = Math.max(shared.originalPackets[connection]!, counters.originalPackets);
    shared.originalBytes[connection] = Math.max(shared.originalBytes[connection]!, counters.originalBytes);
    shared.replyPackets[connection] = Math.max(shared.replyPackets[connection]!, counters.replyPackets);
    shared.replyBytes[connection] = Math.max(shared.replyBytes[connection]!, counters.replyBytes);
  }

  /** Another entry of the same connection in another conntrack zone, or -1. */
  #find(slot: number, record: EntryRecord, former: number): number {
    const entries = this.#entries;
    const inMyZone = (other: number) => entries.conntrackZone[other] === record.conntrackZone;
    let twin = NONE;
    let nearest = Number.POSITIVE_INFINITY;
    entries.siblings(slot, (other) => {
      if (inMyZone(other)) return;
      const connection = entries.connectionOf(other);
      if (connection !== NONE && (connection === former || this.#connections.some(connection, inMyZone))) return;
      // Where the tuple lives again at once, entries of both lives are here: its own began within microseconds.
      const apart = Math.abs((entries.startMicros[other]! - entries.startMicros[slot]!) | 0);
      const isLate = entries.state[other] === LIVE && apart > LATE_TWIN_MICROS;
      if (record.hasStart && apart > TWIN_START_MICROS && !isLate) return;
      if (apart >= nearest) return;
      nearest = apart;
      twin = other;
    });
    return twin;
  }
}
