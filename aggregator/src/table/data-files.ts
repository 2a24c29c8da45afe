// Data files of one commit, written before anything names them: rows in, Parquet files in the store out. Behind an interface,
// so that the commit itself can be tried on files of another kind. Knows neither batches nor the log.
import { freeBytes } from '@flowtoll/proto';
import type { ObjectStore } from '../store/store.ts';
import { putDataFile } from './data-file.ts';
import type { AddAction } from './delta-actions.ts';
import { inTurn } from './memory-turn.ts';
import { RowBuffer } from './row-buffer.ts';
import { sortedRowOrder } from './row-order.ts';

/** Files that are in the store and that no log entry names yet. */
export interface StagedFiles {
  readonly adds: readonly AddAction[];
  readonly rowCount: number;
}

/** Writes data files. `Rows` is what rows are appended to. */
export interface DataFiles<Rows> {
  /** Lets `fill` append rows, and writes them as new files. When `fill` throws, or the store, nothing is left behind. */
  write(fill: (rows: Rows) => void): Promise<StagedFiles>;
  /** Removes files that no log entry names or will name. */
  discard(files: StagedFiles): Promise<void>;
}

/** Parquet files below `root` in the store, one for each date of the rows. */
export function openParquetFiles(store: ObjectStore, root: string, clock: () => number): ParquetFiles {
  return new ParquetFiles(store, root, clock);
}

export class ParquetFiles implements DataFiles<RowBuffer> {
  readonly #store: ObjectStore;
  readonly #root: string;
  readonly #clock: () => number;
  readonly #rows = new RowBuffer();

  constructor(store: ObjectStore, root: string, clock: () => number) {
    this.#store = store;
    this.#root = root;
    this.#clock = clock;
  }

  write(fill: (rows: RowBuffer) => void): Promise<StagedFiles> {
    return inTurn(() => this.#write(fill));
  }

  /** Gives back the memory that is kept for the next commit; not while one is written. */
  release(): void {
    this.#rows.release();
  }

  async #write(fill: (rows: RowBuffer) => void): Promise<StagedFiles> {
    const adds: AddAction[] = [];
    try {
      fill(this.#rows);
      for (const partition of this.#rows.partitions()) {
        const at = { date: partition.date, nowMs: this.#clock() };
        const order = sortedRowOrder(partition);
        adds.push(await putDataFile(this.#store, this.#root, at, partition, order));
        freeBytes(order);
      }
      return { adds, rowCount: this.#rows.rowCount };
    } catch (error) {
      // The first error says more; vacuum finds what stays behind.
      await this.discard({ adds, rowCount: 0 }).catch(() => undefined);
      throw error;
    } finally {
      this.#rows.clear();
    }
  }

  async discard({ adds }: StagedFiles): Promise<void> {
    for (const { path } of adds) await this.#store.delete(`${this.#root}/${path}`);
  }
}
