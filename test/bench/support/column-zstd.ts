// How small the columns of a Parquet file are when each is one run of zstd: numbers as little-endian integers of the column's
// width (8 bytes; 4 for `port`), texts as codes of 1, 2 or 4 bytes, as their number asks for, into a sorted dictionary, which is
// zstd's, too; a bitmap of nulls where there are any. Rows in the order of the file. No pages, no statistics, no footer.
import { constants, zstdCompressSync } from 'node:zlib';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { FLOW_COLUMNS } from '@flowtoll/aggregator/table/columns.ts';

export interface ColumnBytes {
  readonly name: string;
  /** In the file: pages and their headers. */
  readonly parquet: number;
  /** As zstd of the raw column and of its dictionary. */
  readonly zstd: number;
}

/** Bytes of each column of a file of `flows`. */
export async function columnBytes(file: string, level: number): Promise<ColumnBytes[]> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  try {
    const columns: ColumnBytes[] = [];
    for (const { name, type } of FLOW_COLUMNS) {
      const [[parquet]] = (await rows(
        connection,
        `SELECT sum(total_compressed_size)::DOUBLE FROM parquet_metadata('${file}')
         WHERE path_in_schema = '${name}' OR path_in_schema LIKE '${name}, %'`,
      )) as [[number]];
      const isText = type === 'text' || type === 'map';
      const dictionary = isText ? await dictionaryOf(connection, file, name) : [];
      const value = isText
        ? `enum_code(${name}::VARCHAR::words)::DOUBLE`
        : type === 'timestamp'
          ? `epoch_us(${name})::DOUBLE`
          : type === 'decimal'
            ? `(${name} * 1000000000000)::DOUBLE`
            : `${name}::DOUBLE`;
      const width = isText ? codeBytes(dictionary.length) : type === 'integer' ? 4 : 8;
      const parts = await rawColumn(connection, `SELECT ${value} FROM '${file}'`, width);
      const text = Buffer.from(dictionary.join('\n'));
      columns.push({
        ...{ name, parquet },
        zstd: [...parts, text].reduce((sum, bytes) => sum + compressed(bytes, level), 0),
      });
    }
    return columns;
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** The different texts of a column, as an ENUM `words` in the database, too. */
async function dictionaryOf(connection: DuckDBConnection, file: string, name: string): Promise<string[]> {
  const distinct = `SELECT DISTINCT ${name}::VARCHAR AS word FROM '${file}' WHERE ${name} IS NOT NULL ORDER BY 1`;
  const words = (await rows(connection, distinct)).map(([word]) => String(word));
  await connection.run('DROP TYPE IF EXISTS words');
  // DuckDB has no empty ENUM.
  await connection.run(`CREATE TYPE words AS ENUM (${words.length === 0 ? "SELECT ''" : distinct})`);
  return words;
}

function codeBytes(count: number): 1 | 2 | 4 {
  if (count <= 0x100) return 1;
  return count <= 0x1_0000 ? 2 : 4;
}

/** Values as integers of `width` bytes; where there are nulls, those are 0 and there is a bitmap. */
async function rawColumn(connection: DuckDBConnection, query: string, width: number): Promise<Buffer[]> {
  const values: Buffer[] = [];
  const nulls: number[] = [];
  let hasNulls = false;
  const result = await connection.stream(query);
  for (let chunk = await result.fetchChunk(); chunk !== null && chunk.rowCount > 0; chunk = await result.fetchChunk()) {
    const column = chunk.getColumnValues(0) as (number | null)[];
    const bytes = Buffer.alloc(column.length * width);
    column.forEach((value, i) => {
      nulls.push(value === null ? 1 : 0);
      hasNulls ||= value === null;
      if (width === 8) bytes.writeBigInt64LE(BigInt(value ?? 0), i * 8);
      else bytes.writeUIntLE(value ?? 0, i * width, width);
    });
    values.push(bytes);
  }
  const raw = Buffer.concat(values);
  if (!hasNulls) return [raw];
  const bitmap = Buffer.alloc(Math.ceil(nulls.length / 8));
  for (const [i, isNull] of nulls.entries()) bitmap[i >> 3]! |= isNull << (i & 7);
  return [raw, bitmap];
}

function compressed(bytes: Buffer, level: number): number {
  return bytes.length === 0
    ? 0
    : zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: level } }).length;
}

async function rows(connection: DuckDBConnection, sql: string): Promise<unknown[][]> {
  return (await connection.runAndReadAll(sql)).getRows();
}
