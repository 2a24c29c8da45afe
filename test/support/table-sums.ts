// Sums of Flowtoll's tables in S3 by every reader that can be had: delta-rs, DuckDB's delta_scan, `flowtoll sql`, and a plain glob
// over the files. Knows names of columns and where the tables lie; knows nothing of how they were written.
import { fileURLToPath } from 'node:url';
import { GetObjectCommand, paginateListObjectsV2 } from '@aws-sdk/client-s3';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { type StorePlace, sql } from '../lab/product.ts';
import { askPython } from './ask-python.ts';
import { deltaRsPython } from './delta-rows.ts';
import { duckdbExtensions } from './duckdb-extensions.ts';
import { credentialsOf, type SeaweedFs } from './seaweedfs.ts';

const PROGRAM = fileURLToPath(new URL('table_sums.py', import.meta.url));

const MEASURES = [
  ...['tx_bytes', 'tx_packets', 'rx_bytes', 'rx_packets', 'connections', 'lost_bytes_max'],
  ...['tx_cost', 'rx_cost', 'processing_cost'],
];
const KEYS = {
  flows: ['date', 'node', 'traffic_class'],
  costs_hourly: ['date', 'window_start', 'zone', 'namespace', 'traffic_class'],
} as const;

export type TableName = keyof typeof KEYS;

/** Count of rows and sums by keys, as texts, one line each, sorted. */
export type Sums = readonly string[];

/** One object of a log. */
export interface LogEntry {
  readonly version: number;
  readonly text: string;
}

export class TableReaders {
  readonly #server: SeaweedFs;
  readonly #folder: string;
  readonly #reading: StorePlace;
  readonly #python: string;
  readonly #instance: DuckDBInstance;
  readonly #connection: DuckDBConnection;

  private constructor(
    at: { readonly server: SeaweedFs; readonly folder: string; readonly reading: StorePlace },
    python: string,
    instance: DuckDBInstance,
    connection: DuckDBConnection,
  ) {
    this.#server = at.server;
    this.#folder = at.folder;
    this.#reading = at.reading;
    this.#python = python;
    this.#instance = instance;
    this.#connection = connection;
  }

  /** @param at.folder of the cluster, bucket first; @param at.reading the store above it. Rejects where a reader is missing. */
  static async open(at: {
    readonly server: SeaweedFs;
    readonly folder: string;
    readonly reading: StorePlace;
  }): Promise<TableReaders> {
    const [python, extensions] = [await deltaRsPython(), await duckdbExtensions()];
    if (python === undefined || extensions === undefined) throw new Error('readers of Delta tables are missing');
    const instance = await DuckDBInstance.create(':memory:', { autoinstall_known_extensions: 'false' });
    const connection = await instance.connect();
    const { accessKeyId, secretAccessKey } = credentialsOf('reader');
    for (const statement of [
      `LOAD '${extensions.httpfs}/v1.5.5/httpfs.duckdb_extension'`,
      `LOAD '${extensions.delta}/v1.5.5/delta.duckdb_extension'`,
      "SET TimeZone = 'UTC'",
      `CREATE SECRET (TYPE s3, KEY_ID '${accessKeyId}', SECRET '${secretAccessKey}', REGION 'us-east-1',
         ENDPOINT '${new URL(at.server.endpoint).host}', URL_STYLE 'path', USE_SSL false)`,
    ]) {
      await connection.run(statement);
    }
    return new TableReaders(at, python, instance, connection);
  }

  close(): void {
    this.#connection.closeSync();
    this.#instance.closeSync();
  }

  /** By delta-rs, and the version that it read. */
  async deltaRs(table: TableName): Promise<{ readonly version: number; readonly sums: Sums }> {
    const { uri, options } = this.#server.foreignTable(`${this.#folder}/${table}`);
    const question = { table: uri, options, keys: KEYS[table], measures: MEASURES };
    const answer = (await askPython(this.#python, PROGRAM, question)) as { version: number; rows: (string | null)[][] };
    return { version: answer.version, sums: lines(answer.rows) };
  }

  /** By DuckDB's delta extension. */
  deltaScan(table: TableName): Promise<Sums> {
    return this.#duckDb(sumsOf(table, `delta_scan('s3://${this.#folder}/${table}')`));
  }

  /** By DuckDB over all files that are there, whatever the log says. */
  glob(table: TableName): Promise<Sums> {
    return this.#duckDb(sumsOf(table, `read_parquet('s3://${this.#folder}/${table}/date=*/*.parquet')`));
  }

  /** By `flowtoll sql`. */
  async flowtoll(table: TableName): Promise<Sums> {
    return lines(
      (await sql<Record<string, string | null>>(this.#reading, sumsOf(table, table))).map((row) => Object.values(row)),
    );
  }

  /** `flows` summed by hour, as `costs_hourly` must have it. */
  hours(): Promise<Sums> {
    return this.#duckDb(hoursOf(`SELECT * FROM delta_scan('s3://${this.#folder}/flows')`));
  }

  /** `costs_hourly`, and of `flows` these files, which nobody has rolled up. Paths as in the log. */
  hoursWith(notRolledUp: readonly string[]): Promise<Sums> {
    const costs = `SELECT * FROM delta_scan('s3://${this.#folder}/costs_hourly')`;
    const files = notRolledUp.map((path) => `'s3://${this.#folder}/flows/${decodeURIComponent(path)}'`);
    const rest = `UNION ALL BY NAME SELECT * FROM read_parquet([${files.join(', ')}], hive_partitioning = false)`;
    return this.#duckDb(hoursOf(`${costs} ${files.length > 0 ? rest : ''}`));
  }

  /** The entries that the log has, by version; and the versions of its checkpoints. */
  async log(table: TableName): Promise<{ readonly entries: LogEntry[]; readonly checkpoints: number[] }> {
    const [bucket, ...rest] = this.#folder.split('/');
    const Prefix = `${rest.join('/')}/${table}/_delta_log/`;
    const { client } = this.#server;
    const entries: LogEntry[] = [];
    const checkpoints: number[] = [];
    for await (const { Contents = [] } of paginateListObjectsV2({ client }, { Bucket: bucket!, Prefix })) {
      for (const { Key } of Contents) {
        const [, version, kind] = /\/(\d{20})\.(json|checkpoint\.parquet)$/.exec(Key!) ?? [];
        if (kind === 'checkpoint.parquet') checkpoints.push(Number(version));
        if (kind !== 'json') continue;
        const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket!, Key: Key! }));
        entries.push({ version: Number(version), text: await Body!.transformToString() });
      }
    }
    return { entries, checkpoints };
  }

  /** The version of an application in a checkpoint; undefined where it has none. */
  async transaction(table: TableName, checkpoint: number, appId: string): Promise<number | undefined> {
    const file = `_delta_log/${String(checkpoint).padStart(20, '0')}.checkpoint.parquet`;
    const from = `read_parquet('s3://${this.#folder}/${table}/${file}')`;
    const rows = await this.#connection.runAndReadAll(
      `SELECT max(txn.version)::DOUBLE FROM ${from} WHERE txn.appId = '${appId}'`,
    );
    return (rows.getRows()[0]![0] as number | null) ?? undefined;
  }

  async #duckDb(statement: string): Promise<Sums> {
    return lines((await this.#connection.runAndReadAll(statement)).getRows() as (string | null)[][]);
  }
}

const texts = (expressions: readonly string[]): string =>
  expressions.map((expression, i) => `(${expression})::VARCHAR AS c${String(i).padStart(2, '0')}`).join(', ');
const measured = MEASURES.map((name) => `sum(${name})`);

function sumsOf(table: TableName, from: string): string {
  const keys = KEYS[table].map((name) => (name === 'window_start' ? `epoch_us(${name})` : name));
  return `SELECT ${texts(['count(*)', ...keys, ...measured])} FROM ${from} GROUP BY ${KEYS[table].join(', ')}`;
}

function hoursOf(query: string): string {
  const names = ['zone', 'traffic_class', 'namespace', 'workload', 'peer_workload', 'port', 'initiator'];
  const keys = ["epoch_us(date_trunc('hour', window_start))", ...names];
  return `SELECT ${texts([...keys, ...measured])} FROM (${query}) GROUP BY ${keys.join(', ')}`;
}

const lines = (rows: readonly (readonly (string | null)[])[]): Sums =>
  rows.map((row) => row.map((value) => value ?? '-').join(' ')).sort();
