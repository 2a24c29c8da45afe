// Texts of addresses that were made before: most addresses of a batch were in the batches of other agents, and a text that is
// there already costs neither the making nor its collection, and is found faster in tables by all who ask with it. Bounded: of two
// addresses with one place the later is remembered. Knows addresses by their bytes; how a text is written is address-text.ts's.
import { freeBytes } from '@flowtoll/proto';
import { addressText } from './address-text.ts';

/** Words of a key: the address, and one for its family and prefix length. */
const WORDS = 5;
const PLACES_MIN = 2 ** 10;
/** 28 bytes each, and the texts of the addresses that a cluster of 150,000 pods sees. */
const PLACES_MAX = 2 ** 18;
const GOLDEN = 0x9e3779b1;

export class KnownAddressTexts {
  #places = PLACES_MIN;
  #keys = new Int32Array(WORDS * PLACES_MIN);
  #texts = new Array<string>(PLACES_MIN).fill('');
  /** Texts made since the table has its size. */
  #made = 0;
  readonly #key = new Int32Array(WORDS);

  /** As `addressText`. */
  text(slots: Uint8Array, offset: number, isV6: boolean, prefixLength: number): string {
    const key = this.#key;
    for (let word = 0; word < 4; word++) key[word] = isV6 || word === 0 ? wordAt(slots, offset + 4 * word) : 0;
    // Never 0, so that an empty place is nobody's.
    key[4] = (prefixLength << 2) | (isV6 ? 3 : 1);
    const place = placeOf(key, 0, this.#places);
    if (isSame(this.#keys, WORDS * place, key)) return this.#texts[place]!;
    const text = addressText(slots, offset, isV6, prefixLength);
    this.#keys.set(key, WORDS * place);
    this.#texts[place] = text;
    if (++this.#made > this.#places && this.#places < PLACES_MAX) this.#grow();
    return text;
  }

  #grow(): void {
    const [oldKeys, oldTexts, places] = [this.#keys, this.#texts, 2 * this.#places];
    const keys = new Int32Array(WORDS * places);
    const texts = new Array<string>(places).fill('');
    for (let from = 0; from < this.#places; from++) {
      if (oldKeys[WORDS * from + 4] === 0) continue;
      const place = placeOf(oldKeys, WORDS * from, places);
      keys.set(oldKeys.subarray(WORDS * from, WORDS * (from + 1)), WORDS * place);
      texts[place] = oldTexts[from]!;
    }
    [this.#keys, this.#texts, this.#places, this.#made] = [keys, texts, places, 0];
    freeBytes(oldKeys);
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
