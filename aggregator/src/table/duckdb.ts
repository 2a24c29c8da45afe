// A DuckDB of its own for one piece of work on files, in little memory. Knows nothing of tables.
import { DuckDBInstance, type DuckDBValue } from '@duckdb/node-api';

/** Small enough for a sidecar's memory; what does not fit is spilled. */
const MEMORY_LIMIT = '256MB';

/** What its allocator may keep of what it has freed: by default hundreds of megabytes, all of a checkpoint's statements together. */
const KEPT_FREE = '1MB';

/** Runs a statement; its rows. */
export type RunSql = (sql: string) => Promise<DuckDBValue[][]>;

/** Runs a statement; its rows in pieces of some thousands, so that not all of them are in memory at once. */
export type StreamSql = (sql: string) => AsyncIterable<DuckDBValue[][]>;

/** `spillDirectory` must be its own: DuckDB names its files alike in every process, and two would write into each other's. */
export async function withDuckDb<T>(
  spillDirectory: string,
  work: (run: RunSql, stream: StreamSql) => Promise<T>,
): Promise<T> {
  const instance = await DuckDBInstance.create(':memory:', {
    threads: '1',
    memory_limit: MEMORY_LIMIT,
    temp_directory: spillDirectory,
    preserve_insertion_order: 'false',
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    allocator_flush_threshold: KEPT_FREE,
    allocator_bulk_deallocation_flush_threshold: KEPT_FREE,
  });
  const connection = await instance.connect();
  try {
    return await work(
      async (sql) => (await connection.runAndReadAll(sql)).getRows(),
      async function* (sql) {
        yield* (await connection.stream(sql)).yieldRows();
      },
    );
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
