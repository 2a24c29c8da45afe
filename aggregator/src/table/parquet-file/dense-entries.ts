// The entries that the rows of a group have, numbered without gaps in the order in which rows come: done once for all vectors that
// share their entries.
import { freeBytes } from '@flowtoll/proto';
import type { RowEntries } from '../column-vectors.ts';

export interface GroupEntries {
  /** Number of the entry of each row of the group. */
  readonly ofRow: Uint32Array;
  /** The entry of each number. */
  readonly list: Uint32Array;
  readonly listCount: number;
}

export class DenseEntries {
  readonly #ofRow: Uint32Array<ArrayBuffer>;
  readonly #list: Uint32Array<ArrayBuffer>;
  /** 1 + number of each entry; 0 where it has none. */
  #numbers = new Uint32Array(0);
  #last: { readonly entries: RowEntries; readonly rows: Uint32Array; readonly found: GroupEntries } | undefined;

  constructor(rowsMax: number) {
    this.#ofRow = new Uint32Array(rowsMax);
    this.#list = new Uint32Array(rowsMax);
  }

  /** Valid until it is asked for others. Neither may change meanwhile. */
  of(entries: RowEntries, rows: Uint32Array): GroupEntries {
    if (this.#last?.entries === entries && this.#last.rows === rows) return this.#last.found;
    const found = this.#find(entries.ofRow, rows);
    this.#last = { entries, rows, found };
    return found;
  }

  /** Gives the memory back; of no use afterwards. */
  free(): void {
    for (const array of [this.#ofRow, this.#list, this.#numbers]) freeBytes(array);
  }

  #find(entryOfRow: Uint32Array, rows: Uint32Array): GroupEntries {
    const [ofRow, list] = [this.#ofRow, this.#list];
    let listCount = 0;
    for (let i = 0; i < rows.length; i++) {
      const entry = entryOfRow[rows[i]!]!;
      if (entry >= this.#numbers.length) this.#grow(entry);
      let number = this.#numbers[entry]!;
      if (number === 0) {
        list[listCount++] = entry;
        number = listCount;
        this.#numbers[entry] = number;
      }
      ofRow[i] = number - 1;
    }
    for (let i = 0; i < listCount; i++) this.#numbers[list[i]!] = 0;
    return { ofRow, list, listCount };
  }

  #grow(entry: number): void {
    const numbers = new Uint32Array(2 * entry + 1024);
    numbers.set(this.#numbers);
    freeBytes(this.#numbers);
    this.#numbers = numbers;
  }
}
