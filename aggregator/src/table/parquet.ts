// A partition of the row buffer into one Parquet file: its rows sorted, its columns as they are. Knows rows and files; knows
// nothing of Delta or of the store.
import { cannotWrite } from '../store/unavailable.ts';
import { writeParquetFile } from './parquet-file/file-writer.ts';
import type { RowPartition } from './row-buffer.ts';
import { sortedRowOrder } from './row-order.ts';

const LAYOUT = {
  /** zstd's fast end: level 3 costs a third more CPU for a few per cent of the bytes. Compaction may spend more. */
  zstdLevel: 1,
  /** DuckDB's default; a reader skips whole row groups, and below 5,000 rows reading gets slow. */
  rowGroupRows: 122_880,
};

export interface ParquetFile {
  readonly rowCount: number;
  readonly sizeBytes: number;
}

/** Writes the rows, sorted, to a new file. The rows must not change meanwhile. Throws STORE_UNAVAILABLE if it cannot be written. */
export async function writeParquet(partition: RowPartition, path: string): Promise<ParquetFile> {
  try {
    const sizeBytes = await writeParquetFile(path, partition.vectors, sortedRowOrder(partition), LAYOUT);
    return { rowCount: partition.rowCount, sizeBytes };
  } catch (error) {
    // What the system refuses is the store's; everything else is ours.
    throw error instanceof Error && 'syscall' in error ? cannotWrite(path, error) : error;
  }
}
