// The text columns of one side of a row, looked up once for all rows that share the side: most rows of a commit have a side that
// an earlier row had, and copying a dozen codes is ten times cheaper than a dozen dictionaries.
import type { FlowRow } from '../model/flow-row.ts';
import { RememberedCodes } from '../model/remembered-codes.ts';
import type { TextVector } from './column-vectors.ts';

export class SideCodes {
  readonly #vectors: readonly TextVector[];
  /** The codes of each side, one for each vector. */
  readonly #remembered: RememberedCodes;

  /** @param sidesMax how many sides are remembered; a power of two */
  constructor(vectors: readonly TextVector[], sidesMax: number) {
    this.#vectors = vectors;
    this.#remembered = new RememberedCodes({ width: vectors.length, placesMax: sidesMax });
  }

  /** Sets the columns of row `index`. `key` is that of the row's side, 0 if it has none. */
  set(index: number, row: FlowRow, key: number): void {
    const vectors = this.#vectors;
    const known = key === 0 ? -1 : this.#remembered.find(key);
    if (known !== -1) {
      const remembered = this.#remembered;
      for (let i = 0; i < vectors.length; i++) {
        vectors[i]!.codes[index] = remembered.at(known + i);
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
    const from = this.#remembered.put(key);
    for (let i = 0; i < vectors.length; i++) {
      this.#remembered.set(from + i, vectors[i]!.codes[index]!);
    }
  }

  /** Gives the memory back; of no use afterwards. */
  free(): void {
    this.#remembered.free();
  }

  /** Forgets everything: the dictionaries are new. */
  clear(): void {
    this.#remembered.clear();
  }
}
