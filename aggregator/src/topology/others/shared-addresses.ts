// Which of many addresses more than one cluster may have, in two bytes for a place and at least eight places for an address: all that are
// shared, and some that are not. So that only those few need be looked up in each of the clusters.

const NOBODY = 0;
const SEVERAL = 0xffff;
const PLACES_MIN = 1024;
const PLACES_PER_ADDRESS = 8;

export class SharedAddresses {
  readonly #places: Uint16Array;
  readonly #mask: number;

  /** @param count about how many addresses there are; with more of them more are taken for shared */
  constructor(count: number) {
    const bits = Math.ceil(Math.log2(Math.max(PLACES_MIN, count * PLACES_PER_ADDRESS)));
    this.#places = new Uint16Array(2 ** bits);
    this.#mask = 2 ** bits - 1;
  }

  /** @param cluster its number, from 1 to 65,534 */
  add(address: string, cluster: number): void {
    const place = hashOf(address) & this.#mask;
    const known = this.#places[place];
    if (known === NOBODY) this.#places[place] = cluster;
    else if (known !== cluster) this.#places[place] = SEVERAL;
  }

  /** False: no two clusters have it. */
  mayBeShared(address: string): boolean {
    return this.#places[hashOf(address) & this.#mask] === SEVERAL;
  }
}

/** FNV-1a of 32 bits, mixed once more: addresses differ in their last characters. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return hash ^ (hash >>> 13);
}
