// The addresses of one window, each once: four words, family, prefix length. Flows name them by position.
import { finish, mix } from './hash.ts';
import { SlotIndex } from './slot-index.ts';

/** Grows by doubling; cleared at the end of each window. */
export class AddressTable {
  #words = new Int32Array(4 * 256);
  #isV6 = new Uint8Array(256);
  #prefixLength = new Uint8Array(256);
  #hash = new Int32Array(256);
  #count = 0;
  readonly #index = new SlotIndex((slot) => this.#hash[slot]!, 256);
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  get count(): number {
    return this.#count;
  }

  /** Position of an address, added if it is new. Words beyond an IPv4 address are 0, and so are the host bits. */
  intern(w0: number, w1: number, w2: number, w3: number, isV6: boolean, prefixLength: number): number {
    const family = isV6 ? 1 : 0;
    let hash = mix(mix(this.#seed, w0), (prefixLength << 1) | family);
    if (isV6) hash = mix(mix(mix(hash, w1), w2), w3);
    hash = finish(hash);
    const words = this.#words;
    const index = this.#index;
    let position = index.start(hash);
    for (let slot = index.slotAt(position); slot >= 0; slot = index.slotAt(position)) {
      if (
        words[4 * slot] === w0 &&
        words[4 * slot + 1] === w1 &&
        words[4 * slot + 2] === w2 &&
        words[4 * slot + 3] === w3 &&
        this.#isV6[slot] === family &&
        this.#prefixLength[slot] === prefixLength
      ) {
        return slot;
      }
      position = index.next(position);
    }
    return this.#add(hash, w0, w1, w2, w3, family, prefixLength);
  }

  /** One of the four words of an address. */
  word(position: number, n: 0 | 1 | 2 | 3): number {
    return this.#words[4 * position + n]!;
  }

  isV6(position: number): boolean {
    return this.#isV6[position] === 1;
  }

  prefixLength(position: number): number {
    return this.#prefixLength[position]!;
  }

  clear(): void {
    this.#count = 0;
    this.#index.clear();
  }

  /** Copies: 16 bytes an address, families, prefix lengths. */
  columns(): { addresses: Uint8Array; addressIsV6: Uint8Array; prefixLengths: Uint8Array } {
    return {
      addresses: new Uint8Array(this.#words.slice(0, 4 * this.#count).buffer),
      addressIsV6: this.#isV6.slice(0, this.#count),
      prefixLengths: this.#prefixLength.slice(0, this.#count),
    };
  }

  #add(hash: number, w0: number, w1: number, w2: number, w3: number, family: number, prefixLength: number): number {
    const slot = this.#count++;
    if (slot === this.#hash.length) this.#grow();
    this.#words[4 * slot] = w0;
    this.#words[4 * slot + 1] = w1;
    this.#words[4 * slot + 2] = w2;
    this.#words[4 * slot + 3] = w3;
    this.#isV6[slot] = family;
    this.#prefixLength[slot] = prefixLength;
    this.#hash[slot] = hash;
    this.#index.insert(hash, slot);
    return slot;
  }

  #grow(): void {
    const capacity = this.#hash.length * 2;
    const double = <T extends Int32Array | Uint8Array>(array: T, length: number): T => {
      const larger = new (array.constructor as new (length: number) => T)(length);
      larger.set(array);
      return larger;
    };
    this.#words = double(this.#words, capacity * 4);
    this.#isV6 = double(this.#isV6, capacity);
    this.#prefixLength = double(this.#prefixLength, capacity);
    this.#hash = double(this.#hash, capacity);
  }
}
