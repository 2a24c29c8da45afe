// Open addressing with linear probing: hash → slot number of some columnar table. The table keeps the keys; this keeps
// one 32-bit word a position and asks for hashes again only when it grows or removes.

/** Position in the index that holds nothing. */
const EMPTY = 0;

/** Maps 32-bit hashes to slots. Several slots may share a hash; the caller compares keys. */
export class SlotIndex {
  /** slot + 1, or EMPTY. */
  #positions: Int32Array;
  #mask: number;
  #count = 0;
  readonly #hashOf: (slot: number) => number;

  /** @param hashOf the hash under which a stored slot was inserted */
  constructor(hashOf: (slot: number) => number, capacity = 1024) {
    const size = 2 ** Math.ceil(Math.log2(Math.max(16, capacity * 2)));
    this.#positions = new Int32Array(size);
    this.#mask = size - 1;
    this.#hashOf = hashOf;
  }

  get count(): number {
    return this.#count;
  }

  /** First position to look at for a hash. */
  start(hash: number): number {
    return hash & this.#mask;
  }

  /** Slot at a position, or -1 where the probe ends. */
  slotAt(position: number): number {
    return this.#positions[position]! - 1;
  }

  /** The position after this one. */
  next(position: number): number {
    return (position + 1) & this.#mask;
  }

  /** Adds a slot under its hash. */
  insert(hash: number, slot: number): void {
    if ((this.#count + 1) * 2 > this.#positions.length) this.#grow();
    let position = hash & this.#mask;
    while (this.#positions[position] !== EMPTY) position = (position + 1) & this.#mask;
    this.#positions[position] = slot + 1;
    this.#count++;
  }

  /** Removes a slot that was inserted under this hash. */
  remove(hash: number, slot: number): void {
    const positions = this.#positions;
    const mask = this.#mask;
    let hole = hash & mask;
    while (positions[hole] !== slot + 1) {
      if (positions[hole] === EMPTY) return;
      hole = (hole + 1) & mask;
    }
    this.#count--;
    // Close the gap: whatever follows and would no longer be found moves into it.
    for (let position = (hole + 1) & mask; positions[position] !== EMPTY; position = (position + 1) & mask) {
      const home = this.#hashOf(positions[position]! - 1) & mask;
      if (((position - home) & mask) >= ((position - hole) & mask)) {
        positions[hole] = positions[position]!;
        hole = position;
      }
    }
    positions[hole] = EMPTY;
  }

  /** Forgets everything, keeps the memory. */
  clear(): void {
    if (this.#count > 0) this.#positions.fill(EMPTY);
    this.#count = 0;
  }

  #grow(): void {
    const old = this.#positions;
    this.#positions = new Int32Array(old.length * 2);
    this.#mask = this.#positions.length - 1;
    for (let i = 0; i < old.length; i++) {
      const stored = old[i]!;
      if (stored === EMPTY) continue;
      let position = this.#hashOf(stored - 1) & this.#mask;
      while (this.#positions[position] !== EMPTY) position = (position + 1) & this.#mask;
      this.#positions[position] = stored;
    }
  }
}
