// Which days a statement needs. The oracle: run over files of which each has its day in it, a statement over the needed files alone
// gives what it gives over all.
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ScanPlanner } from './scan-planner.ts';
import { type SourceTable, viewStatement } from './source-table.ts';

const DAYS = ['2026-01-29', '2026-01-30', '2026-01-31', '2026-02-01'];
const columns = [
  { name: 'a', sqlType: 'BIGINT', description: '' },
  { name: 'window_start', sqlType: 'TIMESTAMPTZ', description: '' },
  { name: 'date', sqlType: 'DATE', description: '' },
];

let directory: string;
let tables: SourceTable[];
let planner: ScanPlanner;
let instance: DuckDBInstance;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'flowtoll-planner-'));
  instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  tables = [];
  for (const name of ['flows', 'costs_hourly']) {
    const files = [];
    for (const [i, day] of DAYS.entries()) {
      const folder = join(directory, name, `date=${day}`);
      await mkdir(folder, { recursive: true });
      await connection.run(
        `COPY (SELECT range + ${i * 10} AS a, TIMESTAMPTZ '${day}' AS window_start FROM range(10))
         TO '${folder}/x.parquet' (FORMAT parquet)`,
      );
      files.push({ path: `${folder}/x.parquet`, sizeBytes: 1, partition: day });
    }
    tables.push({ name, columns, partitionColumn: 'date', files });
  }
  connection.closeSync();
  planner = await ScanPlanner.open(tables);
});
afterAll(async () => {
  planner.close();
  instance.closeSync();
  await rm(directory, { recursive: true, force: true });
});

async function answer(sql: string, needed?: ReadonlyMap<string, ReadonlySet<string>>): Promise<unknown> {
  const connection = await instance.connect();
  for (const table of tables) {
    const files = table.files.filter(({ partition }) => !needed || needed.get(table.name)?.has(partition));
    await connection.run(
      viewStatement(
        table,
        files.map(({ path }) => path),
      ),
    );
  }
  const rows = (await connection.runAndReadAll(sql)).getRowsJson();
  connection.closeSync();
  return rows;
}

const [D29, D30, D31, F01] = DAYS as [string, string, string, string];

describe('days of flows', () => {
  for (const [sql, days] of [
    ['SELECT sum(a) FROM flows', DAYS],
    ['SELECT count(*) FROM FLOWS', DAYS],
    ["SELECT sum(a) FROM flows WHERE date = '2026-01-30'", [D30]],
    ["SELECT count(*) FROM flows WHERE date >= '2026-01-31'", [D31, F01]],
    ["SELECT sum(a) FROM flows f WHERE a > 3 AND f.date BETWEEN '2026-01-30' AND DATE '2026-01-31'", [D30, D31]],
    ["SELECT sum(a) FROM flows WHERE date IN ('2026-01-29', '2026-02-01')", [D29, F01]],
    ["SELECT sum(a) FROM flows WHERE date = '2026-01-30' OR a = 31", DAYS],
    ['SELECT sum(a) FROM flows WHERE month(date) = 2', DAYS],
    ["SELECT sum(a) FROM flows WHERE date > '2030-01-01'", []],
    ['SELECT sum(a) FROM flows WHERE date = (SELECT max(date) FROM flows)', DAYS],
    [
      "SELECT sum(a) FROM flows WHERE date = '2026-01-29' UNION ALL SELECT max(a) FROM flows WHERE date = '2026-02-01'",
      [D29, F01],
    ],
    ["WITH x AS (SELECT * FROM flows) SELECT sum(a) FROM x WHERE date = '2026-01-30'", [D30]],
    ["SELECT sum(a) FROM (SELECT a, date AS d FROM flows) WHERE d < '2026-01-30'", [D29]],
    ["SELECT f.a, c.a FROM flows f JOIN costs_hourly c USING (a, date) WHERE date = '2026-01-30' ORDER BY 1", [D30]],
    ["SELECT (SELECT count(*) FROM flows), sum(a) FROM flows WHERE date = '2026-01-30'", DAYS],
    ["SELECT sum(a) FROM flows WHERE false AND date = '2026-01-30'", DAYS],
    ["SELECT count(*) FROM query('SELECT * FROM flows')", DAYS],
    ["SELECT count(*) FROM query('SELECT * FROM fl' || 'ows')", DAYS],
    ["SELECT count(*) FROM query_table('flows')", DAYS],
    ["SELECT sum(a) FROM costs_hourly UNION ALL SELECT sum(a) FROM flows WHERE date = '2026-01-30'", [D30]],
    ["SELECT sum(a) FROM flows UNION ALL SELECT sum(a) FROM costs_hourly WHERE date = '2026-01-30'", DAYS],
    ["SELECT count(*) FROM costs_hourly UNION ALL SELECT sum(a) FROM flows WHERE date = '2026-01-30'", DAYS],
    ["SELECT a FROM flows WHERE date = '2026-01-30' ORDER BY a -- the end", [D30]],
    ['DESCRIBE flows', []],
    ['SELECT 1', undefined],
    ['SELECT sum(a) FROM costs_hourly', undefined],
  ] as const) {
    test(sql, async () => {
      const needed = await planner.partitionsOf(sql);
      const found = needed.get('flows');
      expect(found && [...found].sort()).toEqual(days);
      expect(await answer(sql, needed)).toEqual(await answer(sql));
    });
  }
});
