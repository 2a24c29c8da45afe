// What has been accounted of each entry that the kernel holds: columns in typed arrays, about 90 bytes an entry, no object
// per entry. Found by identity: CTA_ID, the tuple with its conntrack zone, and the start time where the kernel gives one.
//
// CTA_ID alone is not unique in time (the slab hands the same object out again; facts: 5-tuple and id repeat within
// seconds), the start time makes it so. Identity is kept as 128 bits: two hash words of the connection (so that the same
// connection in two conntrack zones lies in one probe chain), one hash word of the rest, and the id. They are seeded, so a
// false match needs luck of 2^-128 a pair.
import type { EntryRecord } from '../source/entry-record.ts';
import { grown } from './grown.ts';
import { finish, mix } from './hash.ts';
import { SlotIndex } from './slot-index.ts';

/** States of a slot. */
export const FREE = 0;
export const LIVE = 1;
/** Destroyed; kept until no dump row that was queued before the DESTROY event can still arrive. */
export const TOMBSTONE = 2;

const MINIMUM_CAPACITY = 4096;
const NONE = -1;

/** An EntryTable as plain memory: what a baseline keeps. */
export interface EntryTableImage {
  /** Seed of the hashes in the columns. */
  readonly seed: number;
  /** Slots in the columns. */
  readonly slots: number;
  /** Columns in the order of `EntryTable.image`; views of the table's memory, valid until it changes. */
  readonly columns: readonly Uint8Array[];
}

/** The live entries and tombstones. Columns are public: the tracker works on them by slot. */
export class EntryTable {
  // Identity.
  #connectionHash1 = new Int32Array(MINIMUM_CAPACITY);
  #connectionHash2 = new Int32Array(MINIMUM_CAPACITY);
  #entryHash = new Int32Array(MINIMUM_CAPACITY);
  #id = new Int32Array(MINIMUM_CAPACITY);
  /** The slot that followed this one in the last dump: the kernel walks its buckets in the same order each time. */
  #follower = new Int32Array(MINIMUM_CAPACITY);

  state = new Uint8Array(MINIMUM_CAPACITY);
  conntrackZone = new Uint16Array(MINIMUM_CAPACITY);
  /** Start in µs since the Unix epoch modulo 2^32 (71 minutes): tells apart lives that follow each other. */
  startMicros = new Uint32Array(MINIMUM_CAPACITY);
  /** Number of the dump that saw it last; for a tombstone, of the dump that had begun last when it died. */
  lastDump = new Uint32Array(MINIMUM_CAPACITY);
  /** Counters accounted so far. */
  originalPackets = new Float64Array(MINIMUM_CAPACITY);
  originalBytes = new Float64Array(MINIMUM_CAPACITY);
  replyPackets = new Float64Array(MINIMUM_CAPACITY);
  replyBytes = new Float64Array(MINIMUM_CAPACITY);
  /** Flow that the entry's bytes went to, valid while `flowGeneration` is the flow table's. */
  flow = new Int32Array(MINIMUM_CAPACITY);
  flowGeneration = new Uint32Array(MINIMUM_CAPACITY);
  /** Position in the ConnectionTable + 1, or 0. Made when first needed: hosts without conntrack zones never do. */
  #connection: Int32Array | undefined;

  #capacity = MINIMUM_CAPACITY;
  /** Slots handed out so far, free ones included. */
  #used = 0;
  /** Head of the list of free slots, threaded through #follower. */
  #free = NONE;
  #previous = NONE;
  readonly #index: SlotIndex;
  readonly #seed: number;

  // Hashes of the record looked up last.
  #hash1 = 0;
  #hash2 = 0;
  #hash3 = 0;

  /** @param seed any 32-bit number that the outside does not know */
  constructor(seed: number) {
    this.#seed = seed;
    this.#index = new SlotIndex((slot) => this.#connectionHash1[slot]!, MINIMUM_CAPACITY);
  }

  /** Entries and tombstones in the table. */
  get count(): number {
    return this.#index.count;
  }

  /** One more than the highest slot in use: the bound of a walk over all slots. */
  get slots(): number {
    return this.#used;
  }

  /** Shared connection of an entry, or -1: see ConnectionTable. */
  connectionOf(slot: number): number {
    return this.#connection === undefined ? NONE : this.#connection[slot]! - 1;
  }

  /** Sets the shared connection of an entry; -1 for none. */
  setConnection(slot: number, connection: number): void {
    if (this.#connection === undefined) {
      if (connection === NONE) return;
      this.#connection = new Int32Array(this.#capacity);
    }
    this.#connection[slot] = connection + 1;
  }

  /** Forgets the prediction of the next row; called when a dump begins. */
  restart(): void {
    this.#previous = NONE;
  }

  /**
   * Slot of a record's entry, or -1. Rows of a dump come in the order of the dump before, so the follower of the previous
   * row is tried first, without a probe.
   */
  find(record: EntryRecord, inDumpOrder: boolean): number {
    this.#hash(record);
    const hash1 = this.#hash1;
    const id = record.id;
    if (inDumpOrder && this.#previous !== NONE) {
      const guess = this.#follower[this.#previous]!;
      if (guess !== NONE && this.#connectionHash1[guess] === hash1 && this.#matches(guess, id)) {
        this.#previous = guess;
        return guess;
      }
    }
    const index = this.#index;
    let position = index.start(hash1);
    for (let slot = index.slotAt(position); slot >= 0; slot = index.slotAt(position)) {
      if (this.#connectionHash1[slot] === hash1 && this.#matches(slot, id)) {
        if (inDumpOrder) this.#follow(slot);
        return slot;
      }
      position = index.next(position);
    }
    return NONE;
  }

  /** Adds the record that `find` has just not found. The counters accounted are 0. */
  insert(record: EntryRecord, inDumpOrder: boolean): number {
    let slot = this.#free;
    if (slot !== NONE) this.#free = this.#follower[slot]!;
    else {
      slot = this.#used++;
      if (slot === this.#capacity) this.#grow();
    }
    this.#connectionHash1[slot] = this.#hash1;
    this.#connectionHash2[slot] = this.#hash2;
    this.#entryHash[slot] = this.#hash3;
    this.#id[slot] = record.id;
    this.#follower[slot] = NONE;
    this.state[slot] = LIVE;
    this.conntrackZone[slot] = record.conntrackZone;
    this.startMicros[slot] = record.startUs % 2 ** 32;
    this.lastDump[slot] = 0;
    this.clearCounters(slot);
    this.flowGeneration[slot] = 0;
    this.setConnection(slot, NONE);
    this.#index.insert(this.#hash1, slot);
    if (inDumpOrder) this.#follow(slot);
    return slot;
  }

  /** Sets what was accounted to nothing: a new entry took the identity of an old one. */
  clearCounters(slot: number): void {
    this.originalPackets[slot] = 0;
    this.originalBytes[slot] = 0;
    this.replyPackets[slot] = 0;
    this.replyBytes[slot] = 0;
  }

  /** What was accounted of each entry, as memory. */
  image(): EntryTableImage {
    const columns = this.#keptColumns().map(
      (column) => new Uint8Array(column.buffer, 0, this.#used * column.BYTES_PER_ELEMENT),
    );
    return { seed: this.#seed, slots: this.#used, columns };
  }

  /**
   * A table with the live entries of an image. Tombstones are left behind: they guard against rows that were queued in a
   * socket which is gone. No dump has shown the entries yet.
   * @returns undefined when the columns do not fit together
   */
  static restore(image: EntryTableImage): EntryTable | undefined {
    const table = new EntryTable(image.seed);
    while (table.#capacity < image.slots) table.#grow();
    const columns = table.#keptColumns();
    if (columns.length !== image.columns.length) return undefined;
    for (const [i, column] of columns.entries()) {
      if (image.columns[i]!.length !== image.slots * column.BYTES_PER_ELEMENT) return undefined;
      new Uint8Array(column.buffer).set(image.columns[i]!);
    }
    table.#used = image.slots;
    for (let slot = image.slots - 1; slot >= 0; slot--) {
      if (table.state[slot] === LIVE) table.#index.insert(table.#connectionHash1[slot]!, slot);
      else {
        table.state[slot] = FREE;
        table.#follower[slot] = table.#free;
        table.#free = slot;
      }
    }
    return table;
  }

  /** The columns that an image keeps. The others are rebuilt or begin anew. */
  #keptColumns() {
    return [
      this.#connectionHash1,
      this.#connectionHash2,
      this.#entryHash,
      this.#id,
      this.#follower,
      this.state,
      this.conntrackZone,
      this.startMicros,
      this.originalPackets,
      this.originalBytes,
      this.replyPackets,
      this.replyBytes,
    ];
  }

  /** Calls back for each other slot of a slot's connection (any conntrack zone, any life). */
  siblings(self: number, visit: (slot: number) => void): void {
    const hash1 = this.#connectionHash1[self]!;
    const hash2 = this.#connectionHash2[self]!;
    const index = this.#index;
    let position = index.start(hash1);
    for (let slot = index.slotAt(position); slot >= 0; slot = index.slotAt(position)) {
      if (slot !== self && this.#connectionHash1[slot] === hash1 && this.#connectionHash2[slot] === hash2) visit(slot);
      position = index.next(position);
    }
  }

  /** Gives the slot back. */
  release(slot: number): void {
    this.#index.remove(this.#connectionHash1[slot]!, slot);
    this.state[slot] = FREE;
    this.#connectionHash1[slot] = 0;
    this.#connectionHash2[slot] = 0;
    this.#entryHash[slot] = 0;
    this.#follower[slot] = this.#free;
    this.#free = slot;
    if (this.#previous === slot) this.#previous = NONE;
  }

  #matches(slot: number, id: number): boolean {
    return (
      this.#id[slot] === id &&
      this.#connectionHash2[slot] === this.#hash2 &&
      this.#entryHash[slot] === this.#hash3 &&
      this.state[slot] !== FREE
    );
  }

  #follow(slot: number): void {
    if (this.#previous !== NONE) this.#follower[this.#previous] = slot;
    this.#previous = slot;
  }

  #hash(record: EntryRecord): void {
    const ports = (record.originalSourcePort << 16) | record.replySourcePort;
    const kind = (record.protocol << 1) | (record.isV6 ? 1 : 0);
    let a = mix(mix(mix(mix(this.#seed, record.originalSource0), record.replySource0), ports), kind);
    let b = mix(mix(mix(~this.#seed, ports), record.originalSource0), record.replySource0);
    let c = mix(mix(this.#seed, record.originalDestination0), record.replyDestination0);
    if (record.isV6) {
      a = mix(mix(mix(a, record.originalSource1), record.originalSource2), record.originalSource3);
      a = mix(mix(mix(a, record.replySource1), record.replySource2), record.replySource3);
      b = mix(mix(mix(b, record.replySource3), record.replySource2), record.replySource1);
      b = mix(mix(mix(b, record.originalSource3), record.originalSource2), record.originalSource1);
      c = mix(mix(mix(c, record.originalDestination1), record.originalDestination2), record.originalDestination3);
      c = mix(mix(mix(c, record.replyDestination1), record.replyDestination2), record.replyDestination3);
    }
    c = mix(mix(c, record.originalDestinationPort), (record.conntrackZone << 16) | record.replyDestinationPort);
    c = mix(mix(c, record.startHigh), record.startLow);
    this.#hash1 = finish(a);
    this.#hash2 = finish(b ^ kind);
    this.#hash3 = finish(c);
  }

  #grow(): void {
    const capacity = Math.ceil(this.#capacity * 1.5);
    this.#connectionHash1 = grown(this.#connectionHash1, capacity);
    this.#connectionHash2 = grown(this.#connectionHash2, capacity);
    this.#entryHash = grown(this.#entryHash, capacity);
    this.#id = grown(this.#id, capacity);
    this.#follower = grown(this.#follower, capacity);
    this.state = grown(this.state, capacity);
    this.conntrackZone = grown(this.conntrackZone, capacity);
    this.startMicros = grown(this.startMicros, capacity);
    this.lastDump = grown(this.lastDump, capacity);
    this.originalPackets = grown(this.originalPackets, capacity);
    this.originalBytes = grown(this.originalBytes, capacity);
    this.replyPackets = grown(this.replyPackets, capacity);
    this.replyBytes = grown(this.replyBytes, capacity);
    this.flow = grown(this.flow, capacity);
    this.flowGeneration = grown(this.flowGeneration, capacity);
    if (this.#connection !== undefined) this.#connection = grown(this.#connection, capacity);
    this.#capacity = capacity;
  }
}
