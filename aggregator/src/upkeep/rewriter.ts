// Parquet files into other Parquet files, by DuckDB: merged and sorted, or summed by hour; with the statistics that the log
// wants. Rows never pass through our memory, and what does not fit into DuckDB's is spilled. Knows neither the log nor the store.
import { randomUUID } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBDecimalValue, DuckDBInstance, type DuckDBValue } from '@duckdb/node-api';
import { COST_COLUMNS, type Column, type ColumnOfAny, SORT_COLUMNS } from '../table/columns.ts';
import { parquetScan } from '../table/parquet-scan.ts';
import { scannedColumns, sqlType } from '../table/schema.ts';
import { type ColumnExtremes, statisticsOf } from '../table/statistics.ts';

/** The knee of zstd: files that stay are worth a third more CPU than those that are merged within the hour. */
const ZSTD_LEVEL = 3;
/** DuckDB holds a whole row group before it writes it, beside what it sorts: at 2 KB a row these are 40 MB. */
const ROW_GROUP_ROWS = 20_480;
/** Below it DuckDB cannot sort rows of 45 columns with the longest names, however much it may spill. */
const MEMORY_LIMIT = '384MB';

/** A file that was written, as the log describes it. */
export interface FileSummary {
  readonly rowCount: number;
  readonly sizeBytes: number;
  /** JSON text for `add.stats`. */
  readonly stats: string;
}

/** Measures that the roll-up sums; every other column is what it sums by. */
const SUMMED: ReadonlySet<string> = new Set([
  'tx_bytes',
  'tx_packets',
  'rx_bytes',
  'rx_packets',
  'connections',
  'lost_bytes_max',
  'tx_cost',
  'rx_cost',
  'processing_cost',
]);

/** One DuckDB; one file at a time. */
export class Rewriter {
  readonly #instance: DuckDBInstance;
  readonly #connection: DuckDBConnection;

  private constructor(instance: DuckDBInstance, connection: DuckDBConnection) {
    this.#instance = instance;
    this.#connection = connection;
  }

  /** @param scratchDirectory what does not fit into memory goes into a folder below it; others may do the same there */
  static async open(scratchDirectory: string): Promise<Rewriter> {
    const instance = await DuckDBInstance.create(':memory:', {
      threads: '1',
      memory_limit: MEMORY_LIMIT,
      // A folder of its own: DuckDB names its files alike in every process, and two of them would write into each other's.
      temp_directory: join(scratchDirectory, `${randomUUID()}.spill`),
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
    });
    const connection = await instance.connect();
    // Hours and days are UTC everywhere.
    await connection.run("SET TimeZone = 'UTC'");
    return new Rewriter(instance, connection);
  }

  close(): void {
    this.#connection.closeSync();
    this.#instance.closeSync();
  }

  /** All rows of `inputs`, sorted by the columns `by`, in one new file. */
  async merge(
    inputs: readonly string[],
    output: string,
    columns: readonly ColumnOfAny[],
    by: readonly string[] = SORT_COLUMNS,
  ): Promise<FileSummary> {
    const sort = by.map((name) => `${name} NULLS FIRST`).join(', ');
    const rows = parquetScan(inputs, scannedColumns(columns), 'hive_partitioning = false');
    await this.#copy(`SELECT ${namesOf(columns)} FROM ${rows} ORDER BY ${sort}`, output);
    return this.summarize(output, columns);
  }

  /** Dates (YYYY-MM-DD) of the rows of files of `flows`. */
  async datesOf(inputs: readonly string[]): Promise<string[]> {
    const rows = await this.#rows(
      `SELECT DISTINCT strftime(window_start, '%Y-%m-%d') FROM ${parquet(inputs)} ORDER BY 1`,
    );
    return rows.map(([date]) => String(date));
  }

  /** Rows of files of `flows` that began on a date, summed by hour and by all columns that `costs_hourly` has, in one new file. */
  async rollUp(inputs: readonly string[], date: string, output: string): Promise<FileSummary> {
    const columns = COST_COLUMNS.map((column) => `${rolledUp(column)} AS ${column.name}`);
    // What is null stays apart: a sum over known and unknown would hide the unknown.
    const keys = COST_COLUMNS.map(({ name }) => (SUMMED.has(name) ? `${name} IS NULL` : keyOf(name)));
    const sort = SORT_COLUMNS.map((name) => `${name} NULLS FIRST`).join(', ');
    const from = `DATE ${literal(date)}`;
    await this.#copy(
      `SELECT * FROM (SELECT ${columns.join(', ')} FROM ${parquet(inputs)}
         WHERE window_start >= ${from} AND window_start < ${from} + INTERVAL 1 DAY
         GROUP BY ${keys.join(', ')}) ORDER BY ${sort}`,
      output,
    );
    return this.summarize(output, COST_COLUMNS);
  }

  /** What the log has to know of a file. */
  async summarize(path: string, columns: readonly ColumnOfAny[]): Promise<FileSummary> {
    const extremes = columns.map(({ name, type }) =>
      type === 'map'
        ? `count(*) - count(${name}), NULL, NULL`
        : `count(*) - count(${name}), min(${exact(name, type)}), max(${exact(name, type)})`,
    );
    const [row] = await this.#rows(`SELECT count(*), ${extremes.join(', ')} FROM ${parquet([path])}`);
    const rowCount = Number(row![0]);
    const statistics = columns.map((column, i): ColumnExtremes => {
      const [nulls, min, max] = row!.slice(1 + 3 * i, 4 + 3 * i);
      return { column, nullCount: Number(nulls), min: extreme(min!), max: extreme(max!) };
    });
    return { rowCount, sizeBytes: (await stat(path)).size, stats: statisticsOf(rowCount, statistics) };
  }

  async #copy(query: string, output: string): Promise<void> {
    await this.#connection.run(
      `COPY (${query}) TO ${literal(output)}
       (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL ${ZSTD_LEVEL}, ROW_GROUP_SIZE ${ROW_GROUP_ROWS})`,
    );
  }

  async #rows(sql: string): Promise<DuckDBValue[][]> {
    return (await this.#connection.runAndReadAll(sql)).getRows();
  }
}

function rolledUp({ name, type }: Column): string {
  if (!SUMMED.has(name)) return name === 'window_end' ? `${keyOf('window_start')} + INTERVAL 1 HOUR` : keyOf(name);
  // A sum that does not fit is unknown, as a single cost that does not fit is: a roll-up must not stand still for it.
  return `try_cast(sum(${name}) AS ${sqlType(type)})`;
}

function keyOf(name: string): string {
  return name === 'window_start' || name === 'window_end' ? "date_trunc('hour', window_start)" : name;
}

/** A value that comes back without loss. */
function exact(name: string, type: Column['type']): string {
  return type === 'timestamp' ? `epoch_us(${name})` : name;
}

function extreme(value: DuckDBValue): string | number | bigint | undefined {
  if (value === null) return undefined;
  if (value instanceof DuckDBDecimalValue) return value.value;
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint') return value;
  throw new TypeError(`a text or a number was expected, not ${value}`);
}

const namesOf = (columns: readonly ColumnOfAny[]): string => columns.map(({ name }) => name).join(', ');
const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const parquet = (paths: readonly string[]): string => parquetScan(paths, [], 'hive_partitioning = false');
