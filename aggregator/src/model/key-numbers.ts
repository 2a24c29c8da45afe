// A number for each of many keys, none of them an object: one line of the processor's cache holds a key and its number. A Map of as
// many would be megabytes for the collector to walk through. Knows no meaning of keys and numbers.

const FIRST_PLACES_BITS = 10;
const GOLDEN = 0x9e3779b1;

export class KeyNumbers {
  /** Keys that have a number. */
  size = 0;
  readonly #areCounted: boolean;
  /** Key, or 0, and number of each place; one of two places at least is empty. */
  #places: Uint32Array<ArrayBuffer> = new Uint32Array(2 << FIRST_PLACES_BITS);
  #bits = FIRST_PLACES_BITS;
  #mask = (1 << FIRST_PLACES_BITS) - 1;

  /**
   * @param keys `counted`: they were given one after another, so that those that came together are asked for together, and are side by
   * side here, too; `any`: they are scattered
   */
  constructor(keys: 'counted' | 'any') {
    this.#areCounted = keys === 'counted';
  }

  /** The number of the key, an integer from 1 to 2^32 - 1; -1 if it has none. */
  find(key: number): number {
    const at = this.#placeOf(key);
    return this.#places[at] === 0 ? -1 : this.#places[at + 1]!;
  }

  /** Gives the key this number, an integer from 0 to 2^32 - 1. */
  set(key: number, value: number): void {
    let at = this.#placeOf(key);
    if (this.#places[at] === 0) {
      if (2 * ++this.size > this.#mask) {
        this.#grow();
        at = this.#placeOf(key);
      }
      this.#places[at] = key;
    }
    this.#places[at + 1] = value;
  }

  /** The key has no number any more. */
  delete(key: number): void {
    const places = this.#places;
    let hole = this.#placeOf(key) / 2;
    if (places[2 * hole] === 0) return;
    this.size--;
    // What was pushed on by what stood there moves back, so that no empty place is before it.
    for (let place = hole; ; ) {
      place = (place + 1) & this.#mask;
      const other = places[2 * place]!;
      if (other === 0) break;
      const pushed = (place - this.#homeOf(other)) & this.#mask;
      if (pushed < ((place - hole) & this.#mask)) continue;
      places.copyWithin(2 * hole, 2 * place, 2 * place + 2);
      hole = place;
    }
    places[2 * hole] = 0;
  }

  /** Forgets all keys and keeps the memory. */
  clear(): void {
    this.#places.fill(0);
    this.size = 0;
  }

  /** Gives the memory back at once; of no use afterwards. */
  free(): void {
    this.#places.buffer.transfer(0);
  }

  /** Where the key is, or would be. */
  #placeOf(key: number): number {
    const places = this.#places;
    let place = this.#homeOf(key);
    while (places[2 * place] !== key && places[2 * place] !== 0) place = (place + 1) & this.#mask;
    return 2 * place;
  }

  #homeOf(key: number): number {
    return this.#areCounted ? key & this.#mask : Math.imul(key, GOLDEN) >>> (32 - this.#bits);
  }

  #grow(): void {
    const old = this.#places;
    this.#places = new Uint32Array(2 * old.length);
    this.#mask = old.length - 1;
    this.#bits++;
    for (let from = 0; from < old.length; from += 2) {
      if (old[from] === 0) continue;
      const at = this.#placeOf(old[from]!);
      this.#places[at] = old[from]!;
      this.#places[at + 1] = old[from + 1]!;
    }
    old.buffer.transfer(0);
  }
}
