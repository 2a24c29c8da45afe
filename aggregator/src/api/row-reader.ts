// Reads rows of one Parquet file by DuckDB, in file order, and makes them messages, each when it is wanted: whoever reads
// slowly costs two chunks of memory. Runs in a thread of its own (row-reader-worker.ts); knows no log and no stream.
import { type DuckDBConnection, type DuckDBDataChunk, DuckDBInstance } from '@duckdb/node-api';
import { encodeRowsMessage } from '@flowtoll/proto';
import { formatToken, type Position } from './resume-token.ts';
import type { RowQuery } from './row-query.ts';
import { columnOfChunk } from './row-vectors.ts';

/** Rows of one file. Plain data, so that it can go to another thread. */
export interface ReadRequest {
  /** Path of the file. */
  readonly path: string;
  readonly query: RowQuery;
  /** The first row wanted. */
  readonly from: Position;
  /** The place behind the file's last row: who has that row needs nothing more of the file. */
  readonly behind: Position;
}

/** A WatchResponse with rows, encoded. */
export interface RowsChunk {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly rowCount: number;
  /** The place after the message; its token is in it. */
  readonly next: Position;
}

export interface RowReader {
  /** Rejects with what DuckDB says. Whoever stops reading early must return the generator. */
  read(request: ReadRequest): AsyncGenerator<RowsChunk, void, undefined>;
  close(): Promise<void>;
}

/** DuckDB's buffers for all watchers together; each holds about a row group of the columns that it wants. */
const MEMORY_LIMIT = '512MB';

export async function openRowReader(): Promise<RowReader> {
  const instance = await DuckDBInstance.create(':memory:', {
    // More would not keep the order of rows, and take the processor from the ingest.
    threads: '1',
    memory_limit: MEMORY_LIMIT,
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  });
  return {
    async *read(request) {
      const connection = await instance.connect();
      try {
        yield* chunksOf(connection, request);
      } finally {
        connection.closeSync();
      }
    },
    async close() {
      instance.closeSync();
    },
  };
}

async function* chunksOf(connection: DuckDBConnection, request: ReadRequest): AsyncGenerator<RowsChunk> {
  const { path, query, from, behind } = request;
  const columns = query.columns.map(({ name, sql }) => `${sql} AS "${name}"`).join(', ');
  const file = `read_parquet('${path.replaceAll("'", "''")}', file_row_number = true, hive_partitioning = false)`;
  const seen =
    query.view === undefined
      ? file
      : `(SELECT * REPLACE (${query.view.replacing}) FROM ${file} WHERE ${query.view.where})`;
  const statement = await connection.prepare(
    `SELECT file_row_number, ${columns} FROM ${seen} WHERE file_row_number >= ${from.row} AND (${query.where})`,
  );
  query.parameters.forEach((value, i) => {
    statement.bindVarchar(i + 1, value);
  });
  const result = await statement.stream();
  let rows = copyOf(await result.fetchChunk(), query);
  while (rows !== undefined) {
    // Whether these are the last decides what their token says.
    const following = copyOf(await result.fetchChunk(), query);
    const next = following === undefined ? behind : { ...from, row: rows.lastRow + 1 };
    const bytes = encodeRowsMessage({
      resumeToken: formatToken(next),
      version: from.version,
      commitTimeMs: from.timeMs,
      rowCount: rows.rowCount,
      columns: rows.columns,
    });
    yield { bytes, rowCount: rows.rowCount, next };
    rows = following;
  }
}

/** What is needed of a chunk, in memory of our own; undefined at the end. */
function copyOf(chunk: DuckDBDataChunk | null, query: RowQuery) {
  if (chunk === null || chunk.rowCount === 0) return undefined;
  const { rowCount } = chunk;
  const lastRow = Number(chunk.getColumnVector(0).getItem(rowCount - 1));
  return { rowCount, lastRow, columns: query.columns.map((column, i) => columnOfChunk(chunk, i + 1, column)) };
}
