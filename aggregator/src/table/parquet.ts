// A partition of the row buffer into one Parquet file, by DuckDB: table function, then COPY (measured: the fastest way from
// JavaScript columns, and the leanest). Knows the file format; knows nothing of Delta or of the store.
import { stat } from 'node:fs/promises';
import { type DuckDBConnection, DuckDBInstance, LIST, listValue, VARCHAR } from '@duckdb/node-api';
import { cannotWrite } from '../store/unavailable.ts';
import { TextVector } from './column-vectors.ts';
import { createFeedFunction, type FeedSource } from './duckdb-feed.ts';
import type { RowPartition } from './row-buffer.ts';
import { sortedRowOrder } from './row-order.ts';
import { sqlType } from './schema.ts';

/** zstd's fast end: level 3 costs a third more CPU for a few per cent of the bytes. Compaction may spend more. */
const ZSTD_LEVEL = 1;

/** DuckDB's default; a reader skips whole row groups, and below 5,000 rows reading gets slow. */
const ROW_GROUP_ROWS = 122_880;

/** Memory for DuckDB's own buffers. The rows are ours; it holds one row group of them at a time. */
const MEMORY_LIMIT = '512MB';

const FEED = 'flow_rows';

export interface ParquetFile {
  readonly rowCount: number;
  readonly sizeBytes: number;
}

/** Writes Parquet files, one at a time; calls queue. Holds a DuckDB instance until closed. */
export class ParquetWriter {
  readonly #instance: DuckDBInstance;
  readonly #connection: DuckDBConnection;
  #source: FeedSource | undefined;
  #tail: Promise<unknown> = Promise.resolve();

  private constructor(instance: DuckDBInstance, connection: DuckDBConnection) {
    this.#instance = instance;
    this.#connection = connection;
    connection.registerTableFunction(
      createFeedFunction(FEED, () => {
        if (this.#source === undefined) {
          throw new Error(`${FEED}() is only there while a file is written`);
        }
        return this.#source;
      }),
    );
  }

  static async open(): Promise<ParquetWriter> {
    const instance = await DuckDBInstance.create(':memory:', {
      threads: '1',
      memory_limit: MEMORY_LIMIT,
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
    });
    return new ParquetWriter(instance, await instance.connect());
  }

  /** Writes the rows, sorted, to a new file. The rows must not change meanwhile. */
  write(partition: RowPartition, path: string): Promise<ParquetFile> {
    const result = this.#tail.then(() => this.#write(partition, path));
    this.#tail = result.catch(() => undefined);
    return result;
  }

  close(): void {
    this.#connection.closeSync();
    this.#instance.closeSync();
  }

  async #write(partition: RowPartition, path: string): Promise<ParquetFile> {
    this.#source = { partition, order: sortedRowOrder(partition) };
    try {
      const joins: string[] = [];
      const columns: string[] = [];
      for (const vector of partition.vectors) {
        const name = vector.column.name;
        if (vector.column.type !== 'map' || !(vector instanceof TextVector)) {
          columns.push(name);
        } else if (vector.values.length === 1) {
          columns.push(`NULL::${sqlType('map')} AS ${name}`);
        } else {
          await this.#createMaps(`maps_of_${name}`, vector);
          joins.push(`LEFT JOIN maps_of_${name} ON maps_of_${name}.code = ${FEED}.${name}`);
          columns.push(`maps_of_${name}.map AS ${name}`);
        }
      }
      await this.#connection.run(
        `COPY (SELECT ${columns.join(', ')} FROM ${FEED}() AS ${FEED} ${joins.join(' ')})
         TO '${path.replaceAll("'", "''")}'
         (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL ${ZSTD_LEVEL}, ROW_GROUP_SIZE ${ROW_GROUP_ROWS})`,
      );
    } catch (error) {
      throw asStoreError(path, error);
    } finally {
      this.#source = undefined;
    }
    return { rowCount: partition.rowCount, sizeBytes: (await stat(path)).size };
  }

  /** Casts the dictionary, not the rows: a cast from JSON costs as much as the rest of the row. */
  async #createMaps(table: string, vector: TextVector): Promise<void> {
    await this.#connection.run(
      `CREATE OR REPLACE TEMP TABLE ${table} AS
       SELECT (row_number() OVER ())::INTEGER AS code, text::JSON::${sqlType('map')} AS map
       FROM (SELECT unnest($texts) AS text)`,
      { texts: listValue(vector.values.slice(1)) },
      { texts: LIST(VARCHAR) },
    );
  }
}

/** What DuckDB says when the system refuses a write, and the system's code. */
const SYSTEM_CODES: readonly (readonly [text: string, code: string])[] = [
  ['No space left on device', 'ENOSPC'],
  ['Disk quota exceeded', 'EDQUOT'],
  ['Read-only file system', 'EROFS'],
  ['Permission denied', 'EACCES'],
];

/** Errors of the file system are the store's; all others are ours, and stay as they are. */
function asStoreError(path: string, error: unknown): unknown {
  if (!(error instanceof Error) || !error.message.startsWith('IO Error')) {
    return error;
  }
  return cannotWrite(path, error, SYSTEM_CODES.find(([text]) => error.message.includes(text))?.[1]);
}
