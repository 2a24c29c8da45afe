// The text columns of one side of a row: many rows have the same side, so its texts are looked up once and each row says only which
// side it has. Sides stay when the rows go, as their dictionaries do.
import { freeBytes } from '@flowtoll/proto';
import type { FlowRow } from '../model/flow-row.ts';
import { KeyNumbers } from '../model/key-numbers.ts';
import { type RowEntries, TextVector } from './column-vectors.ts';
import type { MapColumn, TextColumn } from './columns.ts';

const FIRST_SIDES = 1024;
const GROWTH = 1.5;

export class SideTexts {
  /** Their entries are the sides. */
  readonly vectors: readonly TextVector[];
  readonly #rows: RowEntries;
  readonly #sidesMax: number;
  /** The side of each key. */
  readonly #known = new KeyNumbers('counted');
  #count = 0;
  #capacity = FIRST_SIDES;

  /**
   * @param rowCapacity rows that there is memory for
   * @param sidesMax how many sides are remembered from commit to commit
   */
  constructor(columns: readonly (TextColumn | MapColumn)[], rowCapacity: number, sidesMax: number) {
    const rows: RowEntries = { ofRow: new Uint32Array(rowCapacity) };
    this.#rows = rows;
    this.vectors = columns.map((column) => new TextVector(column, FIRST_SIDES, rows));
    this.#sidesMax = sidesMax;
  }

  /** Sets the columns of row `index`. `key` is that of the row's side, 0 if it has none. */
  set(index: number, row: FlowRow, key: number): void {
    const known = key === 0 ? -1 : this.#known.find(key);
    this.#rows.ofRow[index] = known === -1 ? this.#add(row, key) : known;
  }

  growRows(capacity: number): void {
    const { ofRow } = this.#rows;
    this.#rows.ofRow = new Uint32Array(capacity);
    this.#rows.ofRow.set(ofRow);
    freeBytes(ofRow);
  }

  /** For other rows: forgets the sides, too, where there are too many. */
  reset(): void {
    if (this.#count > this.#sidesMax) this.clear();
  }

  /** Forgets everything but the dictionaries. */
  clear(): void {
    this.#known.clear();
    this.#count = 0;
  }

  /** Gives the memory back; of no use afterwards. */
  free(): void {
    for (const vector of this.vectors) vector.free();
    freeBytes(this.#rows.ofRow);
    this.#known.free();
  }

  #add(row: FlowRow, key: number): number {
    const side = this.#count;
    if (side === this.#capacity) this.#grow();
    for (const vector of this.vectors) vector.set(side, row);
    // Only now: a value that does not fit has thrown.
    this.#count = side + 1;
    if (key !== 0) this.#known.set(key, side);
    return side;
  }

  #grow(): void {
    this.#capacity = Math.ceil(this.#capacity * GROWTH);
    for (const vector of this.vectors) vector.grow(this.#capacity);
  }
}
