// A number for each of many keys, none of them an object: one line of the processor's cache holds a key and its number. A Map of as
// many would be megabytes for the collector to walk through. Knows no meaning of keys and numbers.

const FIRST_PLACES = 2 ** 10;

export class KeyNumbers {
  /** Keys that have a number. */
  size = 0;
  /** Key, or 0, and number of each place; one of two places at least is empty. */
  #places: Float64Array<ArrayBuffer> = new Float64Array(2 * FIRST_PLACES);
  #mask = FIRST_PLACES - 1;

  /** The number of the key, an integer above 0; -1 if it has none. */
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

  /** Forgets all keys and keeps the memory. */
  clear(): void {
    this.#places.fill(0);
    this.size = 0;
  }

  /** Gives the memory back at once; of no use afterwards. */
  free(): void {
    this.#places.buffer.transfer(0);
  }

  /** Where the key is, or would be. Keys are counted up, so most find a place of their own. */
  #placeOf(key: number): number {
    const places = this.#places;
    let place = key & this.#mask;
    while (places[2 * place] !== key && places[2 * place] !== 0) place = (place + 1) & this.#mask;
    return 2 * place;
  }

  #grow(): void {
    const old = this.#places;
    this.#places = new Float64Array(2 * old.length);
    this.#mask = old.length - 1;
    for (let from = 0; from < old.length; from += 2) {
      if (old[from] === 0) continue;
      const at = this.#placeOf(old[from]!);
      this.#places[at] = old[from]!;
      this.#places[at + 1] = old[from + 1]!;
    }
    old.buffer.transfer(0);
  }
}
