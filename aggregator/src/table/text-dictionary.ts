// The texts of one column, each with a number. A hash table in two typed arrays rather than a Map: one that is filled and
// emptied again and again as commits go would leave its tables to the collector, tens of megabytes a second. Knows no rows.
import { freeBytes } from '@flowtoll/proto';

const FIRST_SLOTS = 64;
const FIRST_BYTES = 256;
/** Of a text, before it. */
const LENGTH_BYTES = 4;
const GROWTH = 1.5;
/** Multiplier of FNV-1a. */
const PRIME = 0x01000193;

/**
 * Texts as Parquet has them: UTF-8, each with its length in four bytes before it. Files are made of these: the texts themselves are all over the
 * heap, and their bytes are made once.
 */
export interface PackedTexts {
  readonly bytes: Uint8Array;
  /** Where each number's begins, with its length; the end of all behind the last. */
  readonly starts: Uint32Array;
}

/** Numbers of texts, from 1 on in the order in which they came. */
export class TextDictionary {
  /** The text of each number; element 0 stands for none. */
  values: string[] = [''];
  /** Number, or 0, and hash of each slot: side by side in one line of the processor's cache. */
  #slots = new Int32Array(2 * FIRST_SLOTS);
  #mask = FIRST_SLOTS - 1;
  #bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #starts = new Uint32Array(FIRST_SLOTS);

  /** Valid until a text is added. */
  get packed(): PackedTexts {
    return { bytes: this.#bytes, starts: this.#starts };
  }

  /** The number of the text; 0 if it has none. */
  find(text: string): number {
    return this.#slots[this.#slotOf(text, hashOf(text))]!;
  }

  /** The number of the text, which gets one if it has none. */
  add(text: string): number {
    const hash = hashOf(text);
    const slot = this.#slotOf(text, hash);
    const known = this.#slots[slot]!;
    if (known !== 0) return known;
    const code = this.values.push(text) - 1;
    this.#pack(text, code);
    this.#slots[slot] = code;
    this.#slots[slot + 1] = hash;
    if (2 * code > this.#mask) this.#grow();
    return code;
  }

  /** Forgets all texts and keeps the memory. */
  clear(): void {
    this.values = [''];
    this.#slots.fill(0);
  }

  /** Gives the memory back at once; of no use afterwards. */
  free(): void {
    for (const array of [this.#slots, this.#bytes, this.#starts]) freeBytes(array);
  }

  #pack(text: string, code: number): void {
    const start = this.#starts[code]!;
    // A code unit is three bytes at most.
    const needed = start + LENGTH_BYTES + 3 * text.length;
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, Math.ceil(GROWTH * this.#bytes.length)));
      larger.set(this.#bytes);
      freeBytes(this.#bytes);
      this.#bytes = larger;
    }
    const written = this.#bytes.write(text, start + LENGTH_BYTES);
    this.#bytes.writeUInt32LE(written, start);
    if (code + 1 === this.#starts.length) {
      const longer = new Uint32Array(2 * this.#starts.length);
      longer.set(this.#starts);
      freeBytes(this.#starts);
      this.#starts = longer;
    }
    this.#starts[code + 1] = start + LENGTH_BYTES + written;
  }

  /** Where the text is, or would be: there is always an empty slot. */
  #slotOf(text: string, hash: number): number {
    const slots = this.#slots;
    const { values } = this;
    for (let place = hash & this.#mask; ; place = (place + 1) & this.#mask) {
      const code = slots[2 * place]!;
      if (code === 0 || (slots[2 * place + 1] === hash && values[code] === text)) return 2 * place;
    }
  }

  #grow(): void {
    const old = this.#slots;
    const slots = new Int32Array(2 * old.length);
    const mask = slots.length / 2 - 1;
    for (let from = 0; from < old.length; from += 2) {
      if (old[from] === 0) continue;
      let place = old[from + 1]! & mask;
      while (slots[2 * place] !== 0) place = (place + 1) & mask;
      slots[2 * place] = old[from]!;
      slots[2 * place + 1] = old[from + 1]!;
    }
    this.#slots = slots;
    this.#mask = mask;
    freeBytes(old);
  }
}

/** The order of two texts by their bytes: below 0, above 0, or 0. */
export function compareTexts({ bytes, starts }: PackedTexts, a: number, b: number): number {
  const [atA, atB] = [starts[a]! + LENGTH_BYTES, starts[b]! + LENGTH_BYTES];
  const [lengthA, lengthB] = [starts[a + 1]! - atA, starts[b + 1]! - atB];
  const common = Math.min(lengthA, lengthB);
  for (let i = 0; i < common; i++) {
    const difference = bytes[atA + i]! - bytes[atB + i]!;
    if (difference !== 0) return difference;
  }
  return lengthA - lengthB;
}

/** Texts of equal length that differ in few characters, as addresses and pods do, must not come to lie side by side. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5 | 0;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), PRIME);
  return hash ^ (hash >>> 15);
}
