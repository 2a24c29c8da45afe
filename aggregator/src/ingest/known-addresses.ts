// Addresses that were met before, each with a number and its text: most addresses of a batch were in the batches of other agents, and a
// text that is there already costs neither the making nor its collection. Whoever keeps something of an address finds it by the
// number. Bounded: when there are too many, all are forgotten, between two batches. Knows addresses by their bytes; how a text is
// written is address-text.ts's.
import { freeBytes } from '@flowtoll/proto';
import { addressText } from './address-text.ts';

/** Words of a key: the address, and one for its family and prefix length. */
const WORDS = 5;
const FIRST_COUNT = 2 ** 10;
/** What a cluster of 150,000 pods sees, and 100,000 outside: 28 bytes each beside the texts. */
const COUNT_MAX = 2 ** 18;
const GOLDEN = 0x9e3779b1;

export class KnownAddresses {
  #count = 0;
  /** Of each number. */
  #keys = new Int32Array(WORDS * FIRST_COUNT);
  #texts: string[] = [];
  /** 1 + number of each place, or 0; half of them at least. */
  #places = new Uint32Array(2 * FIRST_COUNT);
  readonly #key = new Int32Array(WORDS);

  /** Before a batch of so many addresses: forgets all where there would be too many, so that a batch's numbers are of one time. */
  makeRoom(addressCount: number): void {
    if (this.#count > 0 && this.#count + addressCount > COUNT_MAX) this.#clear();
  }

  /** Number of the address in the slot that begins at `offset`: an integer from 0, the same until all are forgotten. */
  number(slots: Uint8Array, offset: number, isV6: boolean, prefixLength: number): number {
    const key = this.#key;
    for (let word = 0; word < 4; word++) key[word] = isV6 || word === 0 ? wordAt(slots, offset + 4 * word) : 0;
    key[4] = (prefixLength << 1) | (isV6 ? 1 : 0);
    let place = placeOf(key, 0, this.#places.length);
    for (; ; place = (place + 1) & (this.#places.length - 1)) {
      const known = this.#places[place]!;
      if (known === 0) break;
      if (isSame(this.#keys, WORDS * (known - 1), key)) return known - 1;
    }
    const number = this.#count;
    if (WORDS * number === this.#keys.length) {
      this.#grow();
      return this.number(slots, offset, isV6, prefixLength);
    }
    this.#keys.set(key, WORDS * number);
    this.#texts.push(addressText(slots, offset, isV6, prefixLength));
    this.#count++;
    this.#places[place] = number + 1;
    return number;
  }

  /** As `addressText`, by number. Another array when all have been forgotten; the one before stays as it was. */
  get texts(): readonly string[] {
    return this.#texts;
  }

  #clear(): void {
    this.#places.fill(0);
    this.#texts = [];
    this.#count = 0;
  }

  #grow(): void {
    const [oldKeys, oldPlaces] = [this.#keys, this.#places];
    this.#keys = new Int32Array(2 * oldKeys.length);
    this.#keys.set(oldKeys);
    const places = new Uint32Array(2 * oldPlaces.length);
    for (let number = 0; number < this.#count; number++) {
      let place = placeOf(oldKeys, WORDS * number, places.length);
      while (places[place] !== 0) place = (place + 1) & (places.length - 1);
      places[place] = number + 1;
    }
    this.#places = places;
    freeBytes(oldKeys);
    freeBytes(oldPlaces);
  }
}

function wordAt(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!;
}

function isSame(keys: Int32Array, from: number, key: Int32Array): boolean {
  for (let word = 0; word < WORDS; word++) if (keys[from + word] !== key[word]) return false;
  return true;
}

/** Of the key that begins at `from`; `places` is a power of two. Addresses side by side do not share one. */
function placeOf(keys: Int32Array, from: number, places: number): number {
  let hash = 0;
  for (let word = 0; word < WORDS; word++) hash = Math.imul(hash ^ keys[from + word]!, GOLDEN);
  return (hash ^ (hash >>> 15)) & (places - 1);
}
