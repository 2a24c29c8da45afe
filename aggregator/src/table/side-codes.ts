// The text columns of one side of a row, looked up once for all rows that share the side: most rows of a commit have a side that
// an earlier row had, and copying a dozen codes is ten times cheaper than a dozen dictionaries. Bounded: a side whose place was
// taken by another is looked up again.
import { freeBytes } from '@flowtoll/proto';
import type { FlowRow } from '../model/flow-row.ts';
import type { TextVector } from './column-vectors.ts';

export class SideCodes {
  readonly #vectors: readonly TextVector[];
  readonly #mask: number;
  /** The key of each place; 0 where it is empty. */
  readonly #keys: Float64Array;
  /** The codes of each place, one for each vector. */
  readonly #codes: Uint32Array;

  /** @param places how many sides are remembered; a power of two */
  constructor(vectors: readonly TextVector[], places: number) {
    this.#vectors = vectors;
    this.#mask = places - 1;
    this.#keys = new Float64Array(places);
    this.#codes = new Uint32Array(places * vectors.length);
  }

  /** Sets the columns of row `index`. `key` is that of the row's side, 0 if it has none. */
  set(index: number, row: FlowRow, key: number): void {
    const vectors = this.#vectors;
    const place = key & this.#mask;
    const from = place * vectors.length;
    if (key !== 0 && this.#keys[place] === key) {
      for (let i = 0; i < vectors.length; i++) {
        vectors[i]!.codes[index] = this.#codes[from + i]!;
      }
      return;
    }
    for (const vector of vectors) {
      vector.set(index, row);
    }
    if (key === 0) {
      return;
    }
    // Only now: a value that does not fit has thrown.
    this.#keys[place] = key;
    for (let i = 0; i < vectors.length; i++) {
      this.#codes[from + i] = vectors[i]!.codes[index]!;
    }
  }

  /** Gives the memory back; of no use afterwards. */
  free(): void {
    freeBytes(this.#keys);
    freeBytes(this.#codes);
  }

  /** Forgets everything: the dictionaries are new. */
  clear(): void {
    this.#keys.fill(0);
  }
}
