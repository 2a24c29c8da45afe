// A DuckDB of its own for one piece of work on files, in little memory. Knows nothing of tables.
import { DuckDBInstance, type DuckDBValue } from '@duckdb/node-api';

/** Small enough for a sidecar's memory; what does not fit is spilled. */
const MEMORY_LIMIT = '256MB';

/** Runs a statement; its rows. */
export type RunSql = (sql: string) => Promise<DuckDBValue[][]>;

/** `spillDirectory` must be its own: DuckDB names its files alike in every process, and two would write into each other's. */
export async function withDuckDb<T>(spillDirectory: string, work: (run: RunSql) => Promise<T>): Promise<T> {
  const instance = await DuckDBInstance.create(':memory:', {
    threads: '1',
    memory_limit: MEMORY_LIMIT,
    temp_directory: spillDirectory,
    preserve_insertion_order: 'false',
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  });
  const connection = await instance.connect();
  try {
    return await work(async (sql) => (await connection.runAndReadAll(sql)).getRows());
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
