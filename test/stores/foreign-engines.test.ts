// The engines of docs/querying.md that can be had here read the tables as the page says: DuckDB with its extensions httpfs and
// delta, deltalake with PyArrow; in a directory and in S3. The statements are the page's own; the oracle is `flowtoll sql` on the
// directory, which other tests compare with what was written.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { sqlCommand } from '@flowtoll/aggregator/commands/sql.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { askPython } from '../support/ask-python.ts';
import { deltaRsPython } from '../support/delta-rows.ts';
import { duckdbExtensions } from '../support/duckdb-extensions.ts';
import { uploadStore, writeQueryTables } from '../support/query-tables.ts';
import { credentialsOf, type SeaweedFs, seaweedFsProgram, startSeaweedFs } from '../support/seaweedfs.ts';

const program = await seaweedFsProgram();
const extensions = await duckdbExtensions();
const python = await deltaRsPython();

const PAGE = fileURLToPath(new URL('../../docs/querying.md', import.meta.url));
const READ_TABLES = fileURLToPath(new URL('../support/read_tables.py', import.meta.url));
/** What the page writes for "a week ago". */
const SINCE = '2026-01-31';

const canRun = program !== undefined && extensions !== undefined && python !== undefined;

describe.skipIf(!canRun)('engines that are not ours', () => {
  let directory: string;
  let server: SeaweedFs;
  let instance: DuckDBInstance;
  let connection: DuckDBConnection;
  let page: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'flowtoll-engines-'));
    await writeQueryTables(join(directory, 'store'));
    server = await startSeaweedFs(program!);
    await server.createBucket('flows');
    await uploadStore(server, join(directory, 'store'), 'deep/');
    instance = await DuckDBInstance.create(':memory:', { autoinstall_known_extensions: 'false' });
    connection = await instance.connect();
    const { accessKeyId, secretAccessKey } = credentialsOf('reader');
    for (const statement of [
      `LOAD '${extensions!.httpfs}/v1.5.5/httpfs.duckdb_extension'`,
      `LOAD '${extensions!.delta}/v1.5.5/delta.duckdb_extension'`,
      `CREATE SECRET (TYPE s3, KEY_ID '${accessKeyId}', SECRET '${secretAccessKey}', REGION 'us-east-1',
         ENDPOINT '${new URL(server.endpoint).host}', URL_STYLE 'path', USE_SSL false)`,
    ]) {
      await connection.run(statement);
    }
    page = await readFile(PAGE, 'utf8');
  });
  afterAll(async () => {
    connection?.closeSync();
    instance?.closeSync();
    await server?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const places = [
    { name: 'directory', root: () => join(directory, 'store') },
    { name: 'S3', root: () => 's3://flows/deep' },
  ];

  /** The statement of the page that reads so, over the tables of the test. */
  function statementWith(words: string, root: string): string {
    const blocks = [...page.matchAll(/```sql\n(.*?)```/gs)].flatMap(([, block]) => block!.split(/;\n/));
    const statement = blocks.find((block) => block.includes(words));
    expect(statement, `a statement with ${words}`).toBeDefined();
    return statement!
      .replace('s3://bucket/prefix/<cluster>', `${root}/demo`)
      .replace('current_date - 7', `DATE '${SINCE}'`)
      .trim();
  }

  async function duckdb(statement: string): Promise<unknown[]> {
    return (await connection.runAndReadAll(`SELECT * FROM (${statement}) ORDER BY 1`)).getRowsJson();
  }

  async function ours(statement: string): Promise<Record<string, unknown>[]> {
    let printed = '';
    const output = {
      write: async (part: string) => {
        printed += part;
      },
      remark: () => undefined,
    };
    const args = ['--store', join(directory, 'store'), '--format', 'json', `${statement} ORDER BY 1`];
    await sqlCommand(() => output).parseAsync(args, { from: 'user' });
    return JSON.parse(printed);
  }

  const byClass = (table: string) =>
    ours(`SELECT traffic_class, sum(tx_bytes) AS tx FROM ${table} WHERE date >= '${SINCE}' GROUP BY ALL`);

  for (const { name, root } of places) {
    test(`DuckDB's delta_scan reads flows in ${name}`, async () => {
      const expected = await byClass('flows');
      expect(expected).toHaveLength(2);
      expect(await duckdb(statementWith('delta_scan', root()))).toEqual(
        expected.map(({ traffic_class, tx }) => [traffic_class, String(tx)]),
      );
    });

    test(`a glob over costs_hourly is right in ${name}`, async () => {
      const expected = await ours(
        `SELECT namespace, sum(tx_cost + rx_cost) AS usd FROM costs_hourly WHERE date >= '${SINCE}' GROUP BY ALL`,
      );
      expect(expected).toHaveLength(3);
      expect(await duckdb(statementWith('read_parquet', root()))).toEqual(
        expected.map(({ namespace, usd }) => [namespace, usd]),
      );
    });

    test(`deltalake and PyArrow read both tables in ${name}`, async () => {
      const options = name === 'S3' ? server.foreignTable('').options : {};
      const answer = askPython(python!, READ_TABLES, { uri: `${root()}/demo`, options, since: SINCE });
      const expected = Object.fromEntries(
        await Promise.all(
          ['flows', 'costs_hourly'].map(async (table) => [
            table,
            Object.fromEntries((await byClass(table)).map(({ traffic_class, tx }) => [traffic_class, tx])),
          ]),
        ),
      );
      expect(await answer).toEqual(expected);
    });
  }
});
