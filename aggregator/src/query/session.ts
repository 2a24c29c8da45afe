// A read-only DuckDB over lists of Parquet files: each table is a view. Runs one statement that reads, and nothing else. Knows
// neither Delta nor the store: whoever opens a session has replayed the log.
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type DuckDBConnection,
  DuckDBInstance,
  type DuckDBPreparedStatement,
  type DuckDBType,
  type DuckDBValue,
  StatementType,
} from '@duckdb/node-api';
import { FlowtollError } from '../model/errors.ts';

/** A table to be seen by statements. */
export interface SourceTable {
  readonly name: string;
  /** All columns, in order, with their DuckDB types. */
  readonly columns: readonly { readonly name: string; readonly sqlType: string }[];
  /** Column whose value stands in the path of the files (`date=2026-01-31/…`) and not in them. */
  readonly partitionColumn: string;
  /** Absolute paths of the Parquet files. */
  readonly files: readonly string[];
}

export interface SessionOptions {
  readonly tables: readonly SourceTable[];
  /** Directory that holds all files; statements can read nothing outside. */
  readonly root: string;
}

/** Values by position, as DuckDB gives them. */
export interface QueryResult {
  readonly columns: readonly { readonly name: string; readonly type: DuckDBType }[];
  /** Rows in portions, each when it is ready. */
  readonly chunks: AsyncIterable<readonly (readonly DuckDBValue[])[]>;
}

export class QuerySession {
  readonly #instance: DuckDBInstance;
  readonly #connection: DuckDBConnection;

  private constructor(instance: DuckDBInstance, connection: DuckDBConnection) {
    this.#instance = instance;
    this.#connection = connection;
  }

  static async open(options: SessionOptions): Promise<QuerySession> {
    const instance = await DuckDBInstance.create(':memory:', {
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
      // A folder of its own: DuckDB names its files alike in every process, and two of them would write into each other's.
      temp_directory: join(tmpdir(), `flowtoll-${randomUUID()}.spill`),
    });
    const connection = await instance.connect();
    // Hours, days and months are UTC everywhere.
    await connection.run("SET TimeZone = 'UTC'");
    // Files never change under their names, and a report reads each footer several times.
    await connection.run('SET parquet_metadata_cache = true');
    try {
      for (const table of options.tables) {
        await connection.run(viewStatement(table));
      }
    } catch (error) {
      connection.closeSync();
      instance.closeSync();
      throw fileError(error);
    }
    await connection.run(`SET allowed_directories = [${literal(options.root)}]`);
    await connection.run('SET enable_external_access = false');
    await connection.run('SET lock_configuration = true');
    return new QuerySession(instance, connection);
  }

  /** Runs one statement that reads. Throws QUERY_INVALID, with DuckDB's message, if it cannot be run. */
  async query(sql: string): Promise<QueryResult> {
    const statement = await this.#prepare(sql);
    try {
      const result = await statement.stream();
      const columns = result.columnNames().map((name, i) => ({ name, type: result.columnType(i) }));
      return { columns, chunks: chunksOf(result) };
    } catch (error) {
      throw queryError(error);
    }
  }

  /** Runs one statement that reads and returns all of its rows. */
  async queryAll(sql: string): Promise<readonly (readonly DuckDBValue[])[]> {
    const rows: (readonly DuckDBValue[])[] = [];
    for await (const chunk of (await this.query(sql)).chunks) {
      rows.push(...chunk);
    }
    return rows;
  }

  close(): void {
    this.#connection.closeSync();
    this.#instance.closeSync();
  }

  async #prepare(sql: string): Promise<DuckDBPreparedStatement> {
    if (sql.trim() === '') {
      throw new FlowtollError('QUERY_INVALID', 'the statement is empty');
    }
    let statement: DuckDBPreparedStatement;
    try {
      const statements = await this.#connection.extractStatements(sql);
      if (statements.count !== 1) {
        throw new FlowtollError('QUERY_INVALID', `one statement is wanted, there are ${statements.count}`);
      }
      statement = await statements.prepare(0);
    } catch (error) {
      throw queryError(error);
    }
    // Not EXPLAIN: EXPLAIN ANALYZE runs what it explains, a COPY to a file, too.
    if (statement.statementType !== StatementType.SELECT) {
      const type = StatementType[statement.statementType] ?? 'this';
      throw new FlowtollError('QUERY_INVALID', `${type} is not allowed: only statements that read, such as SELECT`);
    }
    if (statement.parameterCount > 0) {
      throw new FlowtollError('QUERY_INVALID', 'the statement has parameters ($1, ?): write the values into it');
    }
    return statement;
  }
}

async function* chunksOf(result: {
  yieldRows(): AsyncIterable<DuckDBValue[][]>;
}): AsyncIterable<readonly (readonly DuckDBValue[])[]> {
  try {
    yield* result.yieldRows();
  } catch (error) {
    throw queryError(error);
  }
}

function viewStatement(table: SourceTable): string {
  const names = table.columns.map((column) => identifier(column.name)).join(', ');
  if (table.files.length === 0) {
    const nulls = table.columns.map((column) => `NULL::${column.sqlType} AS ${identifier(column.name)}`).join(', ');
    return `CREATE VIEW ${identifier(table.name)} AS SELECT ${nulls} WHERE false`;
  }
  const partition = table.columns.find((column) => column.name === table.partitionColumn);
  const files = table.files.map(literal).join(', ');
  const hive = `hive_types = {${literal(table.partitionColumn)}: ${partition?.sqlType ?? 'VARCHAR'}}`;
  return (
    `CREATE VIEW ${identifier(table.name)} AS SELECT ${names} ` +
    `FROM read_parquet([${files}], hive_partitioning = true, ${hive})`
  );
}

/** Text as an SQL literal. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function queryError(error: unknown): FlowtollError {
  if (error instanceof FlowtollError) {
    return error;
  }
  const message = (error instanceof Error ? error.message : String(error)).replace(
    'Failed to extract statements: ',
    '',
  );
  if (message.startsWith('IO Error') || DAMAGED_FILE.test(message)) {
    return fileError(error);
  }
  return new FlowtollError('QUERY_INVALID', message, { cause: error });
}

/** What DuckDB says of a file that is no Parquet file, or no longer one. */
const DAMAGED_FILE = /^Invalid (Input )?Error: .*(Parquet file|magic bytes|TProtocolException|corrupt)/i;

/** A file that the log names is missing or damaged, or the store cannot be read at all. */
function fileError(error: unknown): FlowtollError {
  const message = error instanceof Error ? error.message : String(error);
  const [what] = message.split('\n');
  if (message.includes('No files found') || message.includes('No such file') || !message.startsWith('IO Error')) {
    return new FlowtollError(
      'TABLE_INVALID',
      `a file that the log of the table names is missing or damaged: restore it from a backup (${what})`,
      { cause: error },
    );
  }
  return new FlowtollError('STORE_UNAVAILABLE', `a file of the table cannot be read: ${what}`, { cause: error });
}
