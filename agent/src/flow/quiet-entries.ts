// For sources without DESTROY events: whether all of an entry had been seen when it was gone. An entry is removed some time
// after its last packet, so one that was closed, or had not moved for a while, had nothing left to show. One that was still
// moving was pushed out, and what it counted since our last reading is unknown. The tracker asks.
import { grown } from './grown.ts';

/** No entry is removed sooner after its last packet: Cilium keeps a closed TCP connection for 10 s, everything else longer. */
const QUIET_SECONDS = 10;
const FIRST_CAPACITY = 1024;

/** When each entry moved last. Slots are those of the tracker's table. */
export class QuietEntries {
  #packets = new Float64Array(FIRST_CAPACITY);
  /** Seconds since the Unix epoch. */
  #movedAt = new Float64Array(FIRST_CAPACITY);
  #closed = new Uint8Array(FIRST_CAPACITY);

  /** An entry as a reading showed it. @param isNew whether the slot holds another entry than before */
  saw(slot: number, packets: number, isClosed: boolean, nowSeconds: number, isNew: boolean): void {
    if (slot >= this.#packets.length) this.#grow(slot + 1);
    if (isNew || this.#packets[slot] !== packets) this.#movedAt[slot] = nowSeconds;
    this.#packets[slot] = packets;
    this.#closed[slot] = isClosed ? 1 : 0;
  }

  /** Whether an entry that is gone, or replaced, at this time had shown all of its bytes. */
  hadShownAll(slot: number, nowSeconds: number): boolean {
    if (slot >= this.#packets.length) return false;
    return this.#closed[slot] === 1 || nowSeconds - this.#movedAt[slot]! >= QUIET_SECONDS;
  }

  #grow(slots: number): void {
    const capacity = Math.max(slots, this.#packets.length * 2);
    this.#packets = grown(this.#packets, capacity);
    this.#movedAt = grown(this.#movedAt, capacity);
    this.#closed = grown(this.#closed, capacity);
  }
}
