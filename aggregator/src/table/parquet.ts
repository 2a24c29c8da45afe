// Rows, as columns, into one Parquet file, laid out as the files of commits are. Knows nothing of Delta or of the store.
import { cannotWrite } from '../store/unavailable.ts';
import type { ColumnVectorOfAny } from './column-vectors.ts';
import { type WrittenFile, writeParquetFile } from './parquet-file/file-writer.ts';

/** Rows, column by column. */
export interface RowsOfColumns {
  readonly rowCount: number;
  readonly vectors: readonly ColumnVectorOfAny[];
}

const LAYOUT = {
  /** zstd's fast end: level 3 costs a third more CPU for a few per cent of the bytes. Compaction may spend more. */
  zstdLevel: 1,
  /** DuckDB's default; a reader skips whole row groups, and below 5,000 rows reading gets slow. */
  rowGroupRows: 122_880,
};

/**
 * Writes the rows in this order to a new file. The rows must not change meanwhile. Throws STORE_UNAVAILABLE if it
 * cannot be written.
 */
export async function writeParquet({ vectors }: RowsOfColumns, order: Uint32Array, path: string): Promise<WrittenFile> {
  try {
    return await writeParquetFile(path, vectors, order, LAYOUT);
  } catch (error) {
    // What the system refuses is the store's; everything else is ours.
    throw error instanceof Error && 'syscall' in error ? cannotWrite(path, error) : error;
  }
}
