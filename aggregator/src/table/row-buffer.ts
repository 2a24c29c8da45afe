// Rows of `flows` waiting for a commit, as columns, one set of them per UTC day. Appending is the hot path: one call per
// row, no object kept. Memory and dictionaries of one day are kept over `clear`, so a steady load allocates nothing, and two days at
// midnight do not cost twice for ever.
import type { FlowRow } from '../model/flow-row.ts';
import { type ColumnVector, createVector, DecimalVector, NumberVector, TextVector } from './column-vectors.ts';
import { FLOW_COLUMNS, LOCAL_COLUMNS, type MapColumn, PEER_COLUMNS, type TextColumn } from './columns.ts';
import { SideTexts } from './side-texts.ts';

const DAY_US = 86_400_000_000;
const FIRST_CAPACITY = 4096;
/** Little: memory is kept, and a steady load needs hardly more than its largest commit. */
const GROWTH = 1.25;

/** Different texts of one column above which its dictionary is begun anew: there are 150,000 pods, and others come and go. */
const KEPT_TEXTS_MAX = 2 ** 18;

/** Sides that are remembered: the pods of a thousand nodes, and all their peers. About 35 bytes each. */
const LOCAL_SIDES_MAX = 2 ** 15;
const PEER_SIDES_MAX = 2 ** 18;

/** The rows of one UTC day. */
export class RowPartition {
  #day: number;
  /** Vectors in the order of FLOW_COLUMNS. */
  readonly vectors: readonly ColumnVector[];
  rowCount = 0;
  #capacity = FIRST_CAPACITY;
  readonly #local = new SideTexts(textColumns(LOCAL_COLUMNS), FIRST_CAPACITY, LOCAL_SIDES_MAX);
  readonly #peer = new SideTexts(textColumns(PEER_COLUMNS), FIRST_CAPACITY, PEER_SIDES_MAX);
  // The vectors that belong to neither side by kind, so that each loop below meets one class only.
  readonly #texts: readonly TextVector[];
  readonly #numbers: readonly NumberVector[];
  readonly #decimals: readonly DecimalVector[];

  constructor(day: number) {
    this.#day = day;
    const ofSides = new Map([...this.#local.vectors, ...this.#peer.vectors].map((vector) => [vector.column, vector]));
    this.vectors = FLOW_COLUMNS.map(
      (column) => ofSides.get(column as TextColumn) ?? createVector(column, FIRST_CAPACITY),
    );
    this.#texts = this.vectors.filter(
      (vector) => vector instanceof TextVector && vector.entries === undefined,
    ) as TextVector[];
    this.#numbers = this.vectors.filter((vector) => vector instanceof NumberVector);
    this.#decimals = this.vectors.filter((vector) => vector instanceof DecimalVector);
  }

  /** Days since the Unix epoch. */
  get day(): number {
    return this.#day;
  }

  /** Rows that there is memory for. */
  get capacity(): number {
    return this.#capacity;
  }

  /** The day as it stands in the table, `YYYY-MM-DD`. */
  get date(): string {
    return new Date(this.day * 86_400_000).toISOString().slice(0, 10);
  }

  /** Copies the row. Throws BATCH_INVALID or PRICE_OVERFLOW if a value does not fit; the row is then not in. */
  append(row: FlowRow): void {
    const index = this.rowCount;
    if (index === this.#capacity) {
      this.#grow();
    }
    this.#local.set(index, row, row.localKey);
    this.#peer.set(index, row, row.peerKey);
    for (const vector of this.#texts) {
      vector.set(index, row);
    }
    for (const vector of this.#numbers) {
      vector.set(index, row);
    }
    for (const vector of this.#decimals) {
      vector.set(index, row);
    }
    this.rowCount = index + 1;
  }

  /** Forgets the rows and keeps their memory, for the rows of another day. */
  reset(day: number): void {
    this.#day = day;
    this.rowCount = 0;
    this.#local.reset();
    this.#peer.reset();
    let isAnew = false;
    for (const vector of this.vectors) {
      // Namespaces, workloads and zones stay, with their ranks: it is pods and addresses that come and go.
      if (!(vector instanceof TextVector) || vector.values.length <= KEPT_TEXTS_MAX) continue;
      vector.clear();
      isAnew = true;
    }
    if (!isAnew) return;
    this.#local.clear();
    this.#peer.clear();
  }

  /** Gives the memory back at once; of no use afterwards. */
  free(): void {
    for (const vector of [...this.#texts, ...this.#numbers, ...this.#decimals]) {
      vector.free();
    }
    this.#local.free();
    this.#peer.free();
  }

  #grow(): void {
    this.#capacity = Math.ceil(this.#capacity * GROWTH);
    for (const vector of [...this.#texts, ...this.#numbers, ...this.#decimals]) {
      vector.grow(this.#capacity);
    }
    this.#local.growRows(this.#capacity);
    this.#peer.growRows(this.#capacity);
  }
}

function textColumns(names: ReadonlySet<string>): (TextColumn | MapColumn)[] {
  const isText = (column: (typeof FLOW_COLUMNS)[number]): column is TextColumn | MapColumn =>
    column.type === 'text' || column.type === 'map';
  return FLOW_COLUMNS.filter(isText).filter(({ name }) => names.has(name));
}

/** Rows of any days. */
export class RowBuffer {
  readonly #partitions = new Map<number, RowPartition>();
  #last: RowPartition | undefined;
  /** Empty, with the memory of the largest day of the rows before. */
  #spare: RowPartition | undefined;

  /** Copies the row; the caller may use the object again. Throws if a value does not fit; the row is then not in. */
  append(row: FlowRow): void {
    const day = Math.floor(row.windowStartUs / DAY_US);
    if (this.#last?.day !== day) {
      this.#last = this.#partition(day);
    }
    this.#last.append(row);
  }

  /** The days that have rows, earliest first. */
  partitions(): RowPartition[] {
    return [...this.#partitions.values()].filter((partition) => partition.rowCount > 0).sort((a, b) => a.day - b.day);
  }

  get rowCount(): number {
    let rowCount = 0;
    for (const partition of this.#partitions.values()) rowCount += partition.rowCount;
    return rowCount;
  }

  /** Forgets the rows. Keeps the memory of the largest day, gives back that of the others. */
  clear(): void {
    for (const partition of this.#partitions.values()) {
      const isLarger = partition.capacity > (this.#spare?.capacity ?? 0);
      (isLarger ? this.#spare : partition)?.free();
      if (isLarger) {
        this.#spare = partition;
      }
    }
    this.#spare?.reset(0);
    this.#partitions.clear();
    this.#last = undefined;
  }

  /** Gives back the memory that `clear` has kept. */
  release(): void {
    this.#spare?.free();
    this.#spare = undefined;
  }

  #partition(day: number): RowPartition {
    let partition = this.#partitions.get(day);
    if (partition === undefined) {
      partition = this.#spare ?? new RowPartition(day);
      partition.reset(day);
      this.#spare = undefined;
      this.#partitions.set(day, partition);
    }
    return partition;
  }
}
