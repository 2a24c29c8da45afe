// One data file of a table: rows in, a Parquet file in the store and what the log shall say of it out. Knows no kind of rows.
import { withScratchFile } from '../store/local-file.ts';
import type { ObjectStore } from '../store/store.ts';
import { PARTITION_COLUMN } from './columns.ts';
import type { AddAction } from './delta-actions.ts';
import { newFileName } from './file-name.ts';
import { type RowsOfColumns, writeParquet } from './parquet.ts';
import { statisticsOf } from './statistics.ts';

/** Puts the rows, in this order, into a file of that date; it is in the table when the log names it. Throws STORE_UNAVAILABLE. */
export function putDataFile(
  store: ObjectStore,
  root: string,
  { date, nowMs }: { readonly date: string; readonly nowMs: number },
  rows: RowsOfColumns,
  order: Uint32Array,
): Promise<AddAction> {
  const path = `${PARTITION_COLUMN.name}=${date}/${newFileName(nowMs)}`;
  return withScratchFile(store, async (file) => {
    const { sizeBytes, columns } = await writeParquet(rows, order, file);
    await store.put(`${root}/${path}`, { file });
    return {
      path,
      partitionValues: { [PARTITION_COLUMN.name]: date },
      size: sizeBytes,
      modificationTime: nowMs,
      dataChange: true,
      stats: statisticsOf(rows.rowCount, columns),
    };
  });
}
