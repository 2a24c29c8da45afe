// The least that a commit can cost: its rows, already in columns and in order, as one Parquet file, by the same DuckDB with
// the same settings, and nothing else.
import { DuckDBInstance } from '@duckdb/node-api';
import type { FlowRow } from '@flowtoll/aggregator/model/flow-row.ts';
import { RowBuffer, type RowPartition } from '@flowtoll/aggregator/table/row-buffer.ts';
import { sortedRowOrder } from '@flowtoll/aggregator/table/row-order.ts';
import { createFeedFunction } from './duckdb-feed.ts';

/** As the product's writer (table/parquet.ts). */
const OPTIONS = 'FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 122880';

/** The same rows in the order of a file. */
export function inFileOrder(rows: readonly FlowRow[]): RowPartition {
  const ordered = new RowBuffer();
  const given = new RowBuffer();
  for (const row of rows) given.append(row);
  for (const index of sortedRowOrder(given.partitions()[0]!)) ordered.append(rows[index]!);
  return ordered.partitions()[0]!;
}

/** Encodes ready columns; the number of their rows. */
export async function createParquetFloor(partition: RowPartition): Promise<(path: string) => Promise<number>> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  const order = Uint32Array.from({ length: partition.rowCount }, (_, i) => i);
  connection.registerTableFunction(createFeedFunction('ready', () => ({ partition, order })));
  // Labels come as codes, and nobody asked for any: a column of nulls, as in the product.
  const columns = partition.vectors.map(({ column }) =>
    column.type === 'map' ? `NULL::MAP(VARCHAR, VARCHAR) AS ${column.name}` : column.name,
  );
  return async (path) => {
    await connection.run(`COPY (SELECT ${columns.join(', ')} FROM ready()) TO '${path}' (${OPTIONS})`);
    return partition.rowCount;
  };
}
