// A few small numbers for each of many keys, remembered as long as there is room: one line of the processor's cache holds a key and
// what belongs to it, and nothing of it is an object. Grows while keys come that it does not know; at its largest, of two keys with
// one place the later is remembered. Knows no meaning of keys and numbers.

/** Words of a key: integers to 2^53. */
const KEY_WORDS = 2;
const WORD = 0x1_0000_0000;
const PLACES_MIN = 2 ** 10;

export interface RememberedSize {
  /** Numbers of each key. */
  readonly width: number;
  /** Keys remembered at most: a power of two. */
  readonly placesMax: number;
}

export class RememberedCodes {
  readonly #stride: number;
  readonly #placesMax: number;
  #mask = PLACES_MIN - 1;
  #words: Uint32Array<ArrayBuffer>;
  /** Keys that were not known since the table has its size. */
  #missed = 0;

  constructor({ width, placesMax }: RememberedSize) {
    this.#stride = KEY_WORDS + width;
    this.#placesMax = placesMax;
    this.#words = new Uint32Array(PLACES_MIN * this.#stride);
  }

  /** The number at a position that `find` or `put` gave, or one behind it; a position is good until the next `put`. */
  at(position: number): number {
    return this.#words[position]!;
  }

  /** Sets the number at such a position: an integer from 0 to 2^32 - 1. */
  set(position: number, value: number): void {
    this.#words[position] = value;
  }

  /** Position of the first number of the key, an integer above 0; -1 if the key is not known. */
  find(key: number): number {
    const at = (key & this.#mask) * this.#stride;
    const words = this.#words;
    return words[at] === key >>> 0 && words[at + 1] === Math.floor(key / WORD) ? at + KEY_WORDS : -1;
  }

  /** Takes a key, an integer above 0 that is not known, in; the position to write its first number to. */
  put(key: number): number {
    if (++this.#missed > this.#mask && this.#mask < this.#placesMax - 1) this.#grow();
    const at = (key & this.#mask) * this.#stride;
    this.#words[at] = key;
    this.#words[at + 1] = Math.floor(key / WORD);
    return at + KEY_WORDS;
  }

  /** Forgets all keys and keeps the memory. */
  clear(): void {
    this.#words.fill(0);
  }

  /** Gives the memory back at once; of no use afterwards. */
  free(): void {
    this.#words.buffer.transfer(0);
  }

  #grow(): void {
    const old = this.#words;
    const stride = this.#stride;
    const words = new Uint32Array(2 * old.length);
    const mask = 2 * this.#mask + 1;
    // Two keys that had different places still have.
    for (let from = 0; from < old.length; from += stride) {
      words.set(old.subarray(from, from + stride), (old[from]! & mask) * stride);
    }
    old.buffer.transfer(0);
    this.#words = words;
    this.#mask = mask;
    this.#missed = 0;
  }
}
