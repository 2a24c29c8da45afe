// A read-only DuckDB over lists of Parquet files: each table is a view. Runs one statement that reads, and nothing else. The files
// are read where they are (a directory, or S3 through DuckDB's httpfs), or fetched before the statement that needs them. Knows
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
import { ScanPlanner } from './scan-planner.ts';
import { identifier, literal, type SourceTable, type TableFile, viewStatement } from './source-table.ts';

/** Fetches files that are not here; their paths, in order. */
export type FetchFiles = (files: readonly TableFile[], signal: AbortSignal) => Promise<readonly string[]>;

/** Where DuckDB reads S3 itself. */
export interface RemoteFiles {
  /** The file of the extension httpfs. */
  readonly extensionFile: string;
  /** The statement that makes the secret `flowtoll`; asked again before each statement, because credentials expire. */
  readonly secretStatement: () => Promise<string>;
}

export interface SessionOptions {
  readonly tables: readonly SourceTable[];
  /** Directory or URL that holds all files; statements can read nothing outside. */
  readonly root: string;
  /** Given when the paths are URLs of S3. */
  readonly remote?: RemoteFiles;
  /** Given when the paths are no files yet. */
  readonly fetch?: FetchFiles;
}

/** Values by position, as DuckDB gives them. */
export interface QueryResult {
  readonly columns: readonly { readonly name: string; readonly type: DuckDBType }[];
  /** Rows in portions, each when it is ready. */
  readonly chunks: AsyncIterable<readonly (readonly DuckDBValue[])[]>;
}

const INTERRUPT_AGAIN_MS = 20;

export class QuerySession {
  readonly tables: readonly SourceTable[];
  readonly #instance: DuckDBInstance;
  readonly #connection: DuckDBConnection;
  readonly #remote: RemoteFiles | undefined;
  readonly #fetched: FetchedTables | undefined;
  #secret = '';
  #running: AbortController | undefined;

  private constructor(
    instance: DuckDBInstance,
    connection: DuckDBConnection,
    options: SessionOptions,
    fetched: FetchedTables | undefined,
  ) {
    this.#instance = instance;
    this.#connection = connection;
    this.#remote = options.remote;
    this.#fetched = fetched;
    this.tables = options.tables;
  }

  static async open(options: SessionOptions): Promise<QuerySession> {
    const instance = await DuckDBInstance.create(':memory:', {
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
      // A folder of its own: DuckDB names its files alike in every process, and two of them would write into each other's.
      temp_directory: join(tmpdir(), `flowtoll-${randomUUID()}.spill`),
    });
    const connection = await instance.connect();
    try {
      const fetched = options.fetch && (await FetchedTables.open(options.tables, options.fetch));
      const session = new QuerySession(instance, connection, options, fetched);
      await session.#setUp(options);
      return session;
    } catch (error) {
      connection.closeSync();
      instance.closeSync();
      throw fileError(error);
    }
  }

  /** Runs one statement that reads. Throws QUERY_INVALID, with DuckDB's message, if it cannot be run or was cancelled. */
  async query(sql: string): Promise<QueryResult> {
    const signal = this.#begin();
    let statement = await this.#prepare(sql);
    try {
      if (await this.#bring(sql, signal)) statement = await this.#prepare(sql);
      const result = await this.#cancellable(signal, () => statement.stream());
      const columns = result.columnNames().map((name, i) => ({ name, type: result.columnType(i) }));
      return { columns, chunks: chunksOf(result, signal) };
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

  /** Keeps the rows of a statement as a table of this session, for statements that follow. For our own statements only. */
  async keep(table: string, sql: string): Promise<void> {
    try {
      const signal = this.#begin();
      await this.#bring(sql, signal);
      await this.#cancellable(signal, () =>
        this.#connection.run(`CREATE OR REPLACE TEMP TABLE ${identifier(table)} AS ${sql}`),
      );
    } catch (error) {
      throw queryError(error);
    }
  }

  /** Ends the statement that runs: it throws. */
  cancel(): void {
    this.#running?.abort();
    this.#connection.interrupt();
  }

  close(): void {
    this.#connection.closeSync();
    this.#instance.closeSync();
    this.#fetched?.close();
  }

  async #setUp({ tables, root, fetch, remote }: SessionOptions): Promise<void> {
    const set = async (setting: string): Promise<void> => {
      await this.#connection.run(`SET ${setting}`);
    };
    // Hours, days and months are UTC everywhere.
    await set("TimeZone = 'UTC'");
    // Files never change under their names, and a report reads each footer several times.
    await set('parquet_metadata_cache = true');
    if (remote !== undefined) {
      await this.#connection.run(`LOAD ${literal(remote.extensionFile)}`);
      await set('enable_http_metadata_cache = true');
      await set("validate_external_file_cache = 'NO_VALIDATION'");
      await this.#renewSecret();
    }
    for (const table of tables) {
      const paths = fetch === undefined ? table.files.map(({ path }) => path) : [];
      await this.#connection.run(viewStatement(table, paths));
    }
    await set(`allowed_directories = [${literal(root)}]`);
    await set('enable_external_access = false');
    await set('lock_configuration = true');
  }

  /** Sees to it that the statement can read what it needs; whether views have changed. */
  async #bring(sql: string, signal: AbortSignal): Promise<boolean> {
    await this.#renewSecret();
    return (await this.#fetched?.bring(sql, this.#connection, signal)) ?? false;
  }

  /** A statement begins, which `cancel` shall end. */
  #begin(): AbortSignal {
    this.#running = new AbortController();
    return this.#running.signal;
  }

  /** DuckDB forgets an interruption that comes before the work begins in a thread of its own: it is repeated. */
  async #cancellable<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    let timer: NodeJS.Timeout | undefined;
    const interrupt = (): void => {
      timer = setInterval(() => this.#connection.interrupt(), INTERRUPT_AGAIN_MS);
    };
    signal.addEventListener('abort', interrupt, { once: true });
    try {
      return await work();
    } finally {
      signal.removeEventListener('abort', interrupt);
      clearInterval(timer);
    }
  }

  async #renewSecret(): Promise<void> {
    const secret = await this.#remote?.secretStatement();
    if (secret === undefined || secret === this.#secret) return;
    await this.#connection.run(secret);
    this.#secret = secret;
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

async function* chunksOf(
  result: { yieldRows(): AsyncIterable<DuckDBValue[][]> },
  signal: AbortSignal,
): AsyncIterable<readonly (readonly DuckDBValue[])[]> {
  try {
    for await (const chunk of result.yieldRows()) {
      signal.throwIfAborted();
      yield chunk;
    }
    // Rows of a statement that was interrupted end as if there were no more.
    signal.throwIfAborted();
  } catch (error) {
    throw queryError(error);
  }
}

/** Tables whose files come when a statement needs them. */
class FetchedTables {
  readonly #tables: readonly SourceTable[];
  readonly #fetch: FetchFiles;
  readonly #planner: ScanPlanner;
  /** What the views show, as text. */
  readonly #shown = new Map<string, string>();

  private constructor(tables: readonly SourceTable[], fetch: FetchFiles, planner: ScanPlanner) {
    this.#tables = tables;
    this.#fetch = fetch;
    this.#planner = planner;
  }

  static async open(tables: readonly SourceTable[], fetch: FetchFiles): Promise<FetchedTables> {
    return new FetchedTables(tables, fetch, await ScanPlanner.open(tables));
  }

  /** Brings what the statement reads, and lets the views show it; whether one has changed. */
  async bring(sql: string, connection: DuckDBConnection, signal: AbortSignal): Promise<boolean> {
    const partitions = await this.#planner.partitionsOf(sql);
    const wanted = this.#tables.filter(({ name }) => partitions.has(name));
    const files = wanted.map(({ name, files }) =>
      files.filter(({ partition }) => partitions.get(name)!.has(partition)),
    );
    const paths = (await this.#fetch(files.flat(), signal)).values();
    let changed = false;
    for (const [i, table] of wanted.entries()) {
      const view = viewStatement(
        table,
        files[i]!.map(() => paths.next().value!),
      );
      if (this.#shown.get(table.name) === view) continue;
      await connection.run(view);
      this.#shown.set(table.name, view);
      changed = true;
    }
    return changed;
  }

  close(): void {
    this.#planner.close();
  }
}

function queryError(error: unknown): FlowtollError {
  if (error instanceof FlowtollError) {
    return error;
  }
  if (error instanceof Error && (error.name === 'AbortError' || error.message.startsWith('INTERRUPT'))) {
    return new FlowtollError('QUERY_INVALID', 'the statement was cancelled', { cause: error });
  }
  const message = (error instanceof Error ? error.message : String(error)).replace(
    'Failed to extract statements: ',
    '',
  );
  if (/^(IO|HTTP) Error/.test(message) || DAMAGED_FILE.test(message)) {
    return fileError(error);
  }
  return new FlowtollError('QUERY_INVALID', message, { cause: error });
}

/** What DuckDB says of a file that is no Parquet file, or no longer one. */
const DAMAGED_FILE = /^Invalid (Input )?Error: .*(Parquet file|magic bytes|TProtocolException|corrupt)/i;

/** A file that the log names is missing or damaged, or the store cannot be read at all. */
function fileError(error: unknown): FlowtollError {
  if (error instanceof FlowtollError) {
    return error;
  }
  const message = error instanceof Error ? error.message : String(error);
  const [what] = message.split('\n');
  if (/No files found|No such file|HTTP 404/.test(message) || !/^(IO|HTTP) Error/.test(message)) {
    return new FlowtollError(
      'TABLE_INVALID',
      `a file that the log of the table names is missing or damaged: restore it from a backup (${what})`,
      { cause: error },
    );
  }
  return new FlowtollError('STORE_UNAVAILABLE', `a file of the table cannot be read: ${what}`, { cause: error });
}
