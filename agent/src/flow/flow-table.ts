// The flows of the current window: key → sums. A key is (initiator, responder after NAT, original destination and port when
// translated, source after SNAT when translated, protocol, responder port); ephemeral ports are not part of it.
import { finish, mix } from './hash.ts';
import { SlotIndex } from './slot-index.ts';

/** A key as positions in the window's AddressTable; filled again for each lookup. */
export class FlowKey {
  initiator = 0;
  responder = 0;
  /** 1 + position, 0 when not translated. */
  originalDestination = 0;
  originalDestinationPort = 0;
  /** 1 + position, 0 when not translated. */
  translatedSource = 0;
  protocol = 0;
  responderPort = 0;
  folded = 0;
}

/** 32-bit words of a stored key: initiator, responder, original destination, translated source, ports, protocol + folded. */
const KEY_WORDS = 6;
const INITIAL_CAPACITY = 1024;

/** Sums by key, in typed arrays. Slots are dense: 0 … count − 1. */
export class FlowTable {
  /** Changes whenever slots lose their meaning; entries that remember a slot compare it. Never 0. */
  generation = 1;

  #keys = new Int32Array(INITIAL_CAPACITY * KEY_WORDS);
  #hashes = new Int32Array(INITIAL_CAPACITY);
  initiatorBytes = new Float64Array(INITIAL_CAPACITY);
  initiatorPackets = new Float64Array(INITIAL_CAPACITY);
  responderBytes = new Float64Array(INITIAL_CAPACITY);
  responderPackets = new Float64Array(INITIAL_CAPACITY);
  connections = new Uint32Array(INITIAL_CAPACITY);
  #count = 0;
  readonly #index = new SlotIndex((slot) => this.#hashes[slot]!, INITIAL_CAPACITY);
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  get count(): number {
    return this.#count;
  }

  /** Slot of a key, added with zero sums if it is new. */
  slotOf(key: FlowKey): number {
    const ports = (key.originalDestinationPort << 16) | key.responderPort;
    const kind = (key.protocol << 1) | key.folded;
    const hash = finish(
      mix(
        mix(
          mix(mix(mix(mix(this.#seed, key.initiator), key.responder), key.originalDestination), key.translatedSource),
          ports,
        ),
        kind,
      ),
    );
    const keys = this.#keys;
    const index = this.#index;
    let position = index.start(hash);
    for (let slot = index.slotAt(position); slot >= 0; slot = index.slotAt(position)) {
      const at = slot * KEY_WORDS;
      if (
        keys[at] === key.initiator &&
        keys[at + 1] === key.responder &&
        keys[at + 4] === ports &&
        keys[at + 5] === kind &&
        keys[at + 2] === key.originalDestination &&
        keys[at + 3] === key.translatedSource
      ) {
        return slot;
      }
      position = index.next(position);
    }
    const slot = this.#count++;
    if (slot === this.#hashes.length) this.#grow();
    const at = slot * KEY_WORDS;
    this.#keys[at] = key.initiator;
    this.#keys[at + 1] = key.responder;
    this.#keys[at + 2] = key.originalDestination;
    this.#keys[at + 3] = key.translatedSource;
    this.#keys[at + 4] = ports;
    this.#keys[at + 5] = kind;
    this.#hashes[slot] = hash;
    this.initiatorBytes[slot] = 0;
    this.initiatorPackets[slot] = 0;
    this.responderBytes[slot] = 0;
    this.responderPackets[slot] = 0;
    this.connections[slot] = 0;
    this.#index.insert(hash, slot);
    return slot;
  }

  /** Reads a slot's key back. */
  readKey(slot: number, into: FlowKey): void {
    const at = slot * KEY_WORDS;
    into.initiator = this.#keys[at]!;
    into.responder = this.#keys[at + 1]!;
    into.originalDestination = this.#keys[at + 2]!;
    into.translatedSource = this.#keys[at + 3]!;
    into.originalDestinationPort = this.#keys[at + 4]! >>> 16;
    into.responderPort = this.#keys[at + 4]! & 0xffff;
    into.protocol = this.#keys[at + 5]! >> 1;
    into.folded = this.#keys[at + 5]! & 1;
  }

  /** Adds to a slot's sums. */
  add(
    slot: number,
    initiatorBytes: number,
    initiatorPackets: number,
    responderBytes: number,
    responderPackets: number,
  ): void {
    this.initiatorBytes[slot]! += initiatorBytes;
    this.initiatorPackets[slot]! += initiatorPackets;
    this.responderBytes[slot]! += responderBytes;
    this.responderPackets[slot]! += responderPackets;
  }

  /** Forgets all flows, keeps the memory. */
  clear(): void {
    this.#count = 0;
    this.#index.clear();
    this.generation = (this.generation + 1) >>> 0 || 1;
  }

  #grow(): void {
    const capacity = this.#hashes.length * 2;
    const larger = <T extends Int32Array | Float64Array | Uint32Array>(array: T, length: number): T => {
      const copy = new (array.constructor as new (length: number) => T)(length);
      copy.set(array);
      return copy;
    };
    this.#keys = larger(this.#keys, capacity * KEY_WORDS);
    this.#hashes = larger(this.#hashes, capacity);
    this.initiatorBytes = larger(this.initiatorBytes, capacity);
    this.initiatorPackets = larger(this.initiatorPackets, capacity);
    this.responderBytes = larger(this.responderBytes, capacity);
    this.responderPackets = larger(this.responderPackets, capacity);
    this.connections = larger(this.connections, capacity);
  }
}
